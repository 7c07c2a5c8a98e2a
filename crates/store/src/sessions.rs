//! Sessions and the lists in the order of their making.

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{AgentId, Key, SessionId, TenantId};
use sederunt_core::page::{Page, Walk};
use sederunt_core::session::{Session, SessionFilter, SessionPatch};
use sederunt_core::store::{Keyed, RequestKey, SessionStore};
use sederunt_core::{Error, Result};

use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::rows::{self, json, nanos, session_columns};
use crate::walk::{DRAW, LEAVE};
use crate::{SqlStore, TRIES};

/// The first commit number is drawn with the owner's first session.
const DRAW_FIRST: &str = "insert into heads (tenant, owner, shard, seq, trimmed) values ($1, $2, 0, 1, 0) \
     on conflict (tenant, owner, shard) do update set seq = heads.seq + 1";
const INSERT: &str = "insert into sessions (tenant, id, key, agent, version, owner, client, title, auto_title, metadata, \
     enabled, ttl, created, updated, accessed, expires, due, running, turns, items, kept, last_turn, extra, seq) \
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, 0, 0, 0, 0, null, $17, h.seq \
     from agents a join heads h on h.tenant = a.tenant and h.owner = $6 and h.shard = 0 \
     where a.tenant = $1 and a.id = $4 and a.enabled = 1 and a.deleted is null on conflict do nothing";
pub(crate) const COUNT_UP: &str =
    "update counts set sessions = sessions + 1 where tenant = $1 and agent = $2 and shard = 0";
pub(crate) const COUNT_DOWN: &str = "update counts set sessions = sessions - 1 where tenant = $1 and shard = 0 \
     and agent = (select agent from sessions where tenant = $1 and id = $2)";
pub(crate) const HIDE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null \
     and exists (select 1 from agents a where a.tenant = $1 and a.id = sessions.agent and a.deleted is null)";
const HIDE_EXPIRED: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null \
     and running = 0 and expires <= $3";
pub(crate) const RELEASE: &str = "delete from leases where tenant = $1 and lane in \
     (select lane from turns where tenant = $1 and session = $2 and ended is null)";
const CLEAR_QUEUE: &str = "delete from waiting where tenant = $1 and lane = $2";
pub(crate) const REMEMBER: &str = "insert into request_keys (tenant, scope, key, body, object, at) \
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
const REMEMBERED: &str = "select body, object from request_keys where tenant = $1 and scope = $2 and key = $3";

macro_rules! patch {
    ($moved:literal) => {
        concat!(
            "update sessions as s set title = case when $3 = 1 then $4 else s.title end, \
             metadata = coalesce($5, s.metadata), enabled = coalesce($6, s.enabled), accessed = $7",
            $moved,
            " where s.tenant = $1 and s.id = $2 and s.deleted is null \
             and (s.running > 0 or s.expires is null or s.expires > $7) \
             and exists (select 1 from agents a where a.tenant = $1 and a.id = s.agent and a.deleted is null) \
             returning ",
            session_columns!("")
        )
    };
}
const PATCH: &str = patch!("");
pub(crate) const PATCH_AND_MOVE: &str = patch!(
    ", updated = $7, seq = (select h.seq from heads h where h.tenant = $1 and h.owner = s.owner and h.shard = 0)"
);

/// A session is there while neither it nor its agent is hidden.
macro_rules! unhidden {
    () => {
        "s.deleted is null \
         and exists (select 1 from agents a where a.tenant = s.tenant and a.id = s.agent and a.deleted is null)"
    };
}
pub(crate) use unhidden;

pub(crate) const BY_ID: &str =
    concat!("select ", session_columns!("s."), " from sessions s where s.tenant = $1 and s.id = $2 and ", unhidden!());
pub(crate) const BY_KEY: &str = concat!(
    "select ",
    session_columns!("s."),
    " from sessions s where s.tenant = $1 and s.agent = $2 and s.key = $3 and ",
    unhidden!()
);

macro_rules! by_created {
    ($filter:literal) => {
        concat!(
            "select ",
            session_columns!("s."),
            " from sessions s where s.tenant = $1 and (s.created, s.id) < ($2, $3) \
              and ($4 = 1 or s.running > 0 or s.expires is null or s.expires > $5) \
              and ($6 = '' or s.owner = $6) and ($7 = '' or s.client = $7) and ",
            unhidden!(),
            $filter
        )
    };
}
pub(crate) const BY_CREATED: &str = by_created!(" order by s.created desc, s.id desc limit $8");
pub(crate) const BY_AGENT: &str = by_created!(" and s.agent = $9 order by s.created desc, s.id desc limit $8");

#[async_trait]
impl SessionStore for SqlStore {
    async fn insert_session(&self, session: &Session, request: Option<&RequestKey>) -> Result<Keyed<()>> {
        for _ in 0..TRIES {
            match self.driver.transact(insertion(session, request)?).await? {
                Outcome::Done(_) => return Ok(Keyed::Applied(())),
                Outcome::Missed(Guard::Request) => {
                    if let Some(found) = self.replayed(&session.tenant, request, session.id).await? {
                        return Ok(found);
                    }
                }
                Outcome::Missed(_) => {
                    if self.session(&session.tenant, session.id).await?.is_some() {
                        return Ok(Keyed::Applied(()));
                    }
                    if let Some(refusal) = self.agent_refusal(&session.tenant, session.agent).await? {
                        return Err(refusal);
                    }
                    match self.session_by_key(&session.tenant, session.agent, &session.key).await? {
                        Some(holder) if holder.is_live(session.created) => {
                            return Err(Error::conflict(Conflict::AlreadyExists, &session.key));
                        }
                        // An expired session that the sweeper has not come to yet does not hold its key.
                        Some(expired) => drop(self.expire(&session.tenant, expired.id, session.created).await?),
                        None => {}
                    }
                }
            }
        }
        Err(unsettled())
    }

    async fn session(&self, tenant: &TenantId, session: SessionId) -> Result<Option<Session>> {
        self.one(BY_ID, params![tenant.as_str(), session.to_string()]).await?.map(rows::session).transpose()
    }

    async fn session_by_key(&self, tenant: &TenantId, agent: AgentId, key: &Key) -> Result<Option<Session>> {
        let params = params![tenant.as_str(), agent.to_string(), key.as_str()];
        self.one(BY_KEY, params).await?.map(rows::session).transpose()
    }

    async fn update_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        patch: &SessionPatch,
        touch: bool,
        now: Time,
    ) -> Result<Session> {
        let id = session.to_string();
        let values = params![
            tenant.as_str(),
            id.as_str(),
            patch.title.is_some(),
            patch.title.clone().flatten(),
            patch.metadata.as_ref().map(json).transpose()?,
            patch.enabled,
            now.nanos(),
        ];
        let mut steps = Vec::with_capacity(3);
        if touch {
            steps.push(Step::any(DRAW, params![tenant.as_str(), id.as_str()]));
            steps.push(Step::any(LEAVE, params![tenant.as_str(), id.as_str(), now.nanos()]));
            steps.push(Step::guarded(Guard::Session, PATCH_AND_MOVE, values));
        } else {
            steps.push(Step::guarded(Guard::Session, PATCH, values));
        }
        match self.driver.transact(steps).await? {
            Outcome::Done(mut rows) => {
                let row = rows.pop().and_then(|mut rows| rows.pop()).unwrap_or_default();
                rows::session(row)
            }
            Outcome::Missed(_) => Err(Error::not_found(Kind::Session, session)),
        }
    }

    async fn delete_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        now: Time,
        request: Option<&RequestKey>,
    ) -> Result<bool> {
        for _ in 0..TRIES {
            let remembered = request.map(|request| remember(tenant, request, session));
            let steps = remembered.into_iter().chain(hide(tenant, session, now, HIDE)).collect();
            match self.driver.transact(steps).await? {
                Outcome::Done(_) => return Ok(true),
                Outcome::Missed(Guard::Request) => {
                    if self.replayed::<()>(tenant, request, session).await?.is_some() {
                        return Ok(true);
                    }
                }
                Outcome::Missed(_) => return Ok(false),
            }
        }
        Err(unsettled())
    }

    async fn walk_sessions(
        &self,
        filter: &SessionFilter,
        agents: Option<&[AgentId]>,
        walk: Option<&Walk>,
        now: Time,
        limit: u32,
    ) -> Result<Page<Session, Walk>> {
        self.walk(filter, agents, walk, now, limit).await
    }

    async fn sessions_by_created(
        &self,
        filter: &SessionFilter,
        expired: bool,
        after: Option<(Time, SessionId)>,
        now: Time,
        limit: u32,
    ) -> Result<Vec<Session>> {
        // Behind every id: text that sorts after all hexadecimal digits.
        let (created, id) = after.map_or((i64::MAX, "~".to_owned()), |(at, id)| (at.nanos(), id.to_string()));
        let mut params = params![
            filter.tenant.as_str(),
            created,
            id,
            expired,
            now.nanos(),
            filter.owner.as_ref().map_or("", |owner| owner.as_str()),
            filter.client.as_ref().map_or("", |client| client.as_str()),
            limit,
        ];
        let sql = match filter.agent {
            Some(agent) => {
                params.push(agent.to_string().into());
                BY_AGENT
            }
            None => BY_CREATED,
        };
        self.list(sql, params).await?.into_iter().map(rows::session).collect()
    }
}

impl SqlStore {
    /// What a request's key that was there already means. `None` if it has gone meanwhile.
    pub(crate) async fn replayed<T: Default>(
        &self,
        tenant: &TenantId,
        request: Option<&RequestKey>,
        object: impl ToString,
    ) -> Result<Option<Keyed<T>>> {
        let Some(request) = request else { return Ok(None) };
        let params = params![tenant.as_str(), request.scope.as_str(), request.key.as_str()];
        let Some(row) = self.one(REMEMBERED, params).await? else { return Ok(None) };
        let mut columns = rows::Columns::of("request_keys", row);
        let (body, stored) = (columns.text()?, columns.text()?);
        if body != request.body {
            return Err(Error::conflict(Conflict::KeyReused, &request.key));
        }
        // The same object: it is this very call that comes again.
        Ok(Some(if stored == object.to_string() { Keyed::Applied(T::default()) } else { Keyed::Replayed(stored) }))
    }

    /// Hides a session if it has expired; whether it did.
    pub(crate) async fn expire(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<bool> {
        let steps = hide(tenant, session, now, HIDE_EXPIRED);
        Ok(matches!(self.driver.transact(steps.into()).await?, Outcome::Done(_)))
    }
}

/// The steps that hide a session by `sql`, count it off, release its lanes and empty its queue.
fn hide(tenant: &TenantId, session: SessionId, now: Time, sql: &'static str) -> [Step; 4] {
    let both = || params![tenant.as_str(), session.to_string()];
    let lane = sederunt_core::turn::Lane::session(session);
    // A hidden session needs no commit number: no walk shows it, wherever it stood.
    [
        Step::guarded(Guard::Session, sql, params![tenant.as_str(), session.to_string(), now.nanos()]),
        Step::any(COUNT_DOWN, both()),
        Step::any(RELEASE, both()),
        Step::any(CLEAR_QUEUE, params![tenant.as_str(), lane.0]),
    ]
}

/// The step that remembers a request.
pub(crate) fn remember(tenant: &TenantId, request: &RequestKey, object: impl ToString) -> Step {
    let params = params![
        tenant.as_str(),
        request.scope.as_str(),
        request.key.as_str(),
        request.body.as_str(),
        object.to_string(),
        request.at.nanos(),
    ];
    Step::guarded(Guard::Request, REMEMBER, params)
}

/// The steps that add a session.
fn insertion(session: &Session, request: Option<&RequestKey>) -> Result<Vec<Step>> {
    let tenant = session.tenant.as_str();
    let mut steps = Vec::with_capacity(4);
    steps.extend(request.map(|request| remember(&session.tenant, request, session.id)));
    steps.extend([
        Step::any(DRAW_FIRST, params![tenant, session.owner.as_str()]),
        Step::guarded(Guard::Row, INSERT, insert_params(session)?),
        Step::any(COUNT_UP, params![tenant, session.agent.to_string()]),
    ]);
    Ok(steps)
}

fn insert_params(session: &Session) -> Result<Params> {
    Ok(params![
        session.tenant.as_str(),
        session.id.to_string(),
        session.key.as_str(),
        session.agent.to_string(),
        session.version,
        session.owner.as_str(),
        session.client.as_str(),
        session.title.clone(),
        session.auto_title.clone(),
        json(&session.metadata)?,
        session.enabled,
        session.ttl.map(nanos),
        session.created.nanos(),
        session.updated.nanos(),
        session.accessed.nanos(),
        session.expires.map(Time::nanos),
        json(&session.extra)?,
    ])
}
