//! Turns: run in a session, cancelled, traced.

use std::sync::Arc;

use super::App;
use super::sessions::RequestOnce;
use crate::agent::Agent;
use crate::caller::{Action, Caller};
use crate::engine::{Live, Outcome, Replay, Setting, Started};
use crate::error::{Conflict, Error, FaultKind, Kind, Result};
use crate::id::{AgentId, SessionId, TurnId};
use crate::item::{Context, ItemBody};
use crate::model::{Passage, Passed};
use crate::page::{Created, Slice, Sliced};
use crate::part::Part;
use crate::session::{NewSession, Owner, Session};
use crate::store::TurnRecord;
use crate::turn::{CancelOutcome, Compaction, Lane, NewTurn, Recording, Turn, TurnFilter, TurnState};

/// The operations on turns.
#[derive(Clone, Copy, Debug)]
pub struct Turns<'a>(pub(super) &'a App);

/// What a turn has done so far.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The turn.
    pub turn: Turn,
    /// Its items, the input among them.
    pub items: Vec<ItemBody>,
}

/// The session that a turn runs in.
#[derive(Clone, Debug)]
pub enum Sitting {
    /// This one.
    In(Box<Session>),
    /// One that is made with the turn, pinned to a version.
    Opens(Box<NewSession>),
    /// None; this version of the agent answers.
    None(u32),
}

/// Where a turn is run.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The agent that answers.
    pub agent: &'a Agent,
    /// The session.
    pub sitting: Sitting,
    /// Whether the turns of its conversation run in that session from now on.
    pub binds: bool,
}

/// A turn that was looked up by its id.
#[derive(Clone, Debug)]
pub struct Found {
    /// The turn with its items, as they are stored.
    pub record: Arc<TurnRecord>,
    /// The turn, if it runs.
    pub live: Option<Arc<Live>>,
}

impl Turns<'_> {
    /// Runs a turn somewhere: in a session or in none, in a conversation or in none. Repeated with the same key, it is
    /// joined, or is what it came to then. `Conflict(AlreadyExists)` if the key of a session that it opens is in use.
    pub async fn begin(
        &self,
        caller: &Caller,
        place: Place<'_>,
        new: NewTurn,
        once: Option<RequestOnce<'_>>,
    ) -> Result<Started> {
        let agent = place.agent;
        caller.may_on(Action::Talk, agent.id)?;
        if !agent.enabled {
            return Err(Error::conflict(Conflict::Disabled, agent.id));
        }
        let agents = self.0.agents();
        let (version, session, opens) = match place.sitting {
            Sitting::In(session) => {
                let version = agents.version_of(&caller.tenant, agent.id, session.version).await?;
                (version, Some(*session), false)
            }
            Sitting::Opens(new) => {
                let version = agents.version_of(&caller.tenant, agent.id, new.version).await?;
                let session = self.0.sessions().opening(caller, agent, &version, *new)?;
                (version, Some(session), true)
            }
            Sitting::None(ordinal) => (agents.version_of(&caller.tenant, agent.id, Some(ordinal)).await?, None, false),
        };
        let setting = Setting {
            caller: caller.clone(),
            agent: agent.key.clone(),
            version,
            session,
            opens,
            binds: place.binds,
            form: None,
        };
        let key = once.map(|once| once.key(self.0, caller));
        self.0.engine().start(setting, new, key).await
    }

    /// The turn, if the caller may see it. One that was not to be recorded can be seen only while it runs.
    pub async fn get(&self, caller: &Caller, turn: TurnId) -> Result<Found> {
        let missing = || Error::not_found(Kind::Turn, turn);
        caller.may(Action::ReadSessions)?;
        let mut live = self.0.engine().find(&caller.tenant, turn);
        let mut record = self.0.store().turn(&caller.tenant, turn).await?.ok_or_else(missing)?;
        if live.is_none() && record.turn.state == TurnState::Running {
            // It was accepted this moment, or runs on another node; or it ended between the two looks.
            live = self.0.engine().locate(&caller.tenant, turn).await?;
            if live.is_none() {
                record = self.0.store().turn(&caller.tenant, turn).await?.ok_or_else(missing)?;
            }
        }
        let unseen = record.turn.recording == Recording::Nothing && record.turn.state != TurnState::Running;
        if unseen || !caller.sees(&record.turn.owner, record.turn.agent) {
            return Err(missing());
        }
        let live = live.filter(|_| record.turn.state == TurnState::Running);
        Ok(Found { record: Arc::new(record), live })
    }

    /// The line that ends with a turn which the caller may see, oldest first: as much of it as a model is shown.
    pub async fn line(&self, caller: &Caller, head: TurnId) -> Result<Vec<TurnRecord>> {
        self.get(caller, head).await?;
        self.0.store().line(&caller.tenant, head, self.0.engine().settings().line_turns).await
    }

    /// The parts of a turn from number `from`, as they were or as they come. Only of a turn that runs, or whose stream
    /// can be read again.
    pub fn replay(&self, found: &Found, from: u32) -> Replay {
        match &found.live {
            Some(live) => Replay::live(live.read(from)),
            None => Replay::stored(self.0.ports().store.clone(), found.record.clone(), from),
        }
    }

    /// Cancels a running turn. `Conflict(NotInProgress)` if it has ended.
    pub async fn cancel_one(&self, caller: &Caller, turn: TurnId, outcome: CancelOutcome) -> Result<Arc<TurnRecord>> {
        let found = self.get(caller, turn).await?;
        if let Some(agent) = found.record.turn.agent {
            caller.may_on(Action::Talk, agent)?;
        }
        let live = found.live.ok_or_else(|| Error::conflict(Conflict::NotInProgress, turn))?;
        self.0.engine().cancel(&live, outcome, false).await
    }

    /// Deletes an ended turn with what it said, but for what stands in a conversation. `Conflict(Busy)` while it runs.
    pub async fn delete(&self, caller: &Caller, turn: TurnId) -> Result<()> {
        self.get(caller, turn).await?;
        caller.may(Action::ManageSessions)?;
        if self.0.store().delete_turn(&caller.tenant, turn, self.0.now()).await? {
            Ok(())
        } else {
            Err(Error::not_found(Kind::Turn, turn))
        }
    }

    /// The caller's turns by time of creation, running and failed ones too.
    pub async fn by_created(
        &self,
        caller: &Caller,
        filter: TurnFilter,
        slice: &Slice<Created<TurnId>>,
    ) -> Result<Sliced<TurnRecord>> {
        caller.may(Action::ListSessions)?;
        let all =
            filter.agent.map_or_else(|| caller.grants.everywhere(Action::SeeAll), |agent| caller.sees_all_of(agent));
        let owner = (!all).then(|| Owner::of(caller));
        let filter = TurnFilter { tenant: caller.tenant.clone(), owner, ..filter };
        self.0.store().turns_by_created(&filter, slice).await
    }

    /// Where the turn stands, or stood, in [`Turns::by_created`]. One that the caller may not see stands nowhere.
    pub async fn place(&self, caller: &Caller, turn: TurnId) -> Result<Option<Created<TurnId>>> {
        caller.may(Action::ListSessions)?;
        let found = self.0.store().turn(&caller.tenant, turn).await?;
        if found.is_some_and(|found| !caller.sees(&found.turn.owner, found.turn.agent)) {
            return Ok(None);
        }
        self.0.store().turn_place(&caller.tenant, turn).await
    }

    /// Runs a turn in a session. Repeated with the same key, it is joined, or is what it came to then.
    pub async fn start(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        new: NewTurn,
        once: Option<RequestOnce<'_>>,
    ) -> Result<Started> {
        let setting = self.setting(caller, agent, session, Action::Talk).await?;
        let key = once.map(|once| once.key(self.0, caller));
        self.0.engine().start(setting, new, key).await
    }

    /// Runs a turn in a session, and goes on waiting for its lane where the caller goes away.
    pub async fn start_anyhow(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        new: NewTurn,
    ) -> Result<Started> {
        let setting = self.setting(caller, agent, session, Action::Talk).await?;
        self.0.engine().start_anyhow(setting, new).await
    }

    /// What the agent's model would look up for an input. Changes nothing.
    pub async fn retrieve(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        new: NewTurn,
    ) -> Result<Vec<Context>> {
        let setting = self.setting(caller, agent, session, Action::Talk).await?;
        self.0.engine().retrieve(&setting, new).await
    }

    /// Cancels the session's running turn that has this tag. `Conflict(NotInProgress)` if there is none. With `detach`,
    /// the model may speak on to streams that are open; the session is free at once in any case.
    pub async fn cancel(
        &self,
        caller: &Caller,
        agent: AgentId,
        session: SessionId,
        tag: &str,
        outcome: CancelOutcome,
        detach: bool,
    ) -> Result<Arc<TurnRecord>> {
        self.0.sessions().find(caller, agent, session).await?;
        caller.may_on(Action::Talk, agent)?;
        let turn = self.0.store().turn_by_tag(&caller.tenant, session, tag).await?;
        let not_in_progress = || Error::conflict(Conflict::NotInProgress, tag);
        let turn = turn.ok_or_else(not_in_progress)?;
        // What runs here may not know yet that it was ended elsewhere: trying finds out.
        let live = match self.0.engine().find(&caller.tenant, turn.id) {
            None if turn.state == TurnState::Running => self.0.engine().locate(&caller.tenant, turn.id).await?,
            here => here,
        };
        let live = live.ok_or_else(not_in_progress)?;
        match self.0.engine().cancel(&live, outcome, detach).await {
            Err(Error::Conflict { kind: Conflict::NotInProgress, .. }) => Err(not_in_progress()),
            done => done,
        }
    }

    /// The turn that runs in a session's lane.
    pub async fn running(&self, session: &Session) -> Result<Option<Arc<Live>>> {
        self.0.engine().locate_in(&session.tenant, &Lane::session(session.id)).await
    }

    /// Stops what runs in a session, keeping what there is of the answer, and drops what waits for it. Returns the turn as it
    /// ended; `None` if nothing ran.
    pub async fn interrupt(&self, caller: &Caller, session: &Session) -> Result<Option<Arc<TurnRecord>>> {
        caller.may_on(Action::Talk, session.agent)?;
        self.0.engine().clear_lane(&session.tenant, &Lane::session(session.id)).await?;
        self.0.engine().all_accepted().await;
        let Some(live) = self.running(session).await? else { return Ok(None) };
        match self.0.engine().cancel(&live, CancelOutcome::KeepPartial, false).await {
            Err(Error::Conflict { kind: Conflict::NotInProgress, .. }) => Ok(None),
            done => done.map(Some),
        }
    }

    /// A summary of these items by the agent's model: for a record that is made of another's.
    pub async fn summarise(
        &self,
        caller: &Caller,
        agent: &Agent,
        items: &[ItemBody],
        compaction: &Compaction,
    ) -> Result<String> {
        caller.may_on(Action::Talk, agent.id)?;
        let version = self.0.agents().version_of(&caller.tenant, agent.id, None).await?;
        let setting = Setting {
            caller: caller.clone(),
            agent: agent.key.clone(),
            version,
            session: None,
            opens: false,
            binds: false,
            form: None,
        };
        self.0.engine().summarise_items(&setting, items, compaction).await
    }

    /// How many tokens the model that answers for an agent's latest version takes at most; `None` if nobody knows.
    pub async fn context_window(&self, caller: &Caller, agent: &Agent) -> Result<Option<u64>> {
        let version = self.0.agents().version_of(&caller.tenant, agent.id, None).await?;
        Ok(self.0.engine().model_of(&agent.key, &version).ok().and_then(|model| model.context_window()))
    }

    /// Cancels any running turn of the tenant: for those who administer. What there is of the answer is kept.
    pub async fn cancel_any(&self, caller: &Caller, turn: TurnId) -> Result<Arc<TurnRecord>> {
        caller.may_administer()?;
        let live = self.0.engine().locate(&caller.tenant, turn).await?;
        let live = live.ok_or_else(|| Error::conflict(Conflict::NotInProgress, turn))?;
        self.0.engine().cancel(&live, CancelOutcome::KeepPartial, false).await
    }

    /// What the session's turn with this alias has done: so far, if it runs.
    pub async fn traced(&self, caller: &Caller, agent: AgentId, session: SessionId, alias: &str) -> Result<Traced> {
        self.0.sessions().get(caller, agent, session).await?;
        let found = self.0.store().turn_by_alias(&caller.tenant, session, alias).await?;
        let missing = || Error::not_found(Kind::Turn, alias);
        let mut record = found.ok_or_else(missing)?;
        let mut live = None;
        if record.turn.state == TurnState::Running {
            live = self.0.engine().locate(&caller.tenant, record.turn.id).await?;
            if live.is_none() {
                // It ended between the two looks.
                let again = self.0.store().turn_by_alias(&caller.tenant, session, alias).await?;
                record = again.ok_or_else(missing)?;
            }
        }
        let mut items: Vec<_> = record.items.into_iter().map(|item| item.body).collect();
        if let Some(live) = live {
            items.truncate(live.input.len());
            items.extend(live.items());
        }
        Ok(Traced { turn: record.turn, items })
    }

    /// Every turn of a session, kept or not, oldest first after the one given: for those who administer.
    pub async fn all(
        &self,
        caller: &Caller,
        session: SessionId,
        after: Option<(crate::clock::Time, TurnId)>,
        limit: u32,
    ) -> Result<Vec<Turn>> {
        caller.may_administer()?;
        self.0.store().all_turns(&caller.tenant, session, after, limit).await
    }

    /// Any turn with its items: for those who administer.
    pub async fn any(&self, caller: &Caller, turn: TurnId) -> Result<TurnRecord> {
        caller.may_administer()?;
        let found = self.0.store().turn(&caller.tenant, turn).await?;
        found.ok_or_else(|| Error::not_found(Kind::Turn, turn))
    }

    /// Stored parts of any turn from number `from`: for those who administer.
    pub async fn stored_parts(&self, caller: &Caller, turn: TurnId, from: u32, limit: u32) -> Result<Vec<Part>> {
        caller.may_administer()?;
        self.0.store().parts(&caller.tenant, turn, from, limit).await
    }

    /// The turn, if it runs.
    pub async fn live(&self, caller: &Caller, turn: TurnId) -> Result<Option<Arc<Live>>> {
        self.0.engine().locate(&caller.tenant, turn).await
    }

    /// Passes a request on, as it stands, to the server that answers for an agent; `None` if its model has no such server.
    /// The session, if the request is made in one, wakes, and its time to live begins anew; without one the agent's latest
    /// version says who answers. `Unavailable` if too many are on their way.
    pub async fn pass(
        &self,
        caller: &Caller,
        agent: &Agent,
        session: Option<&Session>,
        passage: Passage,
    ) -> Result<Option<Passed>> {
        caller.may_on(Action::Talk, agent.id)?;
        if !agent.enabled {
            return Err(Error::conflict(Conflict::Disabled, agent.id));
        }
        let pinned = session.and_then(|session| session.version);
        let version = self.0.agents().version_of(&caller.tenant, agent.id, pinned).await?;
        if let Some(session) = session {
            self.0.sessions().touch(caller, session).await?;
        }
        self.0.engine().pass(&agent.key, &version, passage).await
    }

    /// Waits for a started turn. `NotFound(Session)` if its record went away meanwhile.
    pub async fn outcome(&self, started: &Started) -> Result<Arc<TurnRecord>> {
        match started.outcome().await {
            Outcome::Ended(record) => Ok(record),
            // Not `Unavailable`, which says that nothing has happened and invites to repeat.
            Outcome::Unstored => Err(FaultKind::Unavailable.with("the turn's end could not be stored").into()),
            Outcome::Gone => {
                let session = started.turn().session.map(|s| s.to_string()).unwrap_or_default();
                Err(Error::not_found(Kind::Session, session))
            }
        }
    }

    async fn setting(&self, caller: &Caller, agent: AgentId, session: SessionId, action: Action) -> Result<Setting> {
        let session = self.0.sessions().find(caller, agent, session).await?;
        caller.may_on(action, agent)?;
        let agent = self.0.agents().find(&caller.tenant, agent).await?;
        if !agent.enabled {
            return Err(Error::conflict(Conflict::Disabled, agent.id));
        }
        let version = self.0.agents().version_of(&caller.tenant, agent.id, session.version).await?;
        Ok(Setting {
            caller: caller.clone(),
            agent: agent.key,
            version,
            session: Some(session),
            opens: false,
            binds: false,
            form: None,
        })
    }
}
