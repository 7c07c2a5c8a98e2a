//! The log stream of a session: the last lines of its journal, then those to come, each as a frame of its own.
//!
//! `GET …/versions/{v}/sessions/{sid}:logstream` (the service's REST reference), and the older
//! `GET …/agents/{n}/sessions/{sid}:logstream?kind&tail&follow` of the service's command line, azd. Frames are
//! `event: log` with `{"timestamp","stream","message"}`. Each goes out as a chunk of its own: the synchronous Python client
//! shows nothing of a body that is not chunked before it ends (`azure-ai-projects` 2.10.0).

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{HeaderValue, header};
use sederunt_core::App;
use sederunt_core::agent::Agent;
use sederunt_core::caller::Caller;
use sederunt_core::error::{Error, Kind};
use sederunt_core::id::{Key, TurnId};
use sederunt_core::journal::{Following, LogLine, Stream};
use sederunt_core::session::Session;
use sederunt_web::query::Query;
use sederunt_web::stream_body;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::{Answer, Surface, operation};
use crate::responses::{Kept, Names};
use crate::{Dialect, action, agent};

/// The lines told first, unless `tail` says.
const TAIL: usize = 100;
/// The most lines told first.
const LONGEST_TAIL: usize = 300;
/// After how long without a line the stream says so.
const QUIET: Duration = Duration::from_secs(60);

/// The routes of the log stream.
pub(crate) fn routes() -> Router<Dialect> {
    Router::new()
        .route(agent!("/versions/{agent_version}/sessions/{session_id}"), get(operation(Surface::Sandbox, of_version)))
        .route(agent!("/sessions/{session_id}"), get(operation(Surface::Sandbox, of_agent)))
}

/// Under a version: 404 unless the session is pinned to it.
async fn of_version(asked: Asked) -> Answer {
    let (agent, session) = named(&asked).await?;
    let version = asked.name("agent_version");
    let pinned = match session.version {
        Some(ordinal) => ordinal,
        None => asked.app().agents().version_of(&asked.caller.tenant, agent.id, None).await?.ordinal,
    };
    if version != pinned.to_string() {
        return Err(Failure::not_found(format!("session '{}' is not of version '{version}'", session.key)));
    }
    follow(asked, agent, session).await
}

/// Under the agent alone.
async fn of_agent(asked: Asked) -> Answer {
    let (agent, session) = named(&asked).await?;
    follow(asked, agent, session).await
}

/// The session that the path's last segment names.
async fn named(asked: &Asked) -> Result<(Agent, Session), Failure> {
    let (name, action) = action::split(asked.name("session_id"));
    if action != Some("logstream") {
        return Err(Failure::not_found(format!("there is no path {}", asked.parts.uri.path())));
    }
    let agent = asked.agent().await?;
    let key: Key = name.parse().map_err(|_| Error::not_found(Kind::Session, name))?;
    let session = asked.app().sessions().get_by_key(&asked.caller, agent.id, &key).await?;
    Ok((agent, session))
}

async fn follow(asked: Asked, agent: Agent, session: Session) -> Answer {
    let wanted = Wanted::read(&asked.query)?;
    let (lines, following) = asked.app().journal().follow(&session).await?;
    let mut tail: VecDeque<LogLine> = lines.into_iter().filter(|line| wanted.has(line)).collect();
    tail.drain(..tail.len().saturating_sub(wanted.tail));
    let told = Told {
        app: asked.app().clone(),
        caller: asked.caller,
        agent,
        session,
        tail,
        following: wanted.follow.then_some(following),
        wanted,
        response: None,
    };
    let frames = stream::unfold(told, async |mut told| Some((Ok(told.next().await?), told)));
    // Told to end, a server waits for nothing that only might happen.
    let frames = frames.take_until(asked.dialect.app.draining());
    let mut response = Response::new(stream_body(frames.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Which lines a request is for.
struct Wanted {
    tail: usize,
    follow: bool,
    kind: Option<LineKind>,
}

/// azd's two kinds of lines: of an agent's own process, which here is what happens to its turns, and of the platform.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Console,
    System,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Failure> {
        let tail = match query.get("tail") {
            None => TAIL,
            Some(text) => text
                .parse()
                .ok()
                .filter(|tail| (1..=LONGEST_TAIL).contains(tail))
                .ok_or_else(|| Failure::invalid("tail", "tail must be between 1 and 300"))?,
        };
        let kind = match query.get("kind") {
            None => None,
            Some("console") => Some(LineKind::Console),
            Some("system") => Some(LineKind::System),
            Some(_) => return Err(Failure::invalid("kind", "kind must be 'console' or 'system'")),
        };
        let follow = query.get("follow").is_none() || query.flag("follow")?;
        Ok(Self { tail, follow, kind })
    }

    fn has(&self, line: &LogLine) -> bool {
        match self.kind {
            None => true,
            Some(LineKind::Console) => line.turn.is_some(),
            Some(LineKind::System) => line.turn.is_none(),
        }
    }
}

/// A log that is being told.
struct Told {
    app: App,
    caller: Caller,
    agent: Agent,
    session: Session,
    tail: VecDeque<LogLine>,
    following: Option<Following>,
    wanted: Wanted,
    /// The turn of the last line, and its response's identifier if it can be told.
    response: Option<(TurnId, Option<String>)>,
}

impl Told {
    /// The next frame; `None` when the session is gone, or the tail was all that was asked for.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(line) = self.tail.pop_front() {
            return Some(self.frame(line).await);
        }
        loop {
            match timeout(QUIET, self.following.as_mut()?.recv()).await {
                Ok(Ok(line)) if self.wanted.has(&line) => return Some(self.frame(line).await),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(missed))) => {
                    return Some(
                        self.status(&format!("{missed} lines were left out: they came faster than they were read")),
                    );
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => {
                    let sessions = self.app.sessions();
                    sessions.get_by_key(&self.caller, self.agent.id, &self.session.key).await.ok()?;
                    return Some(self.status("no logs in the last 60 seconds"));
                }
            }
        }
    }

    /// A line as a frame. What the core calls a turn is a response here.
    async fn frame(&mut self, line: LogLine) -> Bytes {
        let response = match line.turn {
            Some(turn) => self.response(turn).await,
            None => None,
        };
        let message = match (&response, line.turn) {
            (Some(response), Some(turn)) => {
                line.message.replace(&format!("turn {turn}"), &format!("response {response}"))
            }
            _ => line.message,
        };
        frame(&line.at.to_string(), line.stream, &message)
    }

    /// The identifier of a turn's response. It takes a look at the turn, which is there as long as the turn runs at least.
    async fn response(&mut self, turn: TurnId) -> Option<String> {
        if let Some((of, response)) = &self.response
            && *of == turn
        {
            return response.clone();
        }
        let found = self.app.turns().get(&self.caller, turn).await.ok();
        let response = found.map(|found| Names::of(&found.record.turn, &Kept::of(&found.record.turn)).response());
        self.response = Some((turn, response.clone()));
        response
    }

    fn status(&self, message: &str) -> Bytes {
        frame(&self.app.now().to_string(), Stream::Status, message)
    }
}

/// `event: log` with a line; the time to the millisecond.
fn frame(at: &str, stream: Stream, message: &str) -> Bytes {
    let timestamp = at.split_at_checked("2026-01-01T00:00:00.000".len()).map_or(at, |(millis, _)| millis);
    let mut data = Map::new();
    data.insert("timestamp".into(), format!("{timestamp}Z").into());
    data.insert("stream".into(), serde_json::to_value(stream).unwrap_or_default());
    data.insert("message".into(), message.into());
    Bytes::from(format!("event: log\ndata: {}\n\n", Value::Object(data)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::clock::Time;

    #[test]
    fn a_line_is_a_frame_of_its_own() {
        let at = Time::parse("2026-01-02T03:04:05.678901Z").unwrap().to_string();
        let expected = concat!(
            "event: log\n",
            r#"data: {"timestamp":"2026-01-02T03:04:05.678Z","stream":"stderr","message":"a\nb"}"#,
            "\n\n"
        );
        assert_eq!(frame(&at, Stream::Stderr, "a\nb"), expected);
    }

    #[test]
    fn tail_kind_and_follow_hold_to_their_rules() {
        let read = |query: &str| Wanted::read(&Query::read(query));
        let plain = read("").unwrap();
        assert_eq!((plain.tail, plain.follow, plain.kind.is_none()), (100, true, true));
        assert!(!read("tail=300&follow=false&kind=system").unwrap().follow);
        for bad in ["tail=0", "tail=301", "tail=x", "kind=other", "follow=perhaps"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
