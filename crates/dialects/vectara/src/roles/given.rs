//! Roles as requests give them and answers show them: `api_roles`, `agent_roles`, `corpus_roles`, and for keys the older
//! `api_key_role` and `corpus_keys`. They are kept as they came; what they allow is worked out from them.

use sederunt_core::agent::Opaque;
use sederunt_core::app::App;
use sederunt_core::caller::{Caller, Grants};
use sederunt_core::error::Error;
use sederunt_core::id::AgentId;
use serde_json::{Map, Value, json};

use super::{account_names, account_roles, agent_names, agent_roles, grants, of_account, on_agent};
use crate::NAME;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The members that say something of roles.
const MEMBERS: [&str; 5] = ["api_roles", "api_key_role", "corpus_keys", "corpus_roles", "agent_roles"];

/// The most entries of one member.
const MOST: usize = 500;

/// The kinds of keys from before there were roles.
const KINDS: [&str; 3] = ["serving", "serving_and_indexing", "personal"];
/// The one of them that may do what its maker may.
const PERSONAL: &str = "personal";

const CORPUS_ROLES: [&str; 4] = ["owner", "administrator", "editor", "viewer"];

/// Roles that a request gives.
#[derive(Debug)]
pub(crate) struct Given {
    /// What they allow.
    pub grants: Grants,
    /// They themselves, as they are kept with what has them.
    pub extra: Opaque,
}

/// The roles that a body gives, over those that are kept already. `None` if it says nothing of roles.
pub(crate) async fn read(asked: &Asked, body: &Fields<'_>, kept: &Opaque) -> Result<Option<Given>, Failure> {
    if !MEMBERS.iter().any(|member| body.map().contains_key(*member)) {
        return Ok(None);
    }
    let mut roles = kept.get(NAME).and_then(Value::as_object).cloned().unwrap_or_default();
    for member in MEMBERS {
        match body.get(member) {
            Some(value) => roles.insert(member.to_owned(), value.clone()),
            None if body.is_null(member) => roles.shift_remove(member),
            None => None,
        };
    }
    let fields = Fields::body(&roles);
    if let Some(kind) = fields.text("api_key_role")?
        && !KINDS.contains(&kind)
    {
        return Err(must_be("api_key_role", &KINDS.join(", ")));
    }
    corpora(&fields)?;
    let account = account(&fields)?;
    let agents = agents(asked, &fields, body.map().contains_key("agent_roles")).await?;
    let mut granted = grants(account, agents);
    if fields.text("api_key_role")? == Some(PERSONAL) {
        granted = granted.iter().chain(asked.caller.grants.iter()).cloned().collect();
    }
    let mut extra = kept.clone();
    extra.insert(NAME.to_owned(), Value::Object(roles));
    Ok(Some(Given { grants: granted, extra }))
}

fn bounded<'a>(fields: &Fields<'a>, name: &str) -> Result<&'a [Value], Failure> {
    let list = fields.list(name)?.unwrap_or_default();
    if list.len() > MOST { Err(must_be(name, &format!("an array of at most {MOST}"))) } else { Ok(list) }
}

fn account<'a>(fields: &Fields<'a>) -> Result<Vec<&'a str>, Failure> {
    let known = |value: &'a Value| value.as_str().filter(|role| of_account(role).is_some());
    let refused = || must_be("api_roles", &format!("an array of {}", account_names()));
    bounded(fields, "api_roles")?.iter().map(|value| known(value).ok_or_else(refused)).collect()
}

/// Roles on corpora are kept and allow nothing: there are no corpora here.
fn corpora(fields: &Fields<'_>) -> Result<(), Failure> {
    bounded(fields, "corpus_roles")?;
    for role in fields.objects("corpus_roles")? {
        role.required_text("corpus_key")?;
        if !CORPUS_ROLES.contains(&role.required_text("role")?) {
            return Err(must_be(&role.path("role"), &CORPUS_ROLES.join(", ")));
        }
    }
    if bounded(fields, "corpus_keys")?.iter().any(|key| !key.is_string()) {
        return Err(must_be("corpus_keys", "an array of strings"));
    }
    Ok(())
}

/// The roles on agents. `strict` refuses agents that are not there: those that were named before may be gone by now.
async fn agents<'a>(asked: &Asked, fields: &Fields<'a>, strict: bool) -> Result<Vec<(AgentId, &'a str)>, Failure> {
    bounded(fields, "agent_roles")?;
    let mut roles = Vec::new();
    for given in fields.objects("agent_roles")? {
        let role = given.required_text("role")?;
        if on_agent(role).is_none() {
            return Err(must_be(&given.path("role"), &agent_names()));
        }
        let unknown = || must_be(&given.path("agent_key"), "the key of an agent");
        let key = given.required_text("agent_key")?.parse().map_err(|_| unknown())?;
        match asked.app().agents().get_by_key(&asked.caller, &key).await {
            Ok(agent) => roles.push((agent.id, role)),
            Err(Error::NotFound { .. }) if strict => return Err(unknown()),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(roles)
}

/// The members that say what something's roles are: as they came, or of what was made elsewhere, the roles that its grants
/// come to.
pub(crate) async fn view(
    app: &App,
    caller: &Caller,
    extra: &Opaque,
    grants: &Grants,
) -> Result<Map<String, Value>, Failure> {
    if let Some(Value::Object(roles)) = extra.get(NAME) {
        return Ok(roles.clone());
    }
    let mut on_agents = Vec::new();
    for (agent, role) in agent_roles(grants) {
        match app.agents().get(caller, agent).await {
            Ok(agent) => on_agents.push(json!({"agent_key": agent.key.as_str(), "role": role})),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut roles = Map::new();
    roles.insert("api_roles".into(), json!(account_roles(grants)));
    if !on_agents.is_empty() {
        roles.insert("agent_roles".into(), on_agents.into());
    }
    Ok(roles)
}
