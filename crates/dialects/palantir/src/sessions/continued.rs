//! `POST …/blockingContinue` → 200 `SessionExchangeResult`, and `POST …/streamingContinue` → 200, the answer's text as
//! it is generated: raw UTF-8, no framing, no terminator.
//!
//! Errors before the stream are JSON with their status. Once it has begun it can fail only by breaking the connection
//! without a final chunk, which both SDKs report; nothing of such an exchange is stored.

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderValue, header};
use sederunt_core::agent::Parameters;
use sederunt_core::engine::{PartReader, Started};
use sederunt_core::error::{Conflict, Error, FaultKind, ModelFault};
use sederunt_core::item::Context;
use sederunt_core::part::PartBody;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, NewTurn, OnDisconnect, OnFailure, TurnState};
use sederunt_web::{Broken, stream_body};
use uuid::Uuid;

use crate::answer;
use crate::asked::Asked;
use crate::error::{Failure, Refusal};
use crate::exchange;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::rid;

/// What an exchange is asked with.
#[derive(Default)]
pub(super) struct Input {
    pub text: String,
    pub parameters: Parameters,
    pub contexts: Option<Vec<Context>>,
    pub trace_id: Option<Uuid>,
    pub message_id: Option<Uuid>,
}

/// Runs an exchange and waits for the whole of it.
pub(crate) async fn blocking_continue(asked: Asked) -> Answer {
    let started = start(&asked, false).await?;
    let record = asked.app().turns().outcome(&started).await?;
    Ok(answer::json(&exchange::result(came_out(&record)?)))
}

/// Runs an exchange and streams its text.
pub(crate) async fn streaming_continue(asked: Asked) -> Answer {
    let started = start(&asked, true).await?;
    let chunks = match &started {
        Started::Live(live) => text_of(live.read(0)),
        Started::Stored(record) => text_again(came_out(record)?),
    };
    let mut response = Response::new(stream_body(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

async fn start(asked: &Asked, stream: bool) -> Result<Started, Failure> {
    let mut fields = asked.json()?;
    let input = Input {
        text: fields.object("userInput").and_then(user_text)?,
        parameters: exchange::parameter_inputs(&mut fields)?,
        contexts: exchange::contexts_override(&mut fields)?,
        trace_id: optional_uuid(&mut fields, "sessionTraceId")?,
        message_id: if stream { optional_uuid(&mut fields, "messageId")? } else { None },
    };
    fields.end()?;
    let (agent, session) = asked.session().await?;
    let once = asked.once()?;
    let new = new_turn(asked, input);
    Ok(asked.app().turns().start(&asked.caller, agent, session, new, once).await?)
}

/// The turn that an input asks for. A failed one leaves nothing; one whose client went away is finished and stored.
pub(super) fn new_turn(asked: &Asked, input: Input) -> NewTurn {
    NewTurn {
        parameters: input.parameters,
        contexts: input.contexts,
        alias: input.trace_id.map(|id| id.to_string()),
        tag: input.message_id.map(|id| id.to_string()),
        when_busy_default: asked.dialect.settings.when_busy,
        on_failure: OnFailure::Discard,
        on_disconnect: OnDisconnect::Finish,
        ..NewTurn::message(input.text)
    }
}

pub(super) fn user_text(mut fields: Fields) -> Result<String, Refusal> {
    let text = fields.text("text")?;
    fields.end()?;
    Ok(text)
}

fn optional_uuid(fields: &mut Fields, name: &str) -> Result<Option<Uuid>, Refusal> {
    let read = |text: String| rid::uuid(&text).ok_or_else(|| Refusal::Unprocessable(format!("{name}: not a UUID")));
    fields.optional_text(name)?.map(read).transpose()
}

/// The record of a turn that stands; the vendor's error for one that does not.
fn came_out(record: &TurnRecord) -> Result<&TurnRecord, Error> {
    let TurnState::Ended { ending } = &record.turn.state else {
        return Err(Error::conflict(Conflict::Busy, record.turn.id));
    };
    match ending {
        _ if record.turn.kept => Ok(record),
        Ending::Failed { kind, message } => {
            Err(ModelFault { kind: *kind, message: message.clone(), detail: String::new() }.into())
        }
        Ending::Crashed => Err(Error::conflict(Conflict::Interrupted, record.turn.id)),
        Ending::Cancelled => Err(failed("the exchange was cancelled")),
        Ending::Superseded => Err(failed("another message took the place of this one")),
        Ending::Done | Ending::NeedsOutputs | Ending::Length | Ending::Filtered => {
            Err(failed("the exchange was not kept"))
        }
    }
}

fn failed(message: &str) -> Error {
    ModelFault { kind: FaultKind::Failed, message: message.into(), detail: String::new() }.into()
}

/// The text as it comes. One chunk a part; parts end at a character's boundary.
fn text_of(reader: PartReader) -> BoxStream<'static, Result<Bytes, Broken>> {
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        loop {
            match reader.next().await?.body {
                PartBody::Text { delta } | PartBody::Refusal { delta } if !delta.is_empty() => {
                    return Some((Ok(Bytes::from(delta)), Some(reader)));
                }
                PartBody::End { ending } => {
                    // A cancelled stream goes on to the model's end and then closes like any other.
                    let broken = !(ending.is_success() || ending == Ending::Cancelled);
                    return broken.then_some((Err(Broken), None));
                }
                _ => {}
            }
        }
    })
    .boxed()
}

/// The text of an exchange that was had before.
fn text_again(record: &TurnRecord) -> BoxStream<'static, Result<Bytes, Broken>> {
    let result = exchange::result(record);
    let text = result["agentMarkdownResponse"].as_str().unwrap_or_default().to_owned();
    stream::iter([Ok(Bytes::from(text))]).boxed()
}
