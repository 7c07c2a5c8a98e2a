//! The files of sessions over HTTP, in the Azure dialect.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use reqwest::Body;
use serde_json::{Value, json};

use crate::azure::{Desk, at, session_at, sessions_of};
use crate::harness::{House, Persona, Reply};
use crate::process::Process;

/// Alice at a session of hers.
struct Drawer {
    desk: Desk,
    session: String,
}

impl Drawer {
    async fn new() -> Self {
        Self::of(Desk::new().await).await
    }

    async fn of(desk: Desk) -> Self {
        desk.agent("clerk").await;
        let session = desk.session("clerk").await;
        Self { desk, session }
    }

    /// A path below the session's files.
    fn files(&self, rest: &str) -> String {
        at(&format!("/agents/clerk/endpoint/sessions/{}/files{rest}", self.session))
    }

    async fn put(&self, path: &str, content: impl Into<Body>) -> Reply {
        self.put_as(&self.desk.alice, path, content).await
    }

    async fn put_as(&self, who: &Persona, path: &str, content: impl Into<Body>) -> Reply {
        let request = who.request(Method::PUT, &self.files(&format!("/content?path={path}")));
        Reply::of(request.header("content-type", "application/octet-stream").body(content)).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.desk.alice.get(&self.files(&format!("/content?path={path}"))).await
    }

    async fn list(&self, query: &str) -> Reply {
        self.desk.alice.get(&self.files(query)).await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.list(query).await.json(200);
        page["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn remove(&self, query: &str) -> Reply {
        self.desk.alice.delete(&self.files(query)).await
    }

    async fn accessed(&self) -> Value {
        self.desk.alice.get(&session_at("clerk", &self.session)).await.json(200)["last_accessed_at"].clone()
    }

    /// How many sessions have files.
    async fn homes(&self) -> usize {
        self.desk.house.app().ports().blobs.homes(None, 100).await.unwrap().len()
    }
}

/// The error of an envelope with this status.
#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    let error = reply.json(status)["error"].clone();
    assert_eq!(error["code"], code, "{reply:?}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{reply:?}");
}

#[tokio::test]
async fn a_file_comes_down_as_it_went_up() {
    let drawer = Drawer::new().await;
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let written = drawer.put("data/deep/blob.bin", content.clone()).await.json(201);
    assert_eq!(written, json!({"path": "data/deep/blob.bin", "bytes_written": 300_000}));
    let path = drawer.files("/content?path=/data/./deep//blob.bin");
    let got = drawer.desk.alice.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(got.headers()["content-type"], "application/octet-stream");
    assert_eq!(got.headers()["content-length"], "300000");
    assert!(got.bytes().await.unwrap() == content);
    assert_eq!(drawer.put("data/deep/blob.bin", "").await.json(201)["bytes_written"], 0);
    assert_eq!(drawer.get("data/deep/blob.bin").await.expect(200).body, "");
}

#[tokio::test]
async fn a_list_is_a_page_by_name() {
    let drawer = Drawer::new().await;
    let empty = json!({"path": ".", "entries": [], "first_id": null, "last_id": null, "has_more": false});
    assert_eq!(drawer.list("").await.json(200), empty);
    for path in ["b.txt", "sub/c", "a.txt"] {
        drawer.put(path, "12").await.expect(201);
    }
    // The test's clock stands at 2026-01-02T03:04:05Z.
    let entry = |name: &str, size: u64, is_directory: bool| json!({"name": name, "size": size, "is_directory": is_directory, "modified_time": 1_767_323_045});
    let page = json!({
        "path": ".",
        "entries": [entry("a.txt", 2, false), entry("b.txt", 2, false), entry("sub", 0, true)],
        "first_id": "a.txt", "last_id": "sub", "has_more": false,
    });
    for query in ["", "?path=.", "?path=/", "?order=asc"] {
        assert_eq!(drawer.list(query).await.json(200), page, "{query}");
    }
    assert_eq!(drawer.list("?path=/sub/").await.json(200)["path"], "sub");
    assert_eq!(drawer.names("?order=desc").await, ["sub", "b.txt", "a.txt"]);
    assert_eq!(drawer.names("?limit=1&after=a.txt").await, ["b.txt"]);
    assert_eq!(drawer.names("?after=a.txt&before=sub").await, ["b.txt"]);
    assert_eq!(drawer.names("?limit=1&before=sub").await, ["b.txt"]);
    // The place of what was deleted is still a place.
    drawer.remove("?path=a.txt").await.expect(204);
    assert_eq!(drawer.names("?after=a.txt").await, ["b.txt", "sub"]);
    refused(&drawer.list("?path=nothing").await, 404, "not_found");
    refused(&drawer.list("?path=b.txt").await, 400, "invalid_request_error");
    refused(&drawer.list("?limit=0").await, 400, "invalid_request_error");
}

#[tokio::test]
async fn a_directory_goes_when_it_is_empty_or_recursively() {
    let drawer = Drawer::new().await;
    drawer.put("sub/a", "1").await.expect(201);
    refused(&drawer.remove("?path=sub").await, 409, "directory_not_empty");
    refused(&drawer.remove("?path=sub&recursive=false").await, 409, "directory_not_empty");
    refused(&drawer.remove("?path=nothing").await, 404, "not_found");
    refused(&drawer.remove("?path=sub&recursive=perhaps").await, 400, "invalid_request_error");
    assert_eq!(drawer.remove("?path=sub&recursive=true").await.expect(204).body, "");
    assert_eq!(drawer.names("").await, [""; 0]);
}

#[tokio::test]
async fn paths_that_name_nothing_in_the_home_are_refused() {
    let drawer = Drawer::new().await;
    for path in ["../outside", "a/../../outside", "/../outside", "..", "", ".", "/", "%00", "a%00b", "%2e%2e/outside"] {
        refused(&drawer.put(path, "x").await, 400, "invalid_request_error");
        refused(&drawer.get(path).await, 400, "invalid_request_error");
        refused(&drawer.remove(&format!("?path={path}&recursive=true")).await, 400, "invalid_request_error");
    }
    drawer.put("sub/a", "1").await.expect(201);
    refused(&drawer.get("sub").await, 400, "invalid_request_error");
    refused(&drawer.put("sub", "x").await, 400, "invalid_request_error");
    refused(&drawer.put("sub/a/below", "x").await, 400, "invalid_request_error");
    assert_eq!(drawer.names("").await, ["sub"]);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_413_and_leaves_what_was_there() {
    let drawer = Drawer::of(Desk::of(House::new().held().set("azure.file_size", "1000B")).await).await;
    drawer.put("a", vec![1; 1000]).await.expect(201);
    refused(&drawer.put("a", vec![2; 1001]).await, 413, "file_size_exceeded");
    // One that does not say how large it is.
    let pieces = (0..11).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![2; 100])));
    refused(&drawer.put("a", Body::wrap_stream(stream::iter(pieces))).await, 413, "file_size_exceeded");
    assert_eq!(drawer.get("a").await.expect(200).body, "\u{1}".repeat(1000));
}

#[tokio::test]
async fn a_session_takes_no_more_files_than_it_may() {
    let plan = House::new().held().set("limits.session_files", "2").set("limits.session_files_size", "10B");
    let drawer = Drawer::of(Desk::of(plan).await).await;
    drawer.put("a", "123456").await.expect(201);
    refused(&drawer.put("b", "12345").await, 400, "file_size_exceeded");
    drawer.put("b", "1234").await.expect(201);
    refused(&drawer.put("c", "").await, 400, "file_count_exceeded");
    drawer.put("a", "654321").await.expect(201);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_what_was_there() {
    let drawer = Drawer::new().await;
    drawer.put("a", "kept").await.expect(201);
    let pieces = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("the client goes away"))];
    let request = drawer.desk.alice.request(Method::PUT, &drawer.files("/content?path=a"));
    request.body(Body::wrap_stream(stream::iter(pieces))).send().await.unwrap_err();
    assert_eq!(drawer.get("a").await.expect(200).body, "kept");
}

#[tokio::test]
async fn files_are_their_session_s_alone() {
    let drawer = Drawer::new().await;
    drawer.put("a", "mine").await.expect(201);
    let other = drawer.desk.session("clerk").await;
    let path = at(&format!("/agents/clerk/endpoint/sessions/{other}/files/content?path=a"));
    refused(&drawer.desk.alice.get(&path).await, 404, "not_found");
    for (agent, session) in [("clerk", "no-such-session"), ("nobody", drawer.session.as_str()), ("clerk", "no.key")] {
        let files = |rest: &str| at(&format!("/agents/{agent}/endpoint/sessions/{session}/files{rest}"));
        let put = drawer.desk.alice.request(Method::PUT, &files("/content?path=a")).body("x");
        refused(&Reply::of(put).await, 404, "not_found");
        refused(&drawer.desk.alice.get(&files("/content?path=a")).await, 404, "not_found");
        refused(&drawer.desk.alice.get(&files("")).await, 404, "not_found");
        refused(&drawer.desk.alice.delete(&files("?path=a")).await, 404, "not_found");
    }
    let bob = drawer.desk.house.bob();
    refused(&drawer.put_as(&bob, "a", "x").await, 404, "not_found");
    refused(&bob.get(&drawer.files("")).await, 404, "not_found");
}

#[tokio::test]
async fn writing_and_reading_files_is_activity_and_looking_is_not() {
    let drawer = Drawer::new().await;
    let began = drawer.accessed().await;
    drawer.desk.house.advance(Duration::from_secs(60)).await;
    drawer.list("").await.expect(200);
    drawer.list("/stat?path=.").await.expect(200);
    assert_eq!(drawer.accessed().await, began);
    drawer.put("a", "1").await.expect(201);
    let written = drawer.accessed().await;
    assert_eq!(written.as_i64().unwrap(), began.as_i64().unwrap() + 60);
    drawer.desk.house.advance(Duration::from_secs(60)).await;
    drawer.get("a").await.expect(200);
    assert_eq!(drawer.accessed().await.as_i64().unwrap(), began.as_i64().unwrap() + 120);
}

#[tokio::test]
async fn files_outlive_rest_and_restart_and_go_with_their_session() {
    let mut drawer = Drawer::new().await;
    drawer.put("a", "kept").await.expect(201);
    let stop = at(&format!("/agents/clerk/endpoint/sessions/{}:stop", drawer.session));
    Reply::of(drawer.desk.alice.request(Method::POST, &stop)).await.expect(204);
    let house = drawer.desk.house.restart().await;
    drawer.desk = Desk { alice: house.alice(), house };
    assert_eq!(drawer.get("a").await.expect(200).body, "kept");
    drawer.desk.alice.delete(&session_at("clerk", &drawer.session)).await.expect(204);
    refused(&drawer.get("a").await, 404, "not_found");
    assert_eq!(drawer.homes().await, 0);
    // The same name is another session.
    let body = json!({"agent_session_id": drawer.session});
    drawer.desk.alice.post(&sessions_of("clerk"), body).await.expect(201);
    assert_eq!(drawer.names("").await, [""; 0]);
}

#[tokio::test]
async fn files_of_an_expired_session_and_of_a_deleted_agent_go() {
    let drawer = Drawer::new().await;
    drawer.put("a", "1").await.expect(201);
    drawer.desk.house.advance(Duration::from_secs(31 * 24 * 3_600)).await;
    refused(&drawer.get("a").await, 404, "not_found");
    refused(&drawer.put("a", "2").await, 404, "not_found");
    assert_eq!(drawer.homes().await, 0);
    let drawer = Drawer { session: drawer.desk.session("clerk").await, ..drawer };
    drawer.put("a", "1").await.expect(201);
    drawer.desk.alice.delete(&at("/agents/clerk?force=true")).await.expect(200);
    drawer.desk.house.app().sweep().await.unwrap();
    assert_eq!(drawer.homes().await, 0);
}

#[tokio::test]
async fn the_command_line_s_own_calls_are_answered() {
    let drawer = Drawer::new().await;
    let make = drawer.files("/mkdir");
    let made = drawer.desk.alice.post(&make, json!({"path": "/new/deep"})).await;
    assert_eq!(made.json(201), json!({"path": "new/deep"}));
    drawer.desk.alice.post(&make, json!({"path": "new"})).await.expect(201);
    refused(&drawer.desk.alice.post(&make, json!({})).await, 400, "invalid_request_error");
    refused(&drawer.desk.alice.post(&make, json!({"path": "../new"})).await, 400, "invalid_request_error");
    drawer.put("new/a", "123").await.expect(201);
    refused(&drawer.desk.alice.post(&make, json!({"path": "new/a"})).await, 409, "already_exists");
    let stat = drawer.list("/stat?path=new/a").await.json(200);
    assert_eq!(stat, json!({"name": "a", "size": 3, "is_directory": false, "modified_time": 1_767_323_045}));
    let stat = drawer.list("/stat?path=new").await.json(200);
    assert_eq!((&stat["name"], &stat["is_directory"]), (&json!("new"), &json!(true)));
    let stat = drawer.list("/stat").await.json(200);
    assert_eq!((&stat["name"], &stat["is_directory"]), (&json!("."), &json!(true)));
    refused(&drawer.list("/stat?path=nothing").await, 404, "not_found");
}

#[tokio::test]
async fn fifty_megabytes_go_up_and_down_without_being_held_in_memory() {
    const SIZE: usize = 50 << 20;
    const PIECE: usize = 64 << 10;
    let server = Process::start(&[]);
    let sessions = at("/agents/echo/endpoint/sessions");
    let made =
        Reply::of(server.request(Method::POST, &sessions).json(&json!({"agent_session_id": "large-files"}))).await;
    made.expect(201);
    let path = at("/agents/echo/endpoint/sessions/large-files/files/content?path=large");
    let before = server.peak();
    let pieces = (0..SIZE / PIECE).map(|number| Ok::<_, std::io::Error>(Bytes::from(vec![number as u8; PIECE])));
    let written = Reply::of(server.request(Method::PUT, &path).body(Body::wrap_stream(stream::iter(pieces)))).await;
    assert_eq!(written.json(201)["bytes_written"], SIZE);
    let mut read = 0;
    let mut got = server.request(Method::GET, &path).send().await.unwrap();
    while let Some(chunk) = got.chunk().await.unwrap() {
        read += chunk.len();
    }
    assert_eq!(read, SIZE);
    let grown = server.peak() - before;
    assert!(grown < 8 << 20, "the process grew by {} KiB", grown >> 10);
}
