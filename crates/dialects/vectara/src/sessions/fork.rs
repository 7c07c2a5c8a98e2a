//! `from_session`: a new session that begins with the record of another.

use sederunt_core::agent::Agent;
use sederunt_core::app::{Excerpt, ExcerptPart};
use sederunt_core::error::Error;
use sederunt_core::id::{Key, TurnId};
use sederunt_core::session::Session;

use super::kept;
use crate::agents::Shape;
use crate::asked::Asked;
use crate::events;
use crate::failure::Failure;
use crate::fields::Fields;

const UP_TO: &str = "include_up_to_event_id";
const COMPACT: &str = "compact_up_to_event_id";

/// What of which session a new one begins with.
pub(super) struct Fork {
    agent: Agent,
    session: Session,
    part: ExcerptPart,
}

impl Fork {
    /// Reads `from_session`. A source that is not there is 404, an event that is not, 400.
    pub async fn read(asked: &Asked, agent: &Agent, body: &Fields<'_>) -> Result<Option<Self>, Failure> {
        let Some(from) = body.object("from_session")? else { return Ok(None) };
        let agent = match from.text("agent_key")? {
            Some(text) => {
                let key: Key = text.parse().map_err(|_| Failure::invalid(from.path("agent_key"), "no agent's key"))?;
                asked.app().agents().get_by_key(&asked.caller, &key).await?
            }
            None => agent.clone(),
        };
        let text = from.required_text("session_key")?;
        let key: Key = text.parse().map_err(|_| Failure::invalid(from.path("session_key"), "no session's key"))?;
        let (up_to, compact) = (from.text(UP_TO)?, from.text(COMPACT)?);
        if up_to.is_some() && compact.is_some() {
            let message = format!("{UP_TO} and {COMPACT} exclude each other");
            return Err(Failure::invalid(from.path(UP_TO), message).also(from.path(COMPACT)));
        }
        let session = asked.app().sessions().get_by_key(&asked.caller, agent.id, &key).await?;
        let part = match (up_to, compact) {
            (Some(id), _) => {
                let (turn, position) = event(asked, &session, &from, UP_TO, id).await?;
                ExcerptPart::UpTo(turn, position)
            }
            (None, Some(id)) => {
                let (turn, position) = event(asked, &session, &from, COMPACT, id).await?;
                let version = asked.app().agents().current(&agent).await?;
                let shape = Shape::of(agent.key.as_str(), &version.definition);
                let settings = kept::compaction(&session, &shape);
                ExcerptPart::After(turn, position, events::compaction_by(&settings))
            }
            (None, None) => ExcerptPart::All,
        };
        Ok(Some(Self { agent, session, part }))
    }

    pub fn excerpt(&self) -> Excerpt<'_> {
        Excerpt { agent: &self.agent, session: &self.session, part: self.part.clone() }
    }
}

/// The place of the event that a member names.
async fn event(
    asked: &Asked,
    session: &Session,
    from: &Fields<'_>,
    member: &str,
    id: &str,
) -> Result<(TurnId, u32), Failure> {
    let unknown = || Failure::invalid(from.path(member), format!("session '{}' has no event '{id}'", session.key));
    let (turn, position) = events::parse(id).ok_or_else(unknown)?;
    match asked.app().record().get(session, turn, position).await {
        Ok(_) => Ok((turn, position)),
        Err(Error::NotFound { .. }) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}
