//! Sessions: made, changed, put to rest and woken, and the port they are behind.

use async_trait::async_trait;
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::{AgentId, Key, SessionId, TenantId};
use sederunt_core::page::{Created, Page, Slice, Sliced, Walk};
use sederunt_core::session::{Session, SessionFilter, SessionPatch, SessionQuery};
use sederunt_core::store::{Keyed, RequestKey, SessionStore, TurnRecord};
use sederunt_core::{Error, Result};

use crate::delete;
use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::requests::remember;
use crate::rows::{self, json, nanos, session_columns};
use crate::walk::{DRAW, LEAVE};
use crate::{SqlStore, TRIES, locks, session_metadata};

/// The first commit number is drawn with the owner's first session.
const DRAW_FIRST: &str = "insert into heads (tenant, owner, shard, seq, trimmed) values ($1, $2, $3, 1, 0) \
     on conflict (tenant, owner, shard) do update set seq = heads.seq + 1";
const INSERT: &str = "insert into sessions (tenant, id, key, agent, version, owner, client, title, auto_title, metadata, \
     enabled, ttl, created, updated, accessed, expires, due, idle_after, asleep, stopped, retention, running, turns, \
     items, kept, last_turn, extra, description, shard, seq) \
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17, $18, $19, $20, 0, 0, 0, 0, \
     null, $21, $22, $23, h.seq \
     from agents a join heads h on h.tenant = a.tenant and h.owner = $6 and h.shard = $23 \
     where a.tenant = $1 and a.id = $4 and a.enabled = 1 and a.deleted is null on conflict do nothing";
pub(crate) const COUNT_UP: &str =
    "update counts set sessions = sessions + 1 where tenant = $1 and agent = $2 and shard = $3";

/// Whether a session can be used. One that was counted off stays over, whatever the clock is set to.
macro_rules! living {
    ($of:literal, $now:literal) => {
        concat!(
            $of,
            "deleted is null and ",
            $of,
            "lapsed = 0 and (",
            $of,
            "running > 0 or ",
            $of,
            "expires is null or ",
            $of,
            "expires > ",
            $now,
            ")"
        )
    };
}
pub(crate) use living;

/// When a session went idle, for one that is used, or moved, at a moment: what was not written down yet is.
macro_rules! stopped {
    ($now:literal) => {
        concat!(
            "stopped = case when running = 0 and asleep = 0 and idle_after <= ",
            $now,
            " - accessed then accessed + idle_after else stopped end"
        )
    };
}
pub(crate) use stopped;

/// A session that is used at a moment lives its time from then. A time to live that would end after the last moment ends
/// at it.
macro_rules! prolonged {
    ($now:literal) => {
        concat!(
            "accessed = ",
            $now,
            ", expires = case when ttl > 9223372036854775807 - ",
            $now,
            " then 9223372036854775807 else ",
            $now,
            " + ttl end"
        )
    };
}
pub(crate) use prolonged;

/// A turn that begins, or ends without a trace in the record, is activity; it prolongs the life of sessions that go idle
/// for want of activity. What the others live by is their record.
macro_rules! attended {
    ($now:literal) => {
        concat!(
            "accessed = ",
            $now,
            ", expires = case when idle_after is null then expires when ttl > 9223372036854775807 - ",
            $now,
            " then 9223372036854775807 else ",
            $now,
            " + ttl end"
        )
    };
}
pub(crate) use attended;

macro_rules! change {
    ($set:expr, $condition:expr) => {
        concat!(
            "update sessions set ",
            $set,
            " where tenant = $1 and id = $2 and ",
            $condition,
            " and exists (select 1 from agents a where a.tenant = $1 and a.id = sessions.agent and a.deleted is null) \
             returning ",
            session_columns!("")
        )
    };
}
pub(crate) const TOUCH: &str =
    change!(concat!("asleep = 0, ", stopped!("$3"), ", ", prolonged!("$3")), living!("", "$3"));
/// At rest since it went idle by time, if it did, else since now.
pub(crate) const REST: &str = change!(
    "asleep = 1, stopped = case when asleep = 1 then stopped when idle_after <= $3 - accessed then accessed + idle_after \
     else $3 end",
    concat!("running = 0 and ", living!("", "$3"))
);

/// A time to live that is given anew counts from now. A step of its own: it moves the entry by which the sweeper finds what
/// is due.
pub(crate) const LIVE: &str = change!(
    "ttl = $4, expires = case when $4 > 9223372036854775807 - $3 then 9223372036854775807 else $3 + $4 end, \
     due = case when $4 > 9223372036854775807 - $3 then 9223372036854775807 else $3 + $4 end",
    living!("", "$3")
);

/// What dialects keep, if it is as it was read.
pub(crate) const KEEP_EXTRA: &str =
    "update sessions set extra = $3 where tenant = $1 and id = $2 and extra = $4 and deleted is null";

macro_rules! patch {
    ($moved:literal) => {
        change!(
            concat!(
                "title = case when $4 = 1 then $5 else title end, metadata = coalesce($6, metadata), \
                 enabled = coalesce($7, enabled), description = case when $8 = 1 then $9 else description end, accessed = $3, ",
                stopped!("$3"),
                $moved
            ),
            living!("", "$3")
        )
    };
}
const PATCH: &str = patch!("");
pub(crate) const PATCH_AND_MOVE: &str = patch!(
    ", updated = $3, seq = (select h.seq from heads h where h.tenant = $1 and h.owner = sessions.owner \
     and h.shard = sessions.shard)"
);

/// What a session is about, if nobody has said it.
pub(crate) const DESCRIBE: &str = concat!(
    "update sessions set description = $4 where tenant = $1 and id = $2 and description is null and ",
    living!("", "$3")
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

#[async_trait]
impl SessionStore for SqlStore {
    async fn insert_session(&self, session: &Session, request: Option<&RequestKey>) -> Result<Keyed<()>> {
        for _ in 0..TRIES {
            let remembered = request.map(|request| remember(&session.tenant, request, session.id));
            let steps = remembered.into_iter().chain(self.insertion(session)?).collect();
            match self.driver.transact(steps).await? {
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
                    self.make_room(session).await?;
                }
            }
        }
        Err(unsettled())
    }

    async fn insert_record(&self, session: &Session, record: &[TurnRecord]) -> Result<()> {
        self.add_record(session, record).await
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
            now.nanos(),
            patch.title.is_some(),
            patch.title.clone().flatten(),
            patch.metadata.as_ref().map(json).transpose()?,
            patch.enabled,
            patch.description.is_some(),
            patch.description.clone().flatten(),
        ];
        let mut steps = Vec::with_capacity(5);
        steps.push(locks::session(tenant.as_str(), &id));
        if let Some(ttl) = patch.ttl {
            let lives = params![tenant.as_str(), id.as_str(), now.nanos(), ttl.map(nanos)];
            steps.push(Step::guarded(Guard::Session, LIVE, lives));
        }
        if let Some(metadata) = &patch.metadata {
            steps.extend(session_metadata::replaced(tenant.as_str(), &id, metadata));
        }
        if let Some(kept) = &patch.extra {
            let kept = params![tenant.as_str(), id.as_str(), json(&kept.is)?, json(&kept.was)?];
            steps.push(Step::guarded(Guard::Row, KEEP_EXTRA, kept));
        }
        if touch {
            steps.push(Step::any(DRAW, params![tenant.as_str(), id.as_str()]));
            steps.push(Step::any(LEAVE, params![tenant.as_str(), id.as_str(), now.nanos()]));
            steps.push(Step::guarded(Guard::Session, PATCH_AND_MOVE, values));
        } else {
            steps.push(Step::guarded(Guard::Session, PATCH, values));
        }
        let changed = self.change_session(steps).await?;
        match (changed, &patch.extra) {
            (Some(changed), _) => Ok(changed),
            (None, None) => Err(Error::not_found(Kind::Session, session)),
            (None, Some(_)) => {
                let found = self.live_session(tenant, session, now).await?;
                // All of it stands: this is the call that comes again, or one that asked for the same.
                if meets(&found, patch) { Ok(found) } else { Err(Error::conflict(Conflict::Stale, session)) }
            }
        }
    }

    async fn touch_session(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<Session> {
        let values = params![tenant.as_str(), session.to_string(), now.nanos()];
        let touched = self.change_session(vec![Step::guarded(Guard::Session, TOUCH, values)]).await?;
        touched.ok_or_else(|| Error::not_found(Kind::Session, session))
    }

    async fn rest_session(&self, tenant: &TenantId, session: SessionId, now: Time) -> Result<Session> {
        let values = params![tenant.as_str(), session.to_string(), now.nanos()];
        match self.change_session(vec![Step::guarded(Guard::Session, REST, values)]).await? {
            Some(rested) => Ok(rested),
            None => match self.session(tenant, session).await? {
                Some(found) if found.running > 0 => Err(Error::conflict(Conflict::Busy, session)),
                _ => Err(Error::not_found(Kind::Session, session)),
            },
        }
    }

    async fn describe_session(
        &self,
        tenant: &TenantId,
        session: SessionId,
        description: &str,
        now: Time,
    ) -> Result<bool> {
        let values = params![tenant.as_str(), session.to_string(), now.nanos(), description];
        let done = self.driver.transact(vec![Step::guarded(Guard::Session, DESCRIBE, values)]).await?;
        Ok(matches!(done, Outcome::Done(_)))
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
            let steps = remembered.into_iter().chain(delete::session(tenant, session, now)?).collect();
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
        slice: &Slice<Created<SessionId>>,
        now: Time,
    ) -> Result<Sliced<Session>> {
        self.slice_sessions(filter, expired, slice, now).await
    }

    async fn sessions_by_key(
        &self,
        query: &SessionQuery,
        after: Option<&Key>,
        limit: u32,
        now: Time,
    ) -> Result<Vec<Session>> {
        self.list_by_key(query, after, limit, now).await
    }

    async fn count_sessions_by(&self, query: &SessionQuery, now: Time) -> Result<u64> {
        self.count_by_key(query, now).await
    }

    async fn session_place(&self, tenant: &TenantId, agent: AgentId, key: &Key) -> Result<Option<Created<SessionId>>> {
        self.place_of_session(tenant, agent, key).await
    }
}

impl SqlStore {
    /// The session as the last of these steps leaves it; `None` if it was not to be changed.
    async fn change_session(&self, steps: Vec<Step>) -> Result<Option<Session>> {
        match self.driver.transact(steps).await? {
            Outcome::Done(mut rows) => rows.pop().and_then(|mut rows| rows.pop()).map(rows::session).transpose(),
            Outcome::Missed(_) => Ok(None),
        }
    }

    /// What keeps a session from being added: its agent, or whoever holds its key. An expired session does not hold its
    /// key: it is hidden, and the session can be added now.
    pub(crate) async fn make_room(&self, session: &Session) -> Result<()> {
        if let Some(refusal) = self.agent_refusal(&session.tenant, session.agent).await? {
            return Err(refusal);
        }
        match self.session_by_key(&session.tenant, session.agent, &session.key).await? {
            Some(holder) if holder.is_live(session.created) => {
                Err(Error::conflict(Conflict::AlreadyExists, &session.key))
            }
            Some(expired) => {
                // If it was used or hidden meanwhile, the next try tells.
                let steps = delete::expired_session(&session.tenant, expired.id, session.created)?;
                self.driver.transact(steps).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// The steps that add a session. It is counted before its agent is looked at: whoever hides the agent holds its counts.
    pub(crate) fn insertion(&self, session: &Session) -> Result<Vec<Step>> {
        let (tenant, shard) = (session.tenant.as_str(), self.shard_of(session.id));
        let mut steps = vec![
            Step::any(DRAW_FIRST, params![tenant, session.owner.as_str(), shard]),
            Step::any(COUNT_UP, params![tenant, session.agent.to_string(), shard]),
            Step::guarded(Guard::Opening, INSERT, insert_params(session, shard)?),
        ];
        steps.extend(session_metadata::added(session));
        Ok(steps)
    }

    /// The session, if it is there and has not expired.
    pub(crate) async fn live_session(&self, tenant: &TenantId, id: SessionId, now: Time) -> Result<Session> {
        let session = self.session(tenant, id).await?;
        session.filter(|session| session.is_live(now)).ok_or_else(|| Error::not_found(Kind::Session, id))
    }
}

/// Whether a session is as a patch would leave it.
fn meets(session: &Session, patch: &SessionPatch) -> bool {
    patch.title.as_ref().is_none_or(|title| *title == session.title)
        && patch.description.as_ref().is_none_or(|description| *description == session.description)
        && patch.ttl.is_none_or(|ttl| ttl == session.ttl)
        && patch.metadata.as_ref().is_none_or(|metadata| *metadata == session.metadata)
        && patch.enabled.is_none_or(|enabled| enabled == session.enabled)
        && patch.extra.as_ref().is_none_or(|kept| kept.is == session.extra)
}

fn insert_params(session: &Session, shard: u32) -> Result<Params> {
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
        session.idle_after.map(nanos),
        session.asleep,
        session.stopped.map(Time::nanos),
        session.retention.map(nanos),
        json(&session.extra)?,
        session.description.clone(),
        shard,
    ])
}
