//! Beginning a response: its turn, in the session that the request comes to; once, however often the request is sent.

use std::sync::Arc;

use bytes::Bytes;
use sederunt_core::agent::{Agent, AgentVersion};
use sederunt_core::app::{Place, RequestOnce, Sitting};
use sederunt_core::conversation::Conversation;
use sederunt_core::engine::Started;
use sederunt_core::error::{Conflict, Error, FaultKind, Kind};
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, NewTurn, Strand, TurnState};

use super::new_turn::{Setting, new_turn};
use super::previous::referred;
use super::request::Request;
use super::response::View;
use super::seat::{Continued, Seated, seat};
use super::{answered, input, is_recorded, is_retried, once};
use crate::asked::Asked;
use crate::conversations;
use crate::failure::Failure;
use crate::versions::definition;

/// How often a session is looked for again when another request takes its name, or deletes it, at the same moment.
const ATTEMPTS: usize = 3;

/// What a request is found to ask of whom.
pub(super) struct Wanted {
    pub agent: Agent,
    pub version: Arc<AgentVersion>,
    pub previous: Option<View>,
    pub conversation: Option<Conversation>,
}

/// Begins the turn, in the session that the request comes to.
pub(super) async fn begin(
    asked: &Asked,
    request: &Request,
    wanted: &Wanted,
    bytes: &Bytes,
) -> Result<Started, Failure> {
    let mut first_attempt = !is_retried(asked);
    let mut attempts = 0..ATTEMPTS;
    loop {
        let last = attempts.next().is_none();
        match begin_once(asked, request, wanted, bytes, first_attempt).await {
            // Somebody else has opened the session a moment ago, or deleted it, perhaps while the turn waited for another.
            Err(failure) if !last && has_changed(&failure) => {}
            // The client asks again because it did not go well, not because it did not hear how it went; or what it did not
            // hear was not to be stored.
            Ok(Started::Stored(record)) if !first_attempt && !can_be_told_again(&record) => first_attempt = true,
            // It joins one that is cancelled if the client of the first attempt is gone; this client is not.
            Ok(joined @ Started::Live(_)) if !first_attempt && !request.stream && !request.background => {
                let record = ended(asked, &joined).await?;
                if !was_cancelled(&record) {
                    return Ok(Started::Stored(record));
                }
                first_attempt = true;
            }
            begun => return begun,
        }
    }
}

/// Waits for the end of a response in the foreground. If the client goes away meanwhile, it is cancelled: nobody reads it
/// any more.
pub(super) async fn ended(asked: &Asked, started: &Started) -> Result<Arc<TurnRecord>, Failure> {
    let listening = started.read();
    let record = asked.app().turns().outcome(started).await;
    drop(listening);
    record.map_err(|error| match error {
        Error::NotFound { kind: Kind::Session, .. } => {
            Failure::not_found("The session was deleted while the response ran in it.")
        }
        error => error.into(),
    })
}

fn was_cancelled(record: &TurnRecord) -> bool {
    matches!(&record.turn.state, TurnState::Ended { ending: Ending::Cancelled })
}

fn has_changed(failure: &Failure) -> bool {
    matches!(
        failure.core(),
        Some(Error::Conflict { kind: Conflict::AlreadyExists, .. } | Error::NotFound { kind: Kind::Session, .. })
    )
}

fn can_be_told_again(record: &TurnRecord) -> bool {
    is_recorded(&record.turn) && matches!(&record.turn.state, TurnState::Ended { ending } if ending.is_success())
}

async fn begin_once(
    asked: &Asked,
    request: &Request,
    wanted: &Wanted,
    bytes: &Bytes,
    first_attempt: bool,
) -> Result<Started, Failure> {
    let (sitting, new) = prepare(asked, request, wanted).await?;
    let has_session = !matches!(sitting, Sitting::None(_));
    let place = Place { agent: &wanted.agent, sitting, binds: wanted.conversation.is_some() && has_session };
    let key = blake3::hash(bytes).to_hex();
    let once = RequestOnce { first_attempt, ..once(asked, &key, bytes) };
    let begun = asked.app().turns().begin(&asked.caller, place, new, Some(once)).await;
    begun.map_err(|error| refused(error, has_session))
}

/// What a turn that cannot begin is answered: 424 where nothing is there that could serve its session.
fn refused(error: Error, has_session: bool) -> Failure {
    let failure = Failure::from(error);
    match failure.core() {
        Some(Error::Model(fault)) if has_session && fault.kind == FaultKind::UnknownModel => {
            let message = format!("The session did not become ready: {}", fault.message);
            failure.renamed(424, "session_not_ready", message)
        }
        // The core's word for the form of the answer.
        Some(Error::Invalid { param, .. }) if param == "format" => failure.param("text.format.schema"),
        _ => failure,
    }
}

/// Where the request is served, and the turn that it asks for.
async fn prepare(asked: &Asked, request: &Request, wanted: &Wanted) -> Result<(Sitting, NewTurn), Failure> {
    let Wanted { agent, version, previous, conversation } = wanted;
    let continued = Continued { previous: previous.as_ref(), conversation: conversation.as_ref() };
    let is_prompt = definition::Kind::of(&version.definition) == definition::Kind::Prompt;
    let seated = match is_prompt {
        true => None,
        false => Some(seat(asked, agent, version, request, continued).await?),
    };
    let input = referred(asked, input::read(request.member("input"))).await?;
    let head = previous.as_ref().map(|view| view.turn.id);
    if is_prompt {
        let head = head.or(conversation.as_ref().and_then(|conversation| conversation.head));
        answered::check(asked, head, &input).await?;
    }
    let strand = conversation.as_ref().map_or(Strand::Own(head), |conversation| Strand::Conversation(conversation.id));
    let setting = Setting {
        agent: agent.key.as_str(),
        version,
        seated: seated.as_ref(),
        strand,
        partition: previous.as_ref().map(|view| view.names.partition().clone()),
        conversation: conversation.as_ref().map(conversations::name),
        input,
    };
    let new = new_turn(asked, request, setting)?;
    let sitting = seated.map_or(Sitting::None(version.ordinal), |Seated { sitting, .. }| sitting);
    Ok((sitting, new))
}
