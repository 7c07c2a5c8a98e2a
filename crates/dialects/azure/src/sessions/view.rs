//! `AgentSessionResource`, as the service writes it.

use sederunt_core::session::{Session, SessionStatus};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::seconds::{NEVER, seconds};

/// The session as it is now. `stopped_at` is there once it has been at rest.
pub(crate) async fn session(asked: &Asked, session: &Session) -> Result<Value, Failure> {
    let now = asked.app().now();
    let version = match session.version {
        Some(ordinal) => ordinal,
        // One that was made elsewhere may follow the latest.
        None => asked.app().agents().version_of(&session.tenant, session.agent, None).await?.ordinal,
    };
    let status = match session.status(now) {
        SessionStatus::Active => "active",
        SessionStatus::Idle => "idle",
        SessionStatus::Expired => "expired",
    };
    let mut view = json!({
        "agent_session_id": session.key,
        "version_indicator": {"type": "version_ref", "agent_version": version.to_string()},
        "status": status,
        "created_at": seconds(session.created),
        "last_accessed_at": seconds(session.accessed),
        "expires_at": session.expires.map_or(NEVER, seconds),
    });
    if let Some(stopped) = session.rested(now) {
        view["stopped_at"] = seconds(stopped).into();
    }
    Ok(view)
}
