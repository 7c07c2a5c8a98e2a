//! The clock that people see moves; what holds by real time does not notice.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{House, Persona, Reply, START};

const HOUR: Duration = Duration::from_secs(3_600);

const SCRIPT: &str = r#"
[[rule]]
text = "^hang$"
reply = "one two three"
fault = { kind = "hang", after = 1 }

[[rule]]
text = "^slow$"
reply = "one two three"
delay = "100ms"

[[rule]]
reply = "fine"
"#;

struct Desk {
    house: House,
    alice: Persona,
    sessions: String,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new().script(SCRIPT).held().start().await;
        let sessions = format!("/api/v2/aipAgents/agents/{}/sessions", house.agent("echo").rid);
        Self { alice: house.alice(), house, sessions }
    }

    async fn session(&self) -> String {
        let session = self.alice.post(&format!("{}?preview=true", self.sessions), json!({})).await.json(200);
        session["rid"].as_str().unwrap().to_owned()
    }

    fn path(&self, session: &str, rest: &str) -> String {
        format!("{}/{session}{rest}?preview=true", self.sessions)
    }

    async fn stream(&self, session: &str, text: &str) -> reqwest::Response {
        let body = json!({"userInput": {"text": text}, "messageId": MESSAGE});
        let request = self.alice.request(Method::POST, &self.path(session, "/streamingContinue"));
        let mut stream = request.json(&body).send().await.unwrap();
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "one ");
        stream
    }

    async fn metadata(&self, session: &str) -> Value {
        self.alice.get(&self.path(session, "")).await.json(200)["metadata"].clone()
    }
}

const MESSAGE: &str = "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00";

fn say(text: &str) -> Value {
    json!({"userInput": {"text": text}})
}

/// So long after the start, as the wire writes times.
fn after(by: Duration) -> String {
    sederunt_core::clock::Time::parse(START).unwrap().plus(by).to_string()
}

#[tokio::test]
async fn a_session_lives_a_day_after_its_last_exchange_and_then_is_gone_everywhere() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    for _ in 0..3 {
        desk.house.advance(10 * HOUR).await;
        desk.alice.post(&desk.path(&session, "/blockingContinue"), say("hi")).await.expect(200);
    }
    let metadata = desk.metadata(&session).await;
    assert_eq!(metadata["messageCount"], 6);
    assert_eq!(metadata["createdTime"], after(Duration::ZERO));
    assert_eq!(metadata["updatedTime"], after(30 * HOUR));
    assert_eq!(metadata["estimatedExpiresTime"], after(54 * HOUR));

    // Reading does not keep it alive.
    desk.house.advance(23 * HOUR).await;
    assert_eq!(desk.metadata(&session).await, metadata);
    desk.house.advance(2 * HOUR).await;
    let alice = &desk.alice;
    let gone = [
        alice.get(&desk.path(&session, "")).await,
        alice.get(&desk.path(&session, "/content")).await,
        alice.get(&desk.path(&session, &format!("/sessionTraces/{MESSAGE}"))).await,
        alice.post(&desk.path(&session, "/blockingContinue"), say("hi")).await,
        alice.post(&desk.path(&session, "/streamingContinue"), say("hi")).await,
        alice.post(&desk.path(&session, "/cancel"), json!({"messageId": MESSAGE})).await,
        alice.put(&desk.path(&session, "/ragContext"), say("hi")).await,
        alice.put(&desk.path(&session, "/updateTitle"), json!({"title": "x"})).await,
        alice.delete(&desk.path(&session, "")).await,
    ];
    for reply in &gone {
        assert_eq!(reply.json(404)["errorName"], "SessionNotFound");
    }
    for list in [desk.sessions.as_str(), "/api/v2/aipAgents/agents/allSessions"] {
        assert_eq!(alice.get(&format!("{list}?preview=true")).await.json(200), json!({"data": []}));
    }
}

#[tokio::test]
async fn a_running_exchange_outlives_any_move_of_the_clock_and_its_session_with_it() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let mut stream = desk.stream(&session, "hang").await;
    for _ in 0..3 {
        desk.house.advance(25 * HOUR).await;
    }
    assert_eq!(desk.metadata(&session).await["messageCount"], 0, "it is still there");
    let cancel = json!({"messageId": MESSAGE, "response": "enough"});
    desk.alice.post(&desk.path(&session, "/cancel"), cancel).await.expect(200);
    let metadata = desk.metadata(&session).await;
    assert_eq!(metadata["messageCount"], 2);
    assert_eq!(metadata["estimatedExpiresTime"], after(99 * HOUR), "a day after the exchange");
    // The stream was not broken: nothing more has come, and it has not ended.
    let more = tokio::time::timeout(Duration::from_millis(50), stream.chunk()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_stream_goes_on_to_its_end_while_the_clock_moves_in_both_directions() {
    let desk = Desk::new().await;
    let session = desk.session().await;
    let mut stream = desk.stream(&session, "slow").await;
    desk.house.advance(25 * HOUR).await;
    let mut text = "one ".to_owned();
    text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    let back = json!({"set": after(HOUR), "hold": true});
    desk.alice.post("/control/v1/clock", back).await.expect(200);
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(text, "one two three");
    assert_eq!(desk.metadata(&session).await["updatedTime"], after(HOUR));
}

#[tokio::test]
async fn a_token_lives_by_real_time() {
    let desk = Desk::new().await;
    let oauth = desk.house.ready.oauth.clone().unwrap();
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", oauth.client_id, oauth.client_secret);
    let token = |path: &str, form: String| {
        let request = desk.house.stranger().request(Method::POST, &format!("/multipass/api/oauth2/{path}"));
        Reply::of(request.header("content-type", "application/x-www-form-urlencoded").body(form))
    };
    let issued = token("token", form.clone()).await.json(200);
    let application = desk.house.holder(issued["access_token"].as_str().unwrap());
    let list = format!("{}?preview=true", desk.sessions);
    application.get(&list).await.expect(200);
    desk.house.advance(25 * HOUR).await;
    desk.house.app().ports().identity.forget_all();
    application.get(&list).await.expect(200);
    assert_eq!(token("token", form).await.json(200)["expires_in"], 3_600);
}
