//! Artifacts: files that come with a request for events; what is listed, read, copied, and gone after its time.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::Method;
use reqwest::Body;
use sederunt_core::blob::{BlobPath, Home, Room};
use sederunt_core::id::ArtifactId;
use sederunt_core::page::{Order, Slice};
use serde_json::{Value, json};

use super::{Desk, events_of, session_at, sessions_of, smallest};
use crate::azure;
use crate::harness::{House, Persona, Reply};
use crate::process::Process;

const AGENT: &str = "agt_reader";
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A model that repeats all that it is told.
const SCRIPT: &str = r#"
builtin = false

[[rule]]
text = "^what came\\?$"
reply = "{% for said in history %}{{ said.text }}|{% endfor %}"

[[rule]]
text = "^break$"
fault = { kind = "unavailable" }

[[rule]]
text = "^hang$"
fault = { kind = "hang", after = 0 }

[[rule]]
reply = "Thank you."
"#;

const BOUNDARY: &str = "x-boundary-of-parts";

/// A form of several parts.
#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), None, value.as_bytes())
    }

    fn file(self, name: &str, kind: &str, content: &[u8]) -> Self {
        self.part(&format!("name=\"files\"; filename=\"{name}\""), Some(kind), content)
    }

    fn part(mut self, disposition: &str, kind: Option<&str>, content: &[u8]) -> Self {
        let kind = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn whole(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

/// Sends parts.
async fn post(who: &Persona, path: &str, body: impl Into<Body>) -> Reply {
    let request = who.request(Method::POST, path);
    Reply::of(request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}")).body(body)).await
}

/// A session of alice's with an agent that takes files.
struct Reading {
    desk: Desk,
    session: String,
}

impl Reading {
    async fn new() -> Self {
        Self::of(&[]).await
    }

    async fn of(settings: &[(&str, &str)]) -> Self {
        let plan = settings.iter().fold(House::new().script(SCRIPT).held(), |plan, (key, value)| plan.set(key, value));
        let desk = Desk::of(plan).await;
        desk.agent(AGENT).await;
        let session = desk.session(AGENT).await;
        Self { desk, session }
    }

    async fn send(&self, form: Form) -> Reply {
        post(&self.desk.alice, &events_of(AGENT, &self.session), form.whole()).await
    }

    /// The ids of the files that were brought.
    async fn bring(&self, form: Form) -> Vec<String> {
        let told = self.send(form).await.json(201);
        let files = told["events"][0]["artifacts"].as_array().unwrap();
        files.iter().map(|file| file["artifact_id"].as_str().unwrap().to_owned()).collect()
    }

    fn at(&self, rest: &str) -> String {
        format!("{}/artifacts{rest}", session_at(AGENT, &self.session))
    }

    async fn list(&self, query: &str) -> Value {
        self.desk.alice.get(&self.at(query)).await.json(200)
    }

    async fn get(&self, id: &str) -> Reply {
        self.desk.alice.get(&self.at(&format!("/{id}"))).await
    }

    async fn total(&self) -> Value {
        self.list("").await["metadata"]["total_count"].clone()
    }

    /// How many files lie in each home.
    async fn stored(&self) -> Vec<usize> {
        let blobs = &self.desk.house.app().ports().blobs;
        let slice = Slice { order: Order::OldestFirst, after: None, before: None, limit: 100 };
        let mut stored = Vec::new();
        for home in blobs.homes(None, 100).await.unwrap() {
            stored.push(kept(&self.desk, &home, &slice).await);
        }
        stored
    }
}

async fn kept(desk: &Desk, home: &Home, slice: &Slice<String>) -> usize {
    let found = desk.house.app().ports().blobs.list(home, &BlobPath::artifacts(), slice).await;
    found.map_or(0, |found| found.items.len())
}

fn names(list: &Value) -> Vec<&str> {
    list["artifacts"].as_array().unwrap().iter().map(|one| one["filename"].as_str().unwrap()).collect()
}

fn types(told: &Value) -> Vec<&str> {
    told["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn files_begin_the_turn_that_they_come_with() {
    let reading = Reading::new().await;
    let form = Form::default()
        .file("plan ü 🙂.txt", "text/plain", b"abc")
        .text("messages", r#"[{"type": "text", "content": "Look"}]"#)
        .file("b.bin", "application/x-thing", &[0, 255]);
    let told = reading.send(form).await.json(201);
    assert_eq!(types(&told), ["artifact_upload", "input_message", "agent_output"]);
    let upload = &told["events"][0];
    let [text, bytes] = [0, 1].map(|n| upload["artifacts"][n].clone());
    assert_eq!(
        (&text["filename"], &text["mime_type"], &text["size_bytes"]),
        (&json!("plan ü 🙂.txt"), &json!("text/plain"), &json!(3))
    );
    assert_eq!((&bytes["filename"], &bytes["mime_type"]), (&json!("b.bin"), &json!("application/x-thing")));
    let message = upload["agent_upload_message"].as_str().unwrap();
    for said in ["plan ü 🙂.txt", "text/plain", "3 bytes", text["artifact_id"].as_str().unwrap()] {
        assert!(message.contains(said), "{message}");
    }
    let listed = reading.desk.alice.get(&events_of(AGENT, &reading.session)).await.json(200);
    assert_eq!(listed["events"], told["events"]);
}

#[tokio::test]
async fn files_need_no_message_and_the_model_is_told_of_them() {
    let reading = Reading::new().await;
    let told = reading.send(Form::default().file("a.txt", "text/plain", b"abc")).await.json(201);
    assert_eq!(types(&told), ["artifact_upload", "agent_output"]);
    let told = told["events"][0]["agent_upload_message"].clone();
    let asked = reading.send(Form::default().text("message", "what came?")).await.json(201);
    assert_eq!(types(&asked), ["input_message", "agent_output"]);
    let answer = asked["events"][1]["content"].as_str().unwrap();
    assert!(answer.contains(told.as_str().unwrap()), "{answer}");
}

#[tokio::test]
async fn an_upload_can_be_answered_by_a_stream() {
    let reading = Reading::new().await;
    let form = Form::default().text("stream_response", "true").file("é.txt", "text/plain", b"abc");
    let reply = reading.send(form).await;
    reply.expect(201);
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let frames: Vec<Value> = reply
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|f| serde_json::from_str(f).unwrap())
        .collect();
    assert_eq!(frames[0]["type"], "artifact_upload");
    assert_eq!(frames[0]["artifacts"][0]["filename"], "é.txt");
    assert!(reply.body.is_ascii());
    assert_eq!(frames.last().unwrap()["type"], "end");
}

#[tokio::test]
async fn an_artifact_is_read_with_its_bytes_in_base64() {
    let reading = Reading::new().await;
    let content: Vec<u8> = (0..300_001u32).map(|n| n as u8).collect();
    let [id] = reading.bring(Form::default().file("large", "x/y", &content)).await.try_into().unwrap();
    let reply = reading.get(&id).await;
    let artifact = reply.json(200);
    assert_eq!(reply.headers["content-length"], reply.body.len().to_string());
    assert_eq!(BASE64_STANDARD.decode(artifact["data"].as_str().unwrap()).unwrap(), content);
    assert_eq!((&artifact["ttl_days"], &artifact["size_bytes"]), (&json!(30), &json!(300_001)));
    assert_eq!(artifact["metadata"], json!({"original_filename": "large"}));
    assert_eq!(artifact["created_at"], "2026-01-02T03:04:05.000Z");
    let [id] = reading.bring(Form::default().file("a", "x/y", b"abc")).await.try_into().unwrap();
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(reading.get(&id).await.json(200)["checksum_sha256"], sum);
}

#[tokio::test]
async fn artifacts_are_listed_newest_first_unless_asked_otherwise() {
    let reading = Reading::new().await;
    for name in ["one", "two", "three"] {
        reading.bring(Form::default().file(name, "x/y", b"")).await;
        reading.desk.house.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(names(&reading.list("").await), ["three", "two", "one"]);
    assert_eq!(names(&reading.list("?sort_by=updated_at&order_by=asc").await), ["one", "two", "three"]);
    let first = reading.list("?limit=2").await;
    assert_eq!((names(&first), &first["metadata"]["total_count"]), (vec!["three", "two"], &json!(3)));
    assert!(first["artifacts"][0].get("data").is_none());
    let token = first["metadata"]["page_key"].as_str().unwrap();
    let last = reading.list(&format!("?limit=2&page_key={token}")).await;
    assert_eq!((names(&last), last["metadata"].get("page_key")), (vec!["one"], None));
    for wrong in ["?sort_by=size", "?order_by=up", "?limit=0", "?page_key=eyJhcnRpZmFjdF9pZCI6ImFydF8xIn0="] {
        reading.desk.alice.get(&reading.at(wrong)).await.expect(400);
    }
}

#[tokio::test]
async fn an_artifact_is_gone_after_its_time() {
    let reading = Reading::of(&[("vectara.artifact_ttl", "2d")]).await;
    let [old] = reading.bring(Form::default().file("old", "x/y", b"abc")).await.try_into().unwrap();
    reading.desk.house.advance(DAY).await;
    reading.bring(Form::default().file("new", "x/y", b"abc")).await;
    assert_eq!((reading.get(&old).await.json(200)["ttl_days"].clone(), reading.stored().await), (json!(2), vec![2]));
    reading.desk.house.advance(DAY).await;
    assert_eq!(reading.get(&old).await.json(404)["code"], "artifact_not_found");
    assert_eq!(names(&reading.list("").await), ["new"]);
    assert_eq!((reading.total().await, reading.stored().await), (json!(1), vec![1]));
}

#[tokio::test]
async fn bytes_that_no_turn_says_are_removed_after_a_day() {
    let reading = Reading::new().await;
    let [id] = reading.bring(Form::default().file("said", "x/y", b"abc")).await.try_into().unwrap();
    let app = reading.desk.house.app();
    let home = app.ports().blobs.homes(None, 1).await.unwrap().remove(0);
    let room = Room { file: 10, home: 100, entries: 10 };
    let left = BlobPath::artifact(ArtifactId(uuid::Uuid::nil()));
    let content = stream::iter([Ok(Bytes::from_static(b"left"))]).boxed();
    app.ports().blobs.put(&home, &left, content, room, app.ports().clock.now()).await.unwrap();
    reading.desk.house.advance(DAY - Duration::from_secs(1)).await;
    assert_eq!(reading.stored().await, [2]);
    reading.desk.house.advance(Duration::from_secs(1)).await;
    assert_eq!(reading.stored().await, [1]);
    reading.get(&id).await.expect(200);
}

#[tokio::test]
async fn artifacts_go_with_their_session() {
    let reading = Reading::new().await;
    reading.bring(Form::default().file("a", "x/y", b"abc")).await;
    assert_eq!(reading.stored().await, [1]);
    reading.desk.alice.delete(&session_at(AGENT, &reading.session)).await.expect(204);
    reading.desk.alice.get(&reading.at("")).await.expect(404);
    assert!(reading.stored().await.is_empty());
}

#[tokio::test]
async fn a_fork_has_copies_of_its_own() {
    let reading = Reading::new().await;
    let [id] = reading.bring(Form::default().file("a.txt", "text/plain", b"abc")).await.try_into().unwrap();
    let from = json!({"from_session": {"session_key": reading.session}});
    let fork = reading.desk.alice.post(&sessions_of(AGENT), from).await.json(201)["key"].clone();
    let fork = Reading { session: fork.as_str().unwrap().to_owned(), ..reading };
    let listed = fork.list("").await;
    let copy = listed["artifacts"][0]["artifact_id"].as_str().unwrap();
    assert!(names(&listed) == ["a.txt"] && copy != id, "{listed}");
    assert_eq!(fork.get(copy).await.json(200)["data"], "YWJj");
    fork.get(&id).await.expect(404);
    let events = fork.desk.alice.get(&events_of(AGENT, &fork.session)).await.json(200);
    assert_eq!(events["events"][0]["artifacts"][0]["artifact_id"], copy);
    assert!(events["events"][0]["agent_upload_message"].as_str().unwrap().contains(copy));
}

#[tokio::test]
async fn a_fork_lists_no_file_whose_bytes_it_does_not_have() {
    let reading = Reading::new().await;
    let form = Form::default().file("a.txt", "text/plain", b"abc").file("b.txt", "text/plain", b"def");
    let [lost, _] = reading.bring(form).await.try_into().unwrap();
    let blobs = reading.desk.house.app().ports().blobs.clone();
    let [home] = blobs.homes(None, 9).await.unwrap().try_into().unwrap();
    let path = BlobPath::artifact(lost.strip_prefix("art_").unwrap().parse().unwrap());
    blobs.remove(&home, &path, false, reading.desk.house.app().now()).await.unwrap();
    let from = json!({"from_session": {"session_key": reading.session}});
    let fork = reading.desk.alice.post(&sessions_of(AGENT), from).await.json(201)["key"].clone();
    let fork = Reading { session: fork.as_str().unwrap().to_owned(), ..reading };
    let listed = fork.list("").await;
    assert_eq!((names(&listed), &listed["metadata"]["total_count"]), (vec!["b.txt"], &json!(1)));
    let events = fork.desk.alice.get(&events_of(AGENT, &fork.session)).await.json(200);
    assert_eq!(events["events"][0]["artifacts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_files_of_other_apis_are_apart() {
    let reading = Reading::new().await;
    reading.bring(Form::default().file("a.txt", "text/plain", b"abc")).await;
    let session = azure::session_at(AGENT, &reading.session);
    let (session, version) = session.split_once('?').unwrap();
    let files = |path: &str| format!("{session}/files{path}&{version}");
    let alice = &reading.desk.alice;
    assert_eq!(alice.get(&files("?path=")).await.json(200)["entries"], json!([]));
    for path in ["?path=.artifacts", "/content?path=.artifacts/x", "?path=x/../.Artifacts"] {
        alice.get(&files(path)).await.expect(400);
    }
    alice.delete(&files("?path=.artifacts&recursive=true")).await.expect(400);
    assert_eq!(reading.stored().await, [1]);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let reading = Reading::of(&[("vectara.file_size", "1KiB")]).await;
    let file = || Form::default().file("a", "x/y", b"abc");
    for (form, status) in [
        (file().file("b", "x/y", &[0; 1_025]), 413),
        (Form::default(), 400),
        (Form::default().text("messages", "[]"), 400),
        (file().text("messages", "{"), 400),
        (file().text("messages", r#"[{"content": " "}]"#), 400),
        (file().text("stream_response", "maybe"), 400),
        (file().text("since", "aev_1"), 400),
        (file().text("since", "start").text("behavior", "shout"), 400),
        (file().text("message", "break"), 502),
        ((0..33).fold(Form::default(), |form, _| form.file("a", "x/y", b"")), 400),
    ] {
        reading.send(form).await.expect(status);
        assert_eq!((reading.total().await, reading.stored().await), (json!(0), vec![0]));
    }
    let events = events_of(AGENT, &reading.session);
    post(&reading.desk.alice, &events, format!("--{BOUNDARY}\r\nContent-Disp")).await.expect(400);
    let request = reading.desk.alice.request(Method::POST, &events);
    Reply::of(request.header("content-type", "multipart/form-data").body("x")).await.expect(400);
}

#[tokio::test]
async fn files_of_a_turn_that_its_caller_gave_up_are_gone() {
    let reading = Reading::new().await;
    let form = Form::default().file("a", "x/y", b"abc").text("message", "hang");
    let request = reading.desk.alice.request(Method::POST, &events_of(AGENT, &reading.session));
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let reply = Reply::of(request.header("request-timeout-millis", "20").body(form.whole())).await;
    assert_eq!(reply.json(408)["code"], "request_timeout");
    assert_eq!((reading.total().await, reading.stored().await), (json!(0), vec![0]));
}

#[tokio::test]
async fn who_may_not_see_the_session_sees_none_of_its_artifacts() {
    let reading = Reading::new().await;
    let [id] = reading.bring(Form::default().file("a", "x/y", b"abc")).await.try_into().unwrap();
    let bob = reading.desk.house.bob();
    bob.get(&reading.at("")).await.expect(404);
    bob.get(&reading.at(&format!("/{id}"))).await.expect(404);
    let file = Form::default().file("a", "x/y", b"abc").whole();
    post(&bob, &events_of(AGENT, &reading.session), file).await.expect(404);
    assert_eq!(reading.get("art_ring_agate_bearskin").await.json(404)["code"], "artifact_not_found");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn fifty_megabytes_brought_and_read_leave_memory_flat() {
    let server = Process::start(&[]);
    Reply::of(server.request(Method::POST, "/v2/agents").json(&smallest(AGENT))).await.expect(201);
    let session = Reply::of(server.request(Method::POST, &sessions_of(AGENT)).json(&json!({}))).await.json(201);
    let session = session["key"].as_str().unwrap();
    let size = 50 << 20;
    let head = Form::default().file("large", "x/y", b"").0;
    let head = Bytes::copy_from_slice(head.strip_suffix(b"\r\n").unwrap());
    let chunks = (0..800).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 1 << 16])));
    let tail = Bytes::from(format!("\r\n--{BOUNDARY}--\r\n"));
    let body = std::iter::once(Ok(head)).chain(chunks).chain(std::iter::once(Ok(tail)));
    let before = server.peak();
    let request = server.request(Method::POST, &events_of(AGENT, session));
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let told = Reply::of(request.body(Body::wrap_stream(stream::iter(body)))).await.json(201);
    let file = &told["events"][0]["artifacts"][0];
    assert_eq!(file["size_bytes"], size);
    let path = format!("{}/artifacts/{}", session_at(AGENT, session), file["artifact_id"].as_str().unwrap());
    let mut read = 0;
    let mut reply = server.request(Method::GET, &path).send().await.unwrap();
    while let Some(chunk) = reply.chunk().await.unwrap() {
        read += chunk.len() as u64;
    }
    assert!(read > size * 4 / 3, "{read}");
    let grown = server.peak() - before;
    assert!(grown < 16 << 20, "the server grew by {grown} bytes");
}
