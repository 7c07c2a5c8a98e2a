//! Sessions of every user: made for the caller, listed, shown, deleted.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sederunt_core::agent::{Label, VersionRef};
use sederunt_core::caller::Caller;
use sederunt_core::error::Error;
use sederunt_core::id::{AgentId, Key, SessionId, UserId};
use sederunt_core::page::{Created, Order, Slice};
use sederunt_core::session::{NewSession, Owner, Session, SessionFilter, TITLE_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Control;
use super::agents;
use super::error::Refusal;
use super::extract::{Admin, Asked, Named, limit};
use super::once::{Once, Repeatable, SentOnce};
use super::view::SessionView;
use crate::config::unit;

/// A session to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    key: Option<Key>,
    title: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    /// The label of the version to pin to; the newest published one, else the latest, if absent.
    version: Option<Label>,
    /// How long it lives after its last turn, such as `24h`; for ever if neither this nor the version says.
    ttl: Option<String>,
}

/// A page of the list, and what it is narrowed to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    user: Option<String>,
    agent: Option<String>,
    /// Shows expired ones too.
    #[serde(default)]
    expired: bool,
    /// The `next` of the page before.
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sessions {
    sessions: Vec<SessionView>,
    /// What to ask for as `after`; null on the last page.
    next: Option<String>,
}

pub(super) async fn create(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(agent): Named,
    SentOnce(body, once): SentOnce<Create>,
) -> Result<(StatusCode, Json<SessionView>), Refusal> {
    let ttl = body.ttl.as_deref().map(unit::time).transpose();
    let ttl = ttl.map_err(|why| Refusal::invalid("ttl", why, "write it such as \"24h\""))?;
    if body.title.as_ref().is_some_and(|title| title.chars().count() > TITLE_MAX) {
        return Err(Refusal::invalid("title", format!("longer than {TITLE_MAX} characters"), "shorten it"));
    }
    let agent = agents::find(&control, &caller, &agent).await?;
    let wanted = match (body.version, agent.published) {
        (Some(label), _) => VersionRef::Label(label),
        (None, Some(_)) => VersionRef::Published,
        (None, None) => VersionRef::Latest,
    };
    let version = control.app().agents().version(&agent, wanted).await?;
    let new = NewSession {
        agent: agent.id,
        version: Some(version.ordinal),
        key: body.key,
        title: body.title,
        description: None,
        enabled: true,
        metadata: body.metadata,
        ttl,
        idle_after: None,
        retention: None,
        extra: Default::default(),
    };
    let once = once.as_ref().map(Once::request);
    let session = control.app().sessions().create(&caller, &agent, &version, new, once).await?;
    Ok((StatusCode::CREATED, Json(SessionView::new(session, Some(agent.key), control.app().now()))))
}

pub(super) async fn list(
    State(control): State<Control>,
    Admin(caller): Admin,
    Asked(page): Asked<Page>,
) -> Result<Json<Sessions>, Refusal> {
    let limit = limit(page.limit)?;
    let app = control.app();
    let agent = match &page.agent {
        None => None,
        Some(name) => Some(agents::find(&control, &caller, name).await?.id),
    };
    let tenant = caller.tenant.clone();
    let filter = SessionFilter { tenant, owner: page.user.map(whole_user), client: None, agent };
    let binding = format!("control sessions {filter:?} {}", page.expired);
    let after = page.after.map(|token| app.seal().open::<Created<SessionId>>(&binding, &token)).transpose()?;
    let slice = Slice { order: Order::NewestFirst, after, before: None, limit };
    let found = app.sessions().all(&caller, filter, page.expired, &slice).await?;
    let last = found.items.last().filter(|_| found.more).map(|last| (last.created, last.id));
    let next = last.map(|place| app.seal().seal(&binding, &place)).transpose()?;
    let mut keys = HashMap::new();
    let mut sessions = Vec::with_capacity(found.items.len());
    for session in found.items {
        let key = key_of(&control, &caller, session.agent, &mut keys).await?;
        sessions.push(SessionView::new(session, key, app.now()));
    }
    Ok(Json(Sessions { sessions, next }))
}

pub(super) async fn show(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(session): Named,
) -> Result<Json<SessionView>, Refusal> {
    let session = find(&control, &caller, &session).await?;
    let key = key_of(&control, &caller, session.agent, &mut HashMap::new()).await?;
    Ok(Json(SessionView::new(session, key, control.app().now())))
}

pub(super) async fn delete(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(session): Named,
    Repeatable(once): Repeatable,
) -> Result<StatusCode, Refusal> {
    let once = once.as_ref().map(Once::request);
    control.app().sessions().delete_any(&caller, id(&session)?, once).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The session that `name` names, expired or not.
pub(super) async fn find(control: &Control, caller: &Caller, name: &str) -> Result<Session, Refusal> {
    Ok(control.app().sessions().any(caller, id(name)?).await?)
}

/// A user's own sessions, and those of the end users behind them.
fn whole_user(user: String) -> Owner {
    Owner { user: UserId(user), end_users: true }
}

/// The id in a UUID's text, or at the end of an RID.
fn id(text: &str) -> Result<SessionId, Refusal> {
    let locator = if text.starts_with("ri.") { text.rsplit('.').next().unwrap_or(text) } else { text };
    let hint = "give a UUID, or an RID such as ri.aip-agents..session.UUID";
    locator.parse().map_err(|_| Refusal::invalid("session", format!("'{text}' is no id"), hint))
}

/// The agent's key, asked for once; none if the agent went away meanwhile.
async fn key_of(
    control: &Control,
    caller: &Caller,
    agent: AgentId,
    known: &mut HashMap<AgentId, Option<Key>>,
) -> Result<Option<Key>, Error> {
    if let Some(key) = known.get(&agent) {
        return Ok(key.clone());
    }
    let key = match control.app().agents().get(caller, agent).await {
        Ok(agent) => Some(agent.key),
        Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    known.insert(agent, key.clone());
    Ok(key)
}
