//! Sessions: made, read, listed, changed, deleted, each within what its owner may see.

use super::App;
use crate::agent::{Agent, AgentVersion};
use crate::caller::{Action, Caller};
use crate::condition::Condition;
use crate::error::{Conflict, Error, Kind, Result};
use crate::id::{AgentId, Key, SessionId};
use crate::journal::Stream;
use crate::node;
use crate::page::{Created, Page, Slice, Sliced, Walk};
use crate::session::{NewSession, Owner, Session, SessionFilter, SessionPatch, SessionQuery, check_metadata};
use crate::store::{Keyed, RequestKey, TurnRecord};
use crate::turn::Ending;

/// The most kept turns read at once when a whole record is wanted.
const RECORD_BATCH: u32 = 500;

/// How often a session is put to rest in which new turns have begun meanwhile.
const RESTS: usize = 4;

/// How often a change is tried that others come before.
const REVISIONS: usize = 8;

/// How many sessions are read at once to be looked at one by one.
const LIST_BATCH: u32 = 500;

/// Which of an agent's sessions a list by key shows.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Only those that are switched on, or off.
    pub enabled: Option<bool>,
    /// Only those whose metadata meets this.
    pub metadata: Option<Condition>,
}

/// A page, and how many there are over all pages.
#[derive(Clone, Debug)]
pub struct Counted<T> {
    /// The page.
    pub items: Vec<T>,
    /// Whether more of them lie behind it.
    pub more: bool,
    /// How many there are in all.
    pub total: u64,
}

/// The operations on sessions.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a>(pub(super) &'a App);

/// What makes a request repeatable: the caller's key, the operation, and a digest of what was asked.
#[derive(Clone, Debug)]
pub struct RequestOnce<'a> {
    /// The key that the caller sent.
    pub key: &'a str,
    /// The operation and the path it was asked on.
    pub operation: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Whether the client says that it asks for the first time; see [`RequestKey::first_attempt`].
    pub first_attempt: bool,
}

impl RequestOnce<'_> {
    pub(crate) fn key(&self, app: &App, caller: &Caller) -> RequestKey {
        let mut scope = blake3::Hasher::new();
        for part in [caller.tenant.as_str(), caller.user.as_str(), caller.client.as_str(), self.operation] {
            scope.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        RequestKey {
            scope: scope.finalize().to_hex().to_string(),
            key: self.key.to_owned(),
            body: blake3::hash(self.body).to_hex().to_string(),
            at: app.ports().timer.wall(),
            first_attempt: self.first_attempt,
        }
    }
}

/// What a session's name comes to for somebody who would talk in it.
#[derive(Clone, Debug)]
pub enum Seat {
    /// It lives, and they may.
    Open(Box<Session>),
    /// It is somebody else's.
    Foreign,
    /// Its time is over.
    Expired,
    /// There is none.
    Free,
}

impl Sessions<'_> {
    /// Makes a session with this agent and version. Repeated with the same key, it is the session made then.
    pub async fn create(
        &self,
        caller: &Caller,
        agent: &Agent,
        version: &AgentVersion,
        new: NewSession,
        once: Option<RequestOnce<'_>>,
    ) -> Result<Session> {
        let session = self.opening(caller, agent, version, new)?;
        let key = once.map(|once| once.key(self.0, caller));
        match self.0.store().insert_session(&session, key.as_ref()).await? {
            Keyed::Applied(()) => Ok(session),
            Keyed::Replayed(id) => self.find(caller, agent.id, id.parse()?).await,
        }
    }

    /// Makes a session under an id that was drawn beforehand, for what is made with it in mind.
    pub async fn create_as(
        &self,
        caller: &Caller,
        agent: &Agent,
        version: &AgentVersion,
        id: SessionId,
        new: NewSession,
    ) -> Result<Session> {
        let new = NewSession { key: Some(new.key.unwrap_or_else(|| id.into())), ..new };
        let session = Session { id, ..self.opening(caller, agent, version, new)? };
        self.0.store().insert_session(&session, None).await.map(|_| session)
    }

    /// A session as it will be once it is stored: by [`Sessions::create`], or with the first turn in it.
    pub(super) fn opening(
        &self,
        caller: &Caller,
        agent: &Agent,
        version: &AgentVersion,
        new: NewSession,
    ) -> Result<Session> {
        caller.may_on(Action::CreateSessions, agent.id)?;
        if !agent.enabled {
            return Err(Error::conflict(Conflict::Disabled, agent.id));
        }
        check_metadata(&new.metadata)?;
        self.0.engine().model_of(&agent.key, version)?;
        let now = self.0.now();
        let id = SessionId(self.0.ports().ids.uuid(now));
        let ttl = version.definition.session_ttl.or(new.ttl);
        Ok(Session {
            tenant: caller.tenant.clone(),
            id,
            key: new.key.unwrap_or_else(|| id.into()),
            agent: agent.id,
            version: new.version,
            owner: caller.user.clone(),
            client: caller.client.clone(),
            title: new.title,
            auto_title: None,
            description: new.description,
            metadata: new.metadata,
            enabled: new.enabled,
            ttl,
            created: now,
            updated: now,
            accessed: now,
            expires: ttl.map(|ttl| now.plus(ttl)),
            idle_after: new.idle_after,
            asleep: false,
            stopped: None,
            retention: new.retention,
            running: 0,
            turns: 0,
            items: 0,
            last_turn: None,
            context: None,
            extra: new.extra,
        })
    }

    /// The session, for reading, if it is this agent's, lives, and the caller may see it. Else, in this order, the agent
    /// or the session does not exist, or the caller may not read here.
    pub async fn get(&self, caller: &Caller, agent: AgentId, session: SessionId) -> Result<Session> {
        let found = self.find(caller, agent, session).await?;
        caller.may_on(Action::ReadSessions, agent)?;
        Ok(found)
    }

    /// The agent's session with this key, for reading.
    pub async fn get_by_key(&self, caller: &Caller, agent: AgentId, key: &Key) -> Result<Session> {
        let found = self.0.store().session_by_key(&caller.tenant, agent, key).await?;
        let found = self.visible(caller, agent, found, key).await?;
        caller.may_on(Action::ReadSessions, agent)?;
        Ok(found)
    }

    /// The session, for whatever the caller may do with it.
    pub(super) async fn find(&self, caller: &Caller, agent: AgentId, session: SessionId) -> Result<Session> {
        let found = self.0.store().session(&caller.tenant, session).await?;
        self.visible(caller, agent, found, &session).await
    }

    async fn visible(
        &self,
        caller: &Caller,
        agent: AgentId,
        found: Option<Session>,
        name: &impl ToString,
    ) -> Result<Session> {
        let shows = |session: &Session| {
            session.agent == agent
                && caller.sees(&session.owner, Some(agent))
                && session.is_live(self.0.now())
                && caller.grants.touch(agent)
        };
        match found {
            Some(session) if shows(&session) => Ok(session),
            _ => {
                self.0.agents().get(caller, agent).await?;
                Err(Error::not_found(Kind::Session, name.to_string()))
            }
        }
    }

    /// The caller's sessions that their client made, most recently updated first: one page of a walk.
    pub async fn recent(
        &self,
        caller: &Caller,
        agent: Option<AgentId>,
        walk: Option<&Walk>,
        limit: u32,
    ) -> Result<Page<Session, Walk>> {
        match agent {
            Some(agent) => caller.may_on(Action::ListSessions, agent)?,
            None => caller.may(Action::ListSessions)?,
        }
        let filter = SessionFilter {
            tenant: caller.tenant.clone(),
            owner: Some(Owner { user: caller.user.clone(), end_users: false }),
            client: Some(caller.client.clone()),
            agent,
        };
        let agents = caller.grants.agents(Action::ListSessions);
        self.0.store().walk_sessions(&filter, agents.as_deref(), walk, self.0.now(), limit).await
    }

    /// The caller's sessions with this agent by time of creation, expired ones that can still be looked at among them.
    pub async fn by_created(
        &self,
        caller: &Caller,
        agent: AgentId,
        slice: &Slice<Created<SessionId>>,
    ) -> Result<Sliced<Session>> {
        caller.may_on(Action::ListSessions, agent)?;
        let filter = SessionFilter {
            tenant: caller.tenant.clone(),
            owner: (!caller.sees_all_of(agent)).then(|| Owner::of(caller)),
            client: None,
            agent: Some(agent),
        };
        self.0.store().sessions_by_created(&filter, true, slice, self.0.now()).await
    }

    /// Where the session of this key stands, or stood a while ago, in [`Sessions::by_created`]. One that the caller may not
    /// see stands nowhere.
    pub async fn place(&self, caller: &Caller, agent: AgentId, key: &Key) -> Result<Option<Created<SessionId>>> {
        caller.may_on(Action::ListSessions, agent)?;
        let found = self.0.store().session_by_key(&caller.tenant, agent, key).await?;
        if found.is_some_and(|session| !caller.sees(&session.owner, Some(agent))) {
            return Ok(None);
        }
        self.0.store().session_place(&caller.tenant, agent, key).await
    }

    /// The agent's session with this key, for reading, whether it lives or has expired and can still be looked at.
    pub async fn look_up(&self, caller: &Caller, agent: AgentId, key: &Key) -> Result<Session> {
        let found = self.0.store().session_by_key(&caller.tenant, agent, key).await?;
        match found {
            Some(session) if caller.sees(&session.owner, Some(agent)) => {
                caller.may_on(Action::ReadSessions, agent)?;
                Ok(session)
            }
            _ => Err(Error::not_found(Kind::Session, key)),
        }
    }

    /// Whether the agent's session of this key lives, and is one that the caller may talk in. End users behind one user may
    /// talk in each other's sessions, if they know their names.
    pub async fn seat(&self, caller: &Caller, agent: AgentId, key: &Key) -> Result<Seat> {
        let found = self.0.store().session_by_key(&caller.tenant, agent, key).await?;
        Ok(match found {
            Some(session) if !session.is_live(self.0.now()) => Seat::Expired,
            Some(session) if caller.sees(&session.owner, Some(agent)) => Seat::Open(Box::new(session)),
            Some(session) if caller.user.is_end_user() && session.owner.base() == caller.user.base() => {
                Seat::Open(Box::new(session))
            }
            Some(_) => Seat::Foreign,
            None => Seat::Free,
        })
    }

    /// Notes that a session was used: it wakes, and its time to live begins anew.
    pub async fn touch(&self, caller: &Caller, session: &Session) -> Result<Session> {
        self.0.store().touch_session(&caller.tenant, session.id, self.0.now()).await
    }

    /// Puts a session to rest until it is used again. Turns that run in it are cancelled. `Conflict(Busy)` if new ones keep
    /// coming, `Unavailable` if a node that may run one cannot be reached.
    pub async fn rest(&self, caller: &Caller, agent: AgentId, session: SessionId) -> Result<Session> {
        self.find(caller, agent, session).await?;
        caller.may_on(Action::ManageSessions, agent)?;
        let mut unreached = None;
        for _ in 0..RESTS {
            match self.0.store().rest_session(&caller.tenant, session, self.0.now()).await {
                Err(Error::Conflict { kind: Conflict::Busy, .. }) => {
                    let which = node::Which::Sessions(vec![session]);
                    unreached = self.0.engine().interrupt(&caller.tenant, which, Ending::Cancelled).await.err();
                }
                rested => {
                    if rested.is_ok() {
                        self.0.journal().say(session, Stream::Status, "the session was put to rest");
                    }
                    return rested;
                }
            }
        }
        Err(unreached.unwrap_or_else(|| Error::conflict(Conflict::Busy, session)))
    }

    /// Sessions of every user by time of creation: for those who administer.
    pub async fn all(
        &self,
        caller: &Caller,
        filter: SessionFilter,
        expired: bool,
        slice: &Slice<Created<SessionId>>,
    ) -> Result<Sliced<Session>> {
        caller.may_administer()?;
        let filter = SessionFilter { tenant: caller.tenant.clone(), ..filter };
        self.0.store().sessions_by_created(&filter, expired, slice, self.0.now()).await
    }

    /// Any session of the tenant, expired or not: for those who administer.
    pub async fn any(&self, caller: &Caller, session: SessionId) -> Result<Session> {
        caller.may_administer()?;
        let found = self.0.store().session(&caller.tenant, session).await?;
        found.ok_or_else(|| Error::not_found(Kind::Session, session))
    }

    /// Changes a session. With `touch` it counts as an update: the session moves to the front of the list.
    pub async fn update(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        patch: SessionPatch,
        touch: bool,
    ) -> Result<Session> {
        self.find(caller, agent, session).await?;
        caller.may_on(Action::ManageSessions, agent)?;
        patch.metadata.as_ref().map_or(Ok(()), check_metadata)?;
        self.0.store().update_session(&caller.tenant, session, &patch, touch, self.0.now()).await
    }

    /// Changes a session by what it is: `change` sees it and says what shall be different. It is asked again if what dialects
    /// keep was changed by someone else meanwhile.
    pub async fn revise<E: From<Error>>(
        &self,
        caller: &Caller,
        session: &Session,
        change: impl Fn(&Session) -> Result<SessionPatch, E>,
    ) -> Result<Session, E> {
        for _ in 0..REVISIONS {
            let found = self.find(caller, session.agent, session.id).await?;
            match self.update(caller, session.agent, session.id, change(&found)?, true).await {
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                done => return Ok(done?),
            }
        }
        Err(Error::conflict(Conflict::Stale, &session.key).into())
    }

    /// The agent's sessions that the caller sees, in the order of their keys: a page of those behind `after`, and how many
    /// there are in all. `shows`, if given, is asked about each of them, and so takes time in proportion to their number.
    pub async fn by_key(
        &self,
        caller: &Caller,
        agent: AgentId,
        which: Which,
        after: Option<&Key>,
        limit: u32,
        shows: Option<&(dyn Fn(&Session) -> bool + Sync)>,
    ) -> Result<Counted<Session>> {
        caller.may_on(Action::ListSessions, agent)?;
        let filter = SessionFilter {
            tenant: caller.tenant.clone(),
            owner: (!caller.sees_all_of(agent)).then(|| Owner::of(caller)),
            client: None,
            agent: Some(agent),
        };
        let query = SessionQuery { filter, enabled: which.enabled, metadata: which.metadata };
        let (store, now) = (self.0.store(), self.0.now());
        let Some(shows) = shows else {
            let mut items = store.sessions_by_key(&query, after, limit.saturating_add(1), now).await?;
            let more = items.len() > limit as usize;
            items.truncate(limit as usize);
            return Ok(Counted { items, more, total: store.count_sessions_by(&query, now).await? });
        };
        let mut counted = Counted { items: Vec::new(), more: false, total: 0 };
        let mut place: Option<Key> = None;
        loop {
            let batch = store.sessions_by_key(&query, place.as_ref(), LIST_BATCH, now).await?;
            place = batch.last().filter(|_| batch.len() == LIST_BATCH as usize).map(|last| last.key.clone());
            for session in batch.into_iter().filter(|session| shows(session)) {
                counted.total += 1;
                if after.is_some_and(|after| session.key <= *after) {
                    continue;
                }
                if counted.items.len() < limit as usize {
                    counted.items.push(session);
                } else {
                    counted.more = true;
                }
            }
            if place.is_none() {
                return Ok(counted);
            }
        }
    }

    /// Deletes a session with all that is in it. A turn that runs in it is dropped and its stream broken off.
    pub async fn delete(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        once: Option<RequestOnce<'_>>,
    ) -> Result<()> {
        let key = once.map(|once| once.key(self.0, caller));
        if let Err(error) = self.find(caller, agent, session).await {
            // A repeated request finds nothing to delete any more; the store knows whether its key was applied.
            let gone = matches!(error, Error::NotFound { kind: Kind::Session, .. })
                && key.is_some()
                && self.0.store().session(&caller.tenant, session).await?.is_none();
            if !gone {
                return Err(error);
            }
        }
        caller.may_on(Action::ManageSessions, agent)?;
        self.remove(caller, session, key.as_ref()).await
    }

    /// Deletes the agent's session with this key, whether it lives or has expired and can still be looked at.
    pub async fn delete_by_key(&self, caller: &Caller, agent: AgentId, key: &Key) -> Result<()> {
        let session = self.look_up(caller, agent, key).await?;
        caller.may_on(Action::ManageSessions, agent)?;
        self.remove(caller, session.id, None).await
    }

    /// Deletes any session of the tenant: for those who administer.
    pub async fn delete_any(&self, caller: &Caller, session: SessionId, once: Option<RequestOnce<'_>>) -> Result<()> {
        caller.may_administer()?;
        let key = once.map(|once| once.key(self.0, caller));
        self.remove(caller, session, key.as_ref()).await
    }

    async fn remove(&self, caller: &Caller, session: SessionId, key: Option<&RequestKey>) -> Result<()> {
        let now = self.0.now();
        if !self.0.store().delete_session(&caller.tenant, session, now, key).await? {
            return Err(Error::not_found(Kind::Session, session));
        }
        self.0.abandon(&caller.tenant, node::Which::Sessions(vec![session])).await;
        self.0.files().forget(&caller.tenant, session).await;
        Ok(())
    }

    /// The kept turns of a session with their items, oldest first.
    pub async fn record(&self, session: &Session) -> Result<Vec<TurnRecord>> {
        let mut record = Vec::new();
        loop {
            let after = record.last().and_then(|r: &TurnRecord| r.turn.number).unwrap_or(0);
            let batch = self.0.store().turns(&session.tenant, session.id, after, RECORD_BATCH).await?;
            let last = batch.len() < RECORD_BATCH as usize;
            record.extend(batch);
            if last {
                return Ok(record);
            }
        }
    }
}
