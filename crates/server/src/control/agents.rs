//! Agents: made (or brought along with their versions), saved, published, listed, switched, deleted.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sederunt_core::agent::{Agent, Definition, VersionRef};
use sederunt_core::app::{self, NewAgent, Save};
use sederunt_core::caller::Caller;
use sederunt_core::error::{Error, Ignore, Kind};
use sederunt_core::id::{AgentId, Key};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Control;
use super::definition;
use super::error::Refusal;
use super::extract::{Admin, Asked, Named, Sent, limit};
use super::view::{AgentView, VersionView};

/// The most versions that an agent can be brought along with.
const MOST_VERSIONS: usize = 500;

/// An agent to be made: from one definition, or from all the versions that it had elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    key: Key,
    /// A UUID, or an RID whose last part is one.
    #[serde(alias = "rid")]
    id: Option<String>,
    definition: Option<Value>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    versions: Vec<NewVersion>,
}

/// A version to be added: with the newest one's definition if it brings none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVersion {
    definition: Option<Value>,
    #[serde(default)]
    publish: bool,
}

impl NewVersion {
    fn read(self, path: &str) -> Result<Read, Refusal> {
        let definition = self.definition.map(|value| {
            definition::read(value).map_err(|wrong| {
                let path = std::iter::once(path).chain(wrong.path.iter().map(String::as_str));
                Refusal::invalid(&path.collect::<Vec<_>>().join("."), wrong.why, wrong.fix)
            })
        });
        Ok((definition.transpose()?, if self.publish { Save::Publish } else { Save::Save }))
    }
}

/// What may be changed about an agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    enabled: bool,
}

/// A page of agents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<Key>,
    limit: Option<u32>,
}

/// A page of versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionPage {
    before: Option<u32>,
    limit: Option<u32>,
}

/// An agent with what people know of its versions.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    agent: AgentView,
    name: String,
    /// The newest version's label.
    latest: Option<String>,
    /// The newest published version's label.
    published: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Agents {
    agents: Vec<Shown>,
    /// What to ask for as `after`; null on the last page.
    next: Option<Key>,
}

#[derive(Debug, Serialize)]
pub(super) struct Versions {
    versions: Vec<VersionView>,
    /// What to ask for as `before`; null on the last page.
    next: Option<u32>,
}

pub(super) async fn list(
    State(control): State<Control>,
    Admin(caller): Admin,
    Asked(page): Asked<Page>,
) -> Result<Json<Agents>, Refusal> {
    let limit = limit(page.limit)?;
    let found = control.app().agents().list(&caller, page.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|agent| agent.key.clone());
    let mut agents = Vec::with_capacity(found.len());
    for agent in found {
        match shown(&control, agent).await {
            Ok(agent) => agents.push(agent),
            // Deleted since the list was read.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Agents { agents, next }))
}

pub(super) async fn create(
    State(control): State<Control>,
    Admin(caller): Admin,
    Sent(body): Sent<Create>,
) -> Result<(StatusCode, Json<Shown>), Refusal> {
    let ((definition, save), rest) = versions_of(body.definition, body.publish, body.versions)?;
    let id = body.id.as_deref().map(|text| id_in(text).ok_or_else(|| not_an_id(text))).transpose()?;
    let new = NewAgent { key: body.key, id, definition, save, enabled: true, extra: Default::default() };
    let agents = control.app().agents();
    let (mut agent, _) = agents.create(&caller, new, None).await?;
    for (definition, save) in rest {
        match agents.save(&caller, agent.id, version(definition, save), None).await {
            Ok((saved, _)) => agent = saved,
            Err(error) => {
                agents.delete(&caller, agent.id, true).await.ignore("the first error is the one to tell");
                return Err(error.into());
            }
        }
    }
    Ok((StatusCode::CREATED, Json(shown(&control, agent).await?)))
}

pub(super) async fn show(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
) -> Result<Json<Shown>, Refusal> {
    let agent = find(&control, &caller, &agent).await?;
    Ok(Json(shown(&control, agent).await?))
}

pub(super) async fn change(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
    Sent(change): Sent<Change>,
) -> Result<Json<Shown>, Refusal> {
    let agent = find(&control, &caller, &agent).await?;
    let agent = control.app().agents().set_enabled(&caller, agent.id, change.enabled).await?;
    Ok(Json(shown(&control, agent).await?))
}

pub(super) async fn delete(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
) -> Result<StatusCode, Refusal> {
    let agent = find(&control, &caller, &agent).await?;
    control.app().agents().delete(&caller, agent.id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn versions(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
    Asked(page): Asked<VersionPage>,
) -> Result<Json<Versions>, Refusal> {
    let limit = limit(page.limit)?;
    let agent = find(&control, &caller, &agent).await?;
    let found = control.app().agents().versions(&agent, page.before, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|version| version.ordinal);
    Ok(Json(Versions { versions: found.into_iter().map(VersionView::from).collect(), next }))
}

pub(super) async fn save(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
    Sent(new): Sent<NewVersion>,
) -> Result<(StatusCode, Json<VersionView>), Refusal> {
    let (definition, save) = new.read("definition")?;
    let agent = find(&control, &caller, &agent).await?;
    let (_, saved) = control.app().agents().save(&caller, agent.id, version(definition, save), None).await?;
    Ok((StatusCode::CREATED, Json(saved.into())))
}

/// The agent that `name` names: by key, else by id or RID.
pub(super) async fn find(control: &Control, caller: &Caller, name: &str) -> Result<Agent, Error> {
    let agents = control.app().agents();
    let by_key = match name.parse::<Key>() {
        Ok(key) => agents.get_by_key(caller, &key).await,
        Err(_) => Err(Error::not_found(Kind::Agent, name)),
    };
    match (by_key, id_in(name)) {
        (Err(Error::NotFound { .. }), Some(id)) => agents.get(caller, id).await,
        (found, _) => found,
    }
}

/// A version that was read: what it runs, if it says so, and what it is.
type Read = (Option<Definition>, Save);

/// The definitions of an agent to be made: its first, and those after it.
fn versions_of(
    definition: Option<Value>,
    publish: bool,
    versions: Vec<NewVersion>,
) -> Result<((Definition, Save), Vec<Read>), Refusal> {
    let hint = "send either 'definition' (and 'publish'), or a list of 'versions', oldest first";
    let versions = match (definition, versions) {
        (Some(definition), none) if none.is_empty() => {
            vec![("definition".to_owned(), NewVersion { definition: Some(definition), publish })]
        }
        (None, some) if !some.is_empty() && !publish => {
            let named = |(at, version)| (format!("versions.{at}.definition"), version);
            some.into_iter().enumerate().map(named).collect()
        }
        _ => return Err(Refusal::invalid("definition", "what the agent runs is not told once", hint)),
    };
    if versions.len() > MOST_VERSIONS {
        return Err(Refusal::invalid("versions", format!("more than {MOST_VERSIONS}"), "send the newest ones"));
    }
    let read: Result<Vec<_>, _> = versions.into_iter().map(|(path, version)| version.read(&path)).collect();
    let mut read = read?.into_iter();
    match read.next() {
        Some((Some(first), save)) => Ok(((first, save), read.collect())),
        _ => Err(Refusal::invalid("versions.0.definition", "required", hint)),
    }
}

/// A version as the core takes it: each save makes one, also of what was saved before.
fn version(definition: Option<Definition>, save: Save) -> app::NewVersion {
    app::NewVersion { definition, save, unless_same: false }
}

async fn shown(control: &Control, agent: Agent) -> Result<Shown, Error> {
    let agents = control.app().agents();
    let newest = agents.version(&agent, VersionRef::Ordinal(agent.ordinal)).await?;
    let label = async |ordinal: Option<u32>| match ordinal {
        None => Ok::<_, Error>(None),
        Some(ordinal) => Ok(Some(agents.version(&agent, VersionRef::Ordinal(ordinal)).await?.label.to_string())),
    };
    let (latest, published) = (label(agent.latest).await?, label(agent.published).await?);
    Ok(Shown { name: newest.definition.name.clone(), latest, published, agent: agent.into() })
}

/// The id in a UUID's text, or at the end of an RID.
fn id_in(text: &str) -> Option<AgentId> {
    let locator = if text.starts_with("ri.") { text.rsplit('.').next()? } else { text };
    locator.parse().ok()
}

fn not_an_id(text: &str) -> Refusal {
    Refusal::invalid("id", format!("'{text}' is no id"), "give a UUID, or an RID such as ri.aip-agents..agent.UUID")
}
