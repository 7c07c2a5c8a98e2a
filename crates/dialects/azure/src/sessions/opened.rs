//! What a new session is, whether it is asked for or begins with a response.

use std::fmt::Write;

use http::{HeaderValue, header};
use sederunt_core::agent::{Agent, AgentVersion};
use sederunt_core::error::{Error, FaultKind};
use sederunt_core::id::{Ids, Key};
use sederunt_core::session::NewSession;
use serde_json::Map;

use crate::Settings;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::versions::definition::idle_timeout;

/// A session of this name, pinned to the version.
pub(crate) fn opened(settings: &Settings, version: &AgentVersion, key: Key) -> NewSession {
    NewSession {
        agent: version.agent,
        version: Some(version.ordinal),
        key: Some(key),
        title: None,
        description: None,
        enabled: true,
        metadata: Map::new(),
        ttl: Some(settings.session_ttl),
        idle_after: Some(idle_timeout(&version.definition).unwrap_or(settings.idle_timeout)),
        retention: Some(settings.expired_retention),
        extra: Default::default(),
    }
}

/// Refuses if the agent has as many sessions as it may. Several that are made at the same moment may pass it together: it is
/// a quota, not a promise.
pub(crate) async fn has_room(asked: &Asked, agent: &Agent) -> Result<(), Failure> {
    let most = asked.settings().sessions;
    if most == 0 || asked.app().agents().living_sessions(agent).await? < most {
        return Ok(());
    }
    let message =
        format!("The quota of {most} sessions of this agent is used up: delete some, or wait for them to expire.");
    Err(Failure::new(429, "rate_limit_exceeded", message).header(header::RETRY_AFTER, HeaderValue::from(60)))
}

/// A name for a session whose caller gave none: 63 lowercase hexadecimal digits, as the vendor's container runtime makes
/// them (`azure-ai-agentserver-responses` 2.3.0).
pub(crate) fn generated_key(ids: &Ids) -> Result<Key, Failure> {
    let mut text = String::with_capacity(64);
    for byte in ids.secret() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.pop();
    Ok(text.parse::<Key>()?)
}

/// The name that a caller gives a session: 8 to 128 of `A-Z a-z 0-9 _ -`.
pub(crate) fn given_key(text: &str) -> Result<Key, Failure> {
    let key = text.parse().ok().filter(|_| text.len() >= 8);
    key.ok_or_else(|| {
        let rule = "agent_session_id must be 8 to 128 letters, digits, '_' or '-'";
        Failure::invalid("agent_session_id", rule)
    })
}

/// 403: the session is somebody else's, which only those who name one are told.
pub(crate) fn not_accessible(key: &Key) -> Failure {
    Failure::new(403, "session_not_accessible", format!("Session '{key}' belongs to another user."))
}

/// 404: the session's time is over, and nothing can be done in it any more.
pub(crate) fn expired(key: &Key) -> Failure {
    Failure::not_found(format!("Session '{key}' has expired."))
}

/// What a session that cannot be opened is answered: 424 where nothing is there that could serve it.
pub(crate) fn not_ready(key: &Key, error: Error) -> Failure {
    let failure = Failure::from(error);
    match failure.core() {
        Some(Error::Model(fault)) if fault.kind == FaultKind::UnknownModel => {
            let message = format!("Session '{key}' did not become ready: {}", fault.message);
            failure.renamed(424, "session_not_ready", message)
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sederunt_core::id::SystemChance;

    use super::*;

    #[test]
    fn names_hold_to_their_rule() {
        let made = generated_key(&Ids::new(Arc::new(SystemChance))).unwrap();
        assert_eq!(made.as_str().len(), 63);
        assert!(made.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        for good in ["12345678", "my-session_001", &"a".repeat(128)] {
            assert!(given_key(good).is_ok(), "{good}");
        }
        for bad in ["", "1234567", "with blank", "with/slash", "with:colon", "umläutig", &"a".repeat(129)] {
            assert!(given_key(bad).is_err(), "{bad}");
        }
    }
}
