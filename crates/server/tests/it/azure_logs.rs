//! The log stream of a session over HTTP, in the Azure dialect.

use std::time::Duration;

use http::Method;
use sederunt_core::id::SessionId;
use sederunt_core::journal::Stream;
use serde_json::{Value, json};

use crate::azure::{Desk, at, session_at};
use crate::harness::Reply;
use crate::world::soon;

/// Alice at a session of hers.
struct Bench {
    desk: Desk,
    session: String,
    id: SessionId,
}

impl Bench {
    async fn new() -> Self {
        let desk = Desk::new().await;
        desk.agent("clerk").await;
        let session = desk.session("clerk").await;
        let sessions = desk.alice.get("/control/v1/sessions").await.json(200);
        let ours = sessions["sessions"].as_array().unwrap().iter().find(|found| found["key"] == session.as_str());
        let id = ours.unwrap()["id"].as_str().unwrap().parse().unwrap();
        Self { desk, session, id }
    }

    fn path(&self) -> String {
        at(&format!("/agents/clerk/versions/1/sessions/{}:logstream", self.session))
    }

    fn alias(&self, query: &str) -> String {
        at(&format!("/agents/clerk/sessions/{}:logstream?{query}", self.session))
    }

    fn say(&self, stream: Stream, message: &str) {
        self.desk.house.app().journal().say(self.id, stream, message);
    }

    /// The messages of a stream that ends.
    async fn messages(&self, query: &str) -> Vec<String> {
        let reply = self.desk.alice.get(&self.alias(query)).await;
        frames(&reply.expect(200).body).into_iter().map(|frame| frame["message"].as_str().unwrap().to_owned()).collect()
    }
}

/// What the frames say; each must be of the one kind.
#[track_caller]
fn frames(text: &str) -> Vec<Value> {
    let frames = text.split_terminator("\n\n");
    let read = |frame: &str| {
        let data = frame.strip_prefix("event: log\ndata: ").unwrap_or_else(|| panic!("{frame:?}"));
        serde_json::from_str(data).unwrap()
    };
    frames.map(read).collect()
}

#[tokio::test]
async fn the_last_lines_come_first_then_each_as_it_is_said() {
    let bench = Bench::new().await;
    bench.say(Stream::Stdout, "one");
    bench.say(Stream::Stderr, "two");
    let mut stream = soon(bench.desk.alice.request(Method::GET, &bench.path()).send()).await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(stream.headers()["transfer-encoding"], "chunked");
    let mut heard = String::new();
    for (number, said) in [(2, "three"), (3, "four")] {
        while frames(&heard).len() < number {
            let chunk = soon(stream.chunk()).await.unwrap().unwrap();
            heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        bench.say(Stream::Status, said);
    }
    let line = |stream: &str, message: &str| json!({"timestamp": "2026-01-02T03:04:05.000Z", "stream": stream, "message": message});
    assert_eq!(frames(&heard), [line("stdout", "one"), line("stderr", "two"), line("status", "three")]);
}

#[tokio::test]
async fn it_ends_when_the_session_is_deleted() {
    let bench = Bench::new().await;
    bench.say(Stream::Stdout, "one");
    let stream = soon(bench.desk.alice.request(Method::GET, &bench.path()).send()).await.unwrap();
    bench.desk.alice.delete(&session_at("clerk", &bench.session)).await.expect(204);
    assert_eq!(frames(&soon(stream.text()).await.unwrap()).len(), 1);
    bench.desk.alice.get(&bench.path()).await.expect(404);
}

#[tokio::test]
async fn that_the_session_was_stopped_is_a_line_of_the_system() {
    let bench = Bench::new().await;
    bench.desk.alice.post(&session_at("clerk", &format!("{}:stop", bench.session)), json!({})).await.expect(204);
    assert_eq!(bench.messages("follow=false&kind=system").await, ["the session was put to rest"]);
    assert!(bench.messages("follow=false&kind=console").await.is_empty());
}

#[tokio::test]
async fn it_ends_when_the_agent_is_deleted() {
    let bench = Bench::new().await;
    let stream = soon(bench.desk.alice.request(Method::GET, &bench.path()).send()).await.unwrap();
    bench.desk.alice.delete(&at("/agents/clerk?force=true")).await.expect(200);
    assert_eq!(soon(stream.text()).await.unwrap(), "");
}

#[tokio::test]
async fn it_does_not_hold_up_a_server_that_is_told_to_end() {
    let bench = Bench::new().await;
    let stream = soon(bench.desk.alice.request(Method::GET, &bench.path()).send()).await.unwrap();
    let left = tokio::time::timeout(Duration::from_secs(4), bench.desk.house.stop()).await.unwrap();
    assert_eq!(left.connections, 0);
    assert_eq!(soon(stream.text()).await.unwrap(), "");
}

#[tokio::test]
async fn session_and_version_must_belong_together() {
    let bench = Bench::new().await;
    let session = &bench.session;
    for path in [
        format!("/agents/clerk/versions/2/sessions/{session}:logstream"),
        format!("/agents/clerk/versions/@latest/sessions/{session}:logstream"),
        "/agents/clerk/versions/1/sessions/no-such-session:logstream".into(),
        format!("/agents/nobody/versions/1/sessions/{session}:logstream"),
        format!("/agents/clerk/versions/1/sessions/{session}"),
        format!("/agents/clerk/versions/1/sessions/{session}:other"),
        "/agents/clerk/sessions/no-such-session:logstream".into(),
    ] {
        let error = bench.desk.alice.get(&at(&path)).await.json(404);
        assert_eq!(error["error"]["code"], "not_found", "{path}");
    }
    bench.desk.house.bob().get(&bench.path()).await.expect(404);
}

#[tokio::test]
async fn the_older_path_tells_as_much_as_it_is_asked_for() {
    let bench = Bench::new().await;
    for number in 0..120 {
        bench.say(Stream::Stdout, &number.to_string());
    }
    let last = |count: u32| (120 - count..120).map(|number| number.to_string()).collect::<Vec<_>>();
    assert_eq!(bench.messages("follow=false").await, last(100));
    assert_eq!(bench.messages("follow=false&tail=3").await, last(3));
    assert_eq!(bench.messages("follow=false&tail=300&kind=system").await, last(120));
    assert_eq!(bench.messages("follow=false&kind=console").await, [""; 0]);
    let encoded = bench.alias("follow=false").replace(":logstream", "%3Alogstream");
    bench.desk.alice.get(&encoded).await.expect(200);
    for bad in ["tail=0", "tail=301", "kind=other", "follow=perhaps"] {
        let error = bench.desk.alice.get(&bench.alias(bad)).await.json(400);
        assert_eq!(error["error"]["param"], bad.split('=').next().unwrap(), "{bad}");
    }
}

#[tokio::test]
async fn to_look_at_the_log_is_no_activity() {
    let bench = Bench::new().await;
    let before = bench.desk.alice.get(&session_at("clerk", &bench.session)).await.json(200);
    bench.desk.house.advance(Duration::from_secs(60)).await;
    Reply::of(bench.desk.alice.request(Method::GET, &bench.alias("follow=false"))).await.expect(200);
    assert_eq!(bench.desk.alice.get(&session_at("clerk", &bench.session)).await.json(200), before);
}
