//! `POST /v2/agents/{agent_key}/sessions`

use http::StatusCode;
use sederunt_core::agent::Agent;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::id::{Key, SessionId};
use sederunt_core::session::{NewSession, Session};

use super::fork::Fork;
use super::view::{Printer, made_at};
use super::{body, kept};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::secrets::{merged, read as secrets};
use crate::{answer, key};

/// How often a key is drawn that turns out to be taken.
const DRAWS: usize = 8;

/// Makes a session. An empty body, and none at all, is one without wishes.
pub(crate) async fn create(mut asked: Asked, agent: Agent) -> Answer {
    asked.timeout()?;
    let given = asked.json().await?;
    let body = Fields::body(&given);
    let key = given_key(&body)?;
    let printer = Printer::of(&asked, &agent).await?;
    let secrets = secrets(&body, "secrets")?.unwrap_or_default();
    let id = SessionId(asked.app().ports().ids.uuid(asked.app().now()));
    let sealed = merged(&asked, &kept::owner(id), Default::default(), &secrets)?;
    let new = NewSession {
        agent: agent.id,
        version: None,
        key,
        title: body::name(&body)?,
        description: body::description(&body)?,
        metadata: body::metadata(&body)?.unwrap_or_default(),
        enabled: body.boolean("enabled")?.unwrap_or(true),
        ttl: body::lifetime(&body)?.flatten(),
        idle_after: None,
        retention: None,
        extra: kept::new(printer.compaction(), sealed),
    };
    let fork = Fork::read(&asked, &agent, &body).await?;
    let session = make(&asked, &agent, id, new, fork.as_ref()).await?;
    Ok(answer::json_with(StatusCode::CREATED, &printer.print(&session)))
}

/// `key`, or `id`, which is another name for it.
fn given_key(body: &Fields<'_>) -> Result<Option<Key>, Failure> {
    let read = |name: &str| body.text(name)?.map(|text| key::given(name, text)).transpose();
    match (read("key")?, read("id")?) {
        (Some(key), Some(id)) if key != id => Err(Failure::invalid("id", "key and id are two keys")),
        (key, id) => Ok(key.or(id)),
    }
}

/// Makes the session under the key that was given, or under one that is made from its name.
async fn make(
    asked: &Asked,
    agent: &Agent,
    id: SessionId,
    new: NewSession,
    fork: Option<&Fork>,
) -> Result<Session, Failure> {
    let version = asked.app().agents().current(agent).await?;
    let drawn = new.key.is_none();
    for _ in 0..DRAWS {
        let mut new = new.clone();
        if drawn {
            let name = new.title.clone().unwrap_or_else(|| made_at(asked.app().now()));
            new.key = Some(key::generated("ase", &name, &asked.app().ports().ids)?);
        }
        let sessions = asked.app().sessions();
        let made = match fork {
            None => sessions.create_as(&asked.caller, agent, &version, id, new).await,
            Some(fork) => sessions.fork(&asked.caller, agent, &version, (id, new), &fork.excerpt()).await,
        };
        match made {
            Err(Error::Conflict { kind: Conflict::AlreadyExists, .. }) if drawn => {}
            done => return done.map_err(|error| refused(error, agent)),
        }
    }
    Err(Error::internal("no key was free that was drawn").into())
}

fn refused(error: Error, agent: &Agent) -> Failure {
    match &error {
        Error::Conflict { kind: Conflict::AlreadyExists, id } => {
            let message = format!("Session '{id}' already exists.");
            Failure::from(error).renamed(409, "session_exists", message)
        }
        Error::Conflict { kind: Conflict::Disabled, .. } => {
            let message = format!("Agent '{}' is disabled.", agent.key);
            Failure::from(error).renamed(400, "agent_disabled", message)
        }
        _ => body::refused(error.into()),
    }
}
