//! `POST /agents` makes an agent with its first version; `POST /agents/{agent_name}` adds a version to one, and sets its
//! details.

use sederunt_core::agent::{Agent, AgentVersion, Opaque, VersionRef};
use sederunt_core::app::{NewAgent, RequestOnce, Save};
use sederunt_core::error::{Conflict, Error};
use serde_json::{Map, Value, json};

use super::{DIGITAL_WORKER, details, view};
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::versions::definition::{self, Given};
use crate::versions::{admit_preview, code_upload};
use crate::{NAME, answer};

/// Makes an agent. 409 if the name is taken.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    if asked.is_multipart() {
        return Err(code_upload());
    }
    let body = asked.bytes().await?;
    let object = json_object(&body)?;
    let fields = Fields::body(&object);
    let name = fields.required_text("name")?;
    let given = definition::read(name, &fields)?;
    let enabled = state(&fields)?;
    let once = asked.once(&body);
    let made = make(&asked, name, given, &object, once).await;
    let (mut agent, version) = made.map_err(|failure| match failure.core() {
        Some(Error::Conflict { kind: Conflict::AlreadyExists, .. }) => {
            Failure::conflict("conflict", format!("agent '{name}' already exists")).param("name")
        }
        _ => failure,
    })?;
    if agent.enabled != enabled {
        agent = asked.app().agents().set_enabled(&asked.caller, agent.id, enabled).await?;
    }
    Ok(answer::json(&view::agent(&agent, &version)))
}

/// Adds a version if it differs from the latest.
pub(crate) async fn update(mut asked: Asked) -> Answer {
    let body = asked.bytes().await?;
    let object = json_object(&body)?;
    let agent = asked.agent().await?;
    let fields = Fields::body(&object);
    let given = definition::read(agent.key.as_str(), &fields)?;
    let enabled = fields.get("state").map(|_| state(&fields)).transpose()?;
    admit_preview(&asked, &given)?;
    let patch = super::patch::prepared(&asked, &agent, &object).await?;
    let (mut agent, _) = crate::versions::add(&asked, &agent, given, asked.once(&body)).await?;
    if let Some(patch) = patch {
        agent = super::patch::apply(&asked, &agent, &patch).await?;
    }
    if let Some(enabled) = enabled.filter(|enabled| *enabled != agent.enabled) {
        agent = asked.app().agents().set_enabled(&asked.caller, agent.id, enabled).await?;
    }
    let latest = view::latest(&asked, &agent).await?;
    Ok(answer::json(&view::agent(&agent, &latest)))
}

/// Makes the agent `name` with its first version and the details that the body says.
pub(crate) async fn make(
    asked: &Asked,
    name: &str,
    given: Given,
    body: &Map<String, Value>,
    once: Option<RequestOnce<'_>>,
) -> Result<(Agent, AgentVersion), Failure> {
    let key = super::new_name(name)?;
    admit_preview(asked, &given)?;
    let mut extra = Opaque::new();
    if let Some(said) = details::said(body) {
        let kept = details::patched(None, &given.definition, &said);
        let rules = details::check(&said, &kept)?;
        if rules.iter().any(|rule| !matches!(rule.version, VersionRef::Latest | VersionRef::Ordinal(1))) {
            let message = "a new agent has no version but 1";
            return Err(Failure::invalid("agent_endpoint.version_selector", message));
        }
        extra.insert(NAME.to_owned(), kept);
    }
    if let Some(worker) = Fields::body(body).text(DIGITAL_WORKER)? {
        let kept = extra.entry(NAME.to_owned()).or_insert_with(|| json!({}));
        kept[DIGITAL_WORKER] = worker.into();
    }
    let save = if given.draft { Save::Draft } else { Save::Publish };
    let new = NewAgent { key, id: None, definition: given.definition, save, enabled: true, extra };
    Ok(asked.app().agents().create(&asked.caller, new, once).await?)
}

/// Whether an agent shall be enabled: `state`, which is so unless it says otherwise.
fn state(body: &Fields<'_>) -> Result<bool, Failure> {
    match body.text("state")? {
        None | Some("enabled") => Ok(true),
        Some("disabled") => Ok(false),
        Some(_) => Err(must_be("state", "enabled or disabled")),
    }
}
