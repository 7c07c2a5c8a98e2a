//! JSON with `since`: every event that was stored after one, then those of the request's own turn. They are read and written
//! piece by piece, however many there are.

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderValue, StatusCode, header};
use sederunt_core::conversation::ItemPlace;
use sederunt_core::error::{Error, Result};
use sederunt_core::id::TurnId;
use sederunt_core::page::{Order, Slice};
use sederunt_core::store::TurnRecord;
use sederunt_web::{Broken, stream_body};
use serde_json::Value;

use super::event::stored;
use super::follow::BATCH;
use super::id::event_id;
use super::input::{Since, no_event};
use super::list::tools;
use super::scene::Scene;
use crate::failure::Failure;

/// Refuses an event that the session does not have.
pub(super) async fn check(scene: &Scene, since: Since) -> Result<(), Failure> {
    let Since::Event(turn, position) = since else { return Ok(()) };
    let found = scene.app.record().turn(&scene.session, turn).await?;
    let known = match found {
        Some(record) if record.turn.number.is_some() => record.items.iter().any(|item| item.position == position),
        Some(_) => scene.app.turns().live(&scene.caller, turn).await?.is_some(),
        None => false,
    };
    if known { Ok(()) } else { Err(no_event("since", &event_id(turn, position))) }
}

/// Where an event stands, once its turn is kept; `None` before that, or at the beginning of all.
pub(super) async fn place(scene: &Scene, since: Since) -> Result<Option<ItemPlace>, Error> {
    match since {
        Since::Start => Ok(None),
        Since::Event(turn, position) => scene.app.record().place(&scene.session, turn, position).await,
    }
}

/// 201 with the events after one of them, up to the end of a turn, whose own events are `last`.
pub(super) async fn told(
    scene: Scene,
    since: Since,
    record: &TurnRecord,
    mut last: Vec<Value>,
    request_id: String,
) -> Result<Response, Failure> {
    let after = place(&scene, since).await?;
    let left = match since {
        // Its turn has left nothing: what followed is all there is.
        Since::Event(..) if after.is_none() => Left::Own,
        Since::Event(..) | Since::Start => Left::Earlier(after),
    };
    if let Since::Event(turn, position) = since
        && turn == record.turn.id
    {
        let told = record.items.iter().position(|item| item.position > position).unwrap_or(record.items.len());
        last.drain(..told.min(last.len()));
    }
    let answer = Answering { scene, own: record.turn.id, number: record.turn.number, last, left, any: false };
    // What cannot even be begun is answered as a failure.
    let Some((first, answer)) = answer.next().await? else { return Err(Error::internal("nothing was told").into()) };
    let rest = stream::try_unfold(answer, Answering::next).map(move |piece| {
        piece.map_err(|error| {
            tracing::error!(request_id, source = ?error, "events cannot be read to their end");
            Broken
        })
    });
    let head = stream::iter([Ok(Bytes::from_static(br#"{"events":["#)), Ok(first)]);
    let mut response = Response::new(stream_body(head.chain(rest).boxed()));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer that is being written.
struct Answering {
    scene: Scene,
    /// The turn that the request asked for, and its number if it is kept.
    own: TurnId,
    number: Option<u32>,
    last: Vec<Value>,
    left: Left,
    /// Whether an event was written.
    any: bool,
}

/// What is still to be written.
enum Left {
    /// What was stored after a place, and what follows.
    Earlier(Option<ItemPlace>),
    /// The turn's own events, and the end.
    Own,
    Nothing,
}

impl Answering {
    /// The next piece; `None` after the last.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let mut text = String::new();
        while text.is_empty() {
            match self.left {
                Left::Earlier(after) => self.earlier(after, &mut text).await?,
                Left::Own => {
                    for event in std::mem::take(&mut self.last) {
                        self.write(&event, &mut text);
                    }
                    text.push_str(r#"],"session_key":"#);
                    text.push_str(&Value::from(self.scene.key()).to_string());
                    text.push('}');
                    self.left = Left::Nothing;
                }
                Left::Nothing => return Ok(None),
            }
        }
        Ok(Some((Bytes::from(text), self)))
    }

    async fn earlier(&mut self, after: Option<ItemPlace>, text: &mut String) -> Result<()> {
        let slice = Slice { order: Order::OldestFirst, after, before: None, limit: BATCH };
        let read = self.scene.app.record().list(&self.scene.session, false, &slice).await?;
        let tools = tools(&self.scene.app, &self.scene.session, &self.scene.shape, &read.items).await?;
        self.left = read.items.last().filter(|_| read.more).map_or(Left::Own, |last| Left::Earlier(Some(last.place)));
        for entry in &read.items {
            if entry.item.turn == self.own || self.number.is_some_and(|number| entry.place.0 > number) {
                self.left = Left::Own;
                break;
            }
            let event = stored(self.scene.key(), entry, &tools);
            self.write(&event, text);
        }
        Ok(())
    }

    fn write(&mut self, event: &Value, text: &mut String) {
        if self.any {
            text.push(',');
        }
        self.any = true;
        text.push_str(&event.to_string());
    }
}
