//! What belongs to an agent and not to its versions: `agent_endpoint` and `agent_card`. The core keeps what was said of
//! them under the dialect's name; what nobody said has its default.

use sederunt_core::agent::{Agent, Definition, VersionRef};
use serde_json::{Map, Value, json};

use super::{card, selector};
use crate::NAME;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::merge_patch::merged;
use crate::versions::definition::{Kind, protocols};

const ENDPOINT: &str = "agent_endpoint";
const CARD: &str = "agent_card";

/// The protocols that an endpoint can be configured to speak.
const PROTOCOLS: [&str; 6] = ["activity", "responses", "a2a", "mcp", "invocations", "invocations_ws"];

/// How the callers of an endpoint can be told apart.
const SCHEMES: [&str; 4] = ["Entra", "BotService", "BotServiceRbac", "BotServiceTenant"];

/// `agent_endpoint` where nobody said anything: all to the latest version, its declared protocols, else `responses`.
fn defaults(latest: &Definition) -> Value {
    let declared = match Kind::of(latest) {
        Kind::Hosted => protocols(latest),
        Kind::Prompt | Kind::Workflow | Kind::External | Kind::Voice => Vec::new(),
    };
    let mut protocols: Map<String, Value> =
        PROTOCOLS.iter().filter(|p| declared.contains(p)).map(|p| ((*p).to_owned(), json!({}))).collect();
    if protocols.is_empty() {
        protocols.insert("responses".into(), json!({}));
    }
    let rule = json!({"type": "FixedRatio", "agent_version": "@latest", "traffic_percentage": 100});
    json!({
        "version_selector": {"version_selection_rules": [rule]},
        "protocol_configuration": protocols,
        "authorization_schemes": [{"type": "Entra"}],
    })
}

/// `agent_endpoint` as it is shown: what was said, over the defaults.
pub(crate) fn endpoint(agent: &Agent, latest: &Definition) -> Value {
    shown(agent.extra.get(NAME), latest)
}

/// `agent_card`, or null.
pub(crate) fn agent_card(agent: &Agent) -> Value {
    agent.extra.get(NAME).and_then(|kept| kept.get(CARD)).cloned().unwrap_or_default()
}

fn shown(kept: Option<&Value>, latest: &Definition) -> Value {
    let mut endpoint = defaults(latest);
    if let Some(Value::Object(said)) = kept.and_then(|kept| kept.get(ENDPOINT)) {
        for (name, value) in said {
            endpoint[name] = value.clone();
        }
    }
    endpoint
}

/// What a body says of both, as a merge patch; `None` if it says nothing.
pub(crate) fn said(body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let said: Map<String, Value> =
        [ENDPOINT, CARD].iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone()))).collect();
    (!said.is_empty()).then_some(said)
}

/// What is kept after the patch. It is applied to what is shown, and only what it touches is kept, so that the rest goes
/// on following its default.
pub(crate) fn patched(kept: Option<&Value>, latest: &Definition, patch: &Map<String, Value>) -> Value {
    let mut after = match kept {
        Some(Value::Object(kept)) => kept.clone(),
        _ => Map::new(),
    };
    match patch.get(ENDPOINT) {
        None => {}
        Some(Value::Object(changes)) => {
            let whole = merged(shown(kept, latest), &Value::Object(changes.clone()));
            let mut said = match after.get(ENDPOINT) {
                Some(Value::Object(said)) => said.clone(),
                _ => Map::new(),
            };
            for name in changes.keys() {
                match whole.get(name) {
                    Some(value) => said.insert(name.clone(), value.clone()),
                    None => said.shift_remove(name),
                };
            }
            after.insert(ENDPOINT.into(), said.into());
        }
        Some(_) => {
            after.shift_remove(ENDPOINT);
        }
    }
    match patch.get(CARD) {
        None => {}
        Some(Value::Null) => {
            after.shift_remove(CARD);
        }
        Some(change) => {
            let card = merged(after.get(CARD).cloned().unwrap_or_default(), change);
            after.insert(CARD.into(), card);
        }
    }
    after.into()
}

/// Checks what would be kept: the shapes, the selector's sum, the card's limits.
pub(crate) fn check(patch: &Map<String, Value>, after: &Value) -> Result<Vec<selector::Rule>, Failure> {
    for name in [ENDPOINT, CARD] {
        if patch.get(name).is_some_and(|value| !value.is_object() && !value.is_null()) {
            return Err(must_be(name, "an object"));
        }
    }
    if let Some(card) = after.get(CARD) {
        card::check(card)?;
    }
    let Some(endpoint) = after.get(ENDPOINT) else { return Ok(Vec::new()) };
    let endpoint = Fields::of(ENDPOINT, endpoint)?;
    endpoint.object("protocol_configuration")?;
    for scheme in endpoint.objects("authorization_schemes")? {
        if !SCHEMES.contains(&scheme.required_text("type")?) {
            return Err(must_be(&scheme.path("type"), &format!("one of {}", SCHEMES.join(", "))));
        }
    }
    match endpoint.get("version_selector") {
        Some(selector) => selector::rules(&endpoint.path("version_selector"), selector),
        None => Ok(Vec::new()),
    }
}

/// Refuses rules that name versions which the agent does not have.
pub(crate) async fn check_versions(asked: &Asked, agent: &Agent, rules: &[selector::Rule]) -> Result<(), Failure> {
    for rule in rules {
        if let VersionRef::Ordinal(ordinal) = rule.version
            && asked.app().agents().version(agent, rule.version).await.is_err()
        {
            let param = format!("{ENDPOINT}.version_selector");
            return Err(Failure::invalid(param, format!("the agent has no version {ordinal}")));
        }
    }
    Ok(())
}
