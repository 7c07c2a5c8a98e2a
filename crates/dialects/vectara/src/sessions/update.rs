//! `PATCH /v2/agents/{agent_key}/sessions/{session_key}`

use sederunt_core::agent::Agent;
use sederunt_core::session::{KeptChange, Session, SessionPatch};

use super::view::Printer;
use super::{body, kept};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::secrets::{merged, read as secrets};

/// Changes what is given: null is the default again. What cannot be changed is passed over.
pub(crate) async fn update(mut asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    asked.timeout()?;
    let given = asked.json().await?;
    let body = Fields::body(&given);
    let plain = plain(&body)?;
    let secrets = secrets(&body, "secrets")?.unwrap_or_default();
    let change = |session: &Session| {
        let mut patch = plain.clone();
        if !secrets.is_empty() {
            let sealed = merged(&asked, &kept::owner(session.id), kept::secrets(session), &secrets)?;
            patch.extra = Some(KeptChange { was: session.extra.clone(), is: kept::with_secrets(session, sealed) });
        }
        Ok::<_, Failure>(patch)
    };
    let changed = if given.is_empty() {
        session
    } else {
        asked.app().sessions().revise(&asked.caller, &session, change).await.map_err(body::refused)?
    };
    Ok(answer::json(&Printer::of(&asked, &agent).await?.print(&changed)))
}

fn plain(body: &Fields<'_>) -> Result<SessionPatch, Failure> {
    if body.is_null("name") {
        return Err(must_be("name", "1 to 255 characters"));
    }
    let cleared = |name: &str| body.is_null(name).then_some(None);
    Ok(SessionPatch {
        title: body::name(body)?.map(Some),
        description: body::description(body)?.map(Some).or(cleared("description")),
        ttl: body::lifetime(body)?.or(cleared("tti_minutes").map(|_| None)),
        metadata: body::metadata(body)?.or(body.is_null("metadata").then(Default::default)),
        enabled: body.boolean("enabled")?.or(body.is_null("enabled").then_some(true)),
        extra: None,
    })
}
