//! An input: whoever sends another with `since` is told what was said before it, what runs, and then their own.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use sederunt_rig::http::request;
use serde_json::{Value, json};

use super::{Fate, Place, WORDS, in_time};
use crate::cluster::reader::{Heard, Reader};

/// What the others say after it.
const AFTER: &str = "quick and after";

/// An input that runs, its own stream, and those of the inputs that wait for it.
#[derive(Debug)]
pub struct Input {
    token: String,
    place: Place,
    session: String,
    text: String,
    own: Reader,
    behind: Vec<Reader>,
}

impl Input {
    pub async fn begin(token: &str, place: &Place, text: String) -> Result<Self> {
        let made =
            place.ask(false, &request("POST", "/v2/agents/echo/sessions", token, None, Some(&json!({})))).await?;
        let session = made.json()["key"].as_str().with_context(|| made.text())?.to_owned();
        let first = json!({"messages": [{"type": "text", "content": text}], "stream_response": true});
        let mut own = Reader::begin(place.home()?, input(token, &session, &first));
        own.until(|heard| words(heard) >= WORDS).await?;
        let mut behind = Vec::new();
        for &node in &place.others {
            let messages = json!([{"type": "text", "content": format!("{AFTER} {node}")}]);
            let second =
                json!({"messages": messages, "since": "start", "behavior": "follow_up", "stream_response": true});
            let mut reader = Reader::begin(place.address(node)?, input(token, &session, &second));
            reader.until(|heard| words(heard) > WORDS).await?;
            behind.push(reader);
        }
        Ok(Self { token: token.to_owned(), place: place.clone(), session, text, own, behind })
    }

    pub async fn check(mut self, fate: Fate) -> Result<()> {
        let own = self.own.end().await?;
        let mut heard = Vec::new();
        for reader in &mut self.behind {
            heard.push(reader.end().await?);
        }
        let (path, session) = (format!("/v2/agents/echo/sessions/{}/events?limit=100", self.session), &self.session);
        let listed = self.place.ask(true, &request("GET", &path, &self.token, None, None)).await?.json();
        let outputs: Vec<_> = listed["events"].as_array().into_iter().flatten().collect();
        let outputs: Vec<_> = outputs.into_iter().filter(|event| event["type"] == "agent_output").collect();
        let said = outputs.first().and_then(|event| event["content"].as_str()).unwrap_or_default().to_owned();
        ensure!(self.text.starts_with(&said), "{session} never said '{said}'");
        match fate {
            Fate::Completes => {
                ensure!(said == self.text && own.is_whole() && spoken(&own) == said, "{session} told its own {own:?}");
            }
            Fate::Interrupted { seen_until, .. } => {
                let seen = Heard { body: own.by(seen_until).to_owned(), ..Heard::default() };
                let seen = spoken(&seen);
                ensure!(said.starts_with(&seen), "{session}: '{seen}' was seen on its node, '{said}' is stored");
            }
        }
        for (heard, node) in heard.iter().zip(&self.place.others) {
            let frames = frames(&heard.body);
            let ends = frames.iter().filter(|frame| frame["type"] == "end").count();
            let last = frames.last().is_some_and(|frame| frame["type"] == "end");
            ensure!(heard.is_whole() && ends == 1 && last, "who waited behind {session} was told {heard:?}");
            let told = spoken(heard);
            let refused = frames.iter().any(|frame| frame["type"] == "error");
            if matches!(fate, Fate::Completes) && refused {
                // While the database was away nothing could wait in its queue.
                continue;
            }
            ensure!(told.starts_with(&said), "{session} said '{said}', and who waited behind it was told '{told}'");
            let own = format!("{AFTER} {node}");
            ensure!(told.ends_with(&own), "who waited behind {session} was told '{told}', not '{own}' in the end");
        }
        if matches!(fate, Fate::Interrupted { .. }) {
            let error = |heard: &Heard| frames(&heard.body).iter().any(|frame| frame["type"] == "error");
            ensure!(heard.iter().all(error), "nobody was told that {session} was cut short: {heard:?}");
        }
        heard.iter().try_for_each(|heard| in_time("who waited behind an input", heard, fate))
    }

    /// Interrupted elsewhere, its own stream says so.
    pub async fn cancel(mut self) -> Result<()> {
        let stopped = self.place.ask(true, &input(&self.token, &self.session, &json!({"type": "interrupt"}))).await?;
        let told = stopped.json();
        ensure!(
            stopped.status == 201 && told["events"][0]["type"] == "session_interrupted",
            "interrupted: {stopped:?}"
        );
        let own = self.own.end().await?;
        let types: Vec<_> = frames(&own.body).iter().map(|frame| frame["type"].clone()).collect();
        ensure!(types.ends_with(&["session_interrupted".into(), "end".into()]), "its own stream told {own:?}");
        for reader in &mut self.behind {
            let heard = reader.end().await?;
            ensure!(heard.is_whole() && heard.body.contains("session_interrupted"), "who waited was told {heard:?}");
        }
        Ok(())
    }
}

fn input(token: &str, session: &str, body: &Value) -> Bytes {
    request("POST", &format!("/v2/agents/echo/sessions/{session}/events"), token, None, Some(body))
}

fn frames(body: &str) -> Vec<Value> {
    let data = body.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// What the agent was heard to say.
fn spoken(heard: &Heard) -> String {
    let frames = frames(&heard.body);
    let chunks = frames.iter().filter(|frame| frame["type"] == "streaming_agent_output");
    chunks.filter_map(|frame| frame["content"].as_str()).collect()
}

fn words(heard: &Heard) -> usize {
    spoken(heard).split_whitespace().count()
}
