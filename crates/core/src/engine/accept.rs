//! Accepting a turn: one transaction takes the lane and stores the input; only then does it run.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::acceptance::words;
use super::live::Live;
use super::run::Run;
use super::{Engine, Outcome, PartReader};
use crate::agent::{AgentVersion, WhenBusy};
use crate::caller::Caller;
use crate::error::{Conflict, Error, Kind, Result};
use crate::format::Form;
use crate::id::{Key, TenantId, TurnId};
use crate::item::{ItemBody, NewItem};
use crate::journal::Happened;
use crate::session::Session;
use crate::store::{Accept, Keyed, RequestKey, TurnRecord};
use crate::turn::{Ending, Lane, NewTurn, Strand, Turn, TurnState};

/// How long is waited before a lane is tried again that a dead node holds.
const ELSEWHERE: Duration = Duration::from_millis(20);

/// A turn that was started, joined, or found to have been run before.
#[derive(Clone, Debug)]
pub enum Started {
    /// It runs.
    Live(Arc<Live>),
    /// It ran before; this is what stands.
    Stored(Arc<TurnRecord>),
}

impl Started {
    /// The turn as it was accepted, or as it stands.
    pub fn turn(&self) -> &Turn {
        match self {
            Self::Live(live) => &live.turn,
            Self::Stored(record) => &record.turn,
        }
    }

    /// How it comes out; waits for it.
    pub async fn outcome(&self) -> Outcome {
        match self {
            Self::Live(live) => live.outcome().await,
            Self::Stored(record) => Outcome::Ended(record.clone()),
        }
    }

    /// A reader of its parts, if it still runs.
    pub fn read(&self) -> Option<PartReader> {
        match self {
            Self::Live(live) => Some(live.read(0)),
            Self::Stored(_) => None,
        }
    }
}

/// A turn that was accepted a moment ago, until whoever asked for it has it. If they are gone by then it is as if they had
/// begun to read it, and left.
struct Handed(Option<Arc<Live>>);

impl Handed {
    fn received(mut self) {
        self.0 = None;
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(live) = &self.0 {
            drop(live.read(0));
        }
    }
}

/// What a turn is run with.
#[derive(Clone)]
pub(crate) struct Setting {
    pub caller: Caller,
    pub agent: Key,
    pub version: Arc<AgentVersion>,
    /// The session that it runs in, if in any.
    pub session: Option<Session>,
    /// Whether that session is made with the turn.
    pub opens: bool,
    /// Whether the turns of the turn's conversation run in that session from now on.
    pub binds: bool,
    /// The form that its answer must have, where that is ours to see to; known once it is accepted.
    pub form: Option<Arc<Form>>,
}

impl Setting {
    fn lane(&self, strand: Strand) -> Option<Lane> {
        match strand {
            Strand::Session => self.session.as_ref().map(|session| Lane::session(session.id)),
            Strand::Conversation(id) => Some(Lane::conversation(id)),
            Strand::Own(_) => None,
        }
    }
}

impl Engine {
    /// Accepts a turn into its lane and runs it.
    pub(crate) async fn start(&self, setting: Setting, new: NewTurn, request: Option<RequestKey>) -> Result<Started> {
        self.admit()?;
        let model = self.model_of(&setting.agent, &setting.version)?;
        let parameters = setting.version.definition.bind(new.parameters.clone())?;
        let new = NewTurn { parameters, ..new };
        let format = new.options.format.as_ref().or(setting.version.definition.options.format.as_ref());
        let form = if model.keeps_form() { None } else { Form::of(format)?.map(Arc::new) };
        let setting = Setting { form, ..setting };
        let Some(lane) = setting.lane(new.strand) else {
            return self.accept(&setting, &new, None, request, None).await;
        };
        let when_busy = new.when_busy.or(setting.version.definition.when_busy).unwrap_or(new.when_busy_default);
        let patience = new.patience.unwrap_or(self.0.settings.queue_wait);
        let mut place = None;
        if when_busy == WhenBusy::Queue && self.somebody_waits(&setting, &lane).await? {
            // The lane may be free for a moment: it belongs to whoever came first.
            let place = place.insert(self.enqueue(&setting.caller.tenant, &lane, words(&new), patience).await?);
            place.turn_has_come(false).await?;
        }
        let mut waited = place.is_some();
        let mut missed = false;
        let mut first = true;
        let gives_up = tokio::time::Instant::now() + patience;
        loop {
            let waiting = place.as_ref().map(super::queue::Place::id);
            let tried = self.accept(&setting, &new, Some(lane.clone()), request.clone(), waiting).await;
            if first && matches!(tried, Err(Error::Conflict { kind: Conflict::Busy, .. })) {
                // Nothing is interrupted, and nobody waits, for a name that is taken.
                self.alias_is_free(&setting, &new).await?;
            }
            first = false;
            match tried {
                Err(Error::Conflict { kind: Conflict::Busy, id }) => match when_busy {
                    WhenBusy::Reject => return Err(Error::conflict(Conflict::Busy, id)),
                    WhenBusy::Interrupt | WhenBusy::Steer if tokio::time::Instant::now() > gives_up => {
                        return Err(Error::conflict(Conflict::Busy, id));
                    }
                    WhenBusy::Interrupt | WhenBusy::Steer => {
                        self.all_accepted().await;
                        let tenant = &setting.caller.tenant;
                        let running = self.locate_in(tenant, &lane).await?;
                        if when_busy == WhenBusy::Interrupt {
                            self.clear_lane(tenant, &lane).await?;
                        }
                        match running {
                            Some(live) if when_busy == WhenBusy::Interrupt => self.supersede(&live).await?,
                            Some(live) if request.is_none() && self.steer(&live, &new).await? => {
                                return Ok(Started::Live(live));
                            }
                            // It takes no more, or not this: it will be a turn of its own.
                            Some(live) => live.closed().await,
                            // It has ended meanwhile; or, if that is so twice, its node is dead.
                            None if missed => tokio::time::sleep(ELSEWHERE).await,
                            None => missed = true,
                        }
                    }
                    WhenBusy::Queue => {
                        let place = match &mut place {
                            Some(place) => place,
                            None => {
                                place.insert(self.enqueue(&setting.caller.tenant, &lane, words(&new), patience).await?)
                            }
                        };
                        place.turn_has_come(waited).await?;
                        waited = true;
                    }
                },
                // An interrupt emptied the queue between the look and the try.
                Err(Error::Conflict { kind: Conflict::Stale, .. }) if waiting.is_some() => {
                    return Err(Error::conflict(Conflict::Interrupted, lane));
                }
                done => return done,
            }
        }
    }

    /// As [`Engine::start`], in a task of its own, which ends at the latest when its patience does.
    pub(crate) async fn start_anyhow(&self, setting: Setting, new: NewTurn) -> Result<Started> {
        let engine = self.clone();
        let started = self.0.tasks.spawn(async move { engine.start(setting, new, None).await });
        started.await.map_err(Error::internal)?
    }

    async fn accept(
        &self,
        setting: &Setting,
        new: &NewTurn,
        lane: Option<Lane>,
        request: Option<RequestKey>,
        waited: Option<uuid::Uuid>,
    ) -> Result<Started> {
        let accept = self.acceptance(setting, new, lane, request, waited);
        // The transaction and what follows it are one task: a caller that goes away in between must not leave a lane
        // that is held for a turn that nobody runs.
        let engine = self.clone();
        let (mut setting, new) = (setting.clone(), new.clone());
        let started: JoinHandle<Result<_>> = self.0.tasks.spawn(async move {
            let accepting = engine.0.accepting.read().await;
            engine.admit()?;
            let stored = accept.stored();
            match engine.0.ports.store.accept_turn(stored.as_ref().unwrap_or(&accept)).await? {
                Keyed::Replayed(id) => {
                    drop(accepting);
                    Ok((engine.replayed(&accept.turn, id.parse()?).await?, Handed(None)))
                }
                Keyed::Applied(parent) => {
                    let Accept { mut turn, input, fence, .. } = accept;
                    turn.parent = parent;
                    if let Some(session) = &mut setting.session
                        && new.strand == Strand::Session
                        && parent != session.last_turn
                    {
                        // Others came first since it was read: the model shall see the session as they left it. If it cannot be read now,
                        // as it was is better than a turn that is accepted and never run.
                        let read = engine.0.ports.store.session(&turn.tenant, session.id).await;
                        if let Ok(Some(read)) = read {
                            *session = read;
                        }
                    }
                    let accepted = engine.0.ports.timer.elapsed();
                    let live = Arc::new(Live::new(turn, input, fence, accepted));
                    engine.note(&live.turn, &Happened::Accepted(live.turn.inputs));
                    engine.live().insert(live.turn.id, live.clone());
                    let run = Run { engine: engine.clone(), live: live.clone(), setting, new };
                    engine.0.tasks.spawn(run.run());
                    Ok((Started::Live(live.clone()), Handed(Some(live))))
                }
            }
        });
        let (started, handed) = started.await.map_err(Error::internal)??;
        handed.received();
        Ok(started)
    }

    /// The turn that a repeated request began: joined if it runs, else as it stands. One that a crash cut short
    /// answers that, and is not run again.
    async fn replayed(&self, asked: &Turn, id: TurnId) -> Result<Started> {
        if let Some(live) = self.locate(&asked.tenant, id).await? {
            return Ok(Started::Live(live));
        }
        let record = self.0.ports.store.turn(&asked.tenant, id).await?;
        let record = record.ok_or_else(|| Error::not_found(Kind::Turn, id))?;
        match &record.turn.state {
            TurnState::Ended { ending: Ending::Crashed } => Err(Error::conflict(Conflict::Interrupted, id)),
            TurnState::Ended { .. } => Ok(Started::Stored(Arc::new(record))),
            TurnState::Running => Err(Error::conflict(Conflict::Busy, id)),
        }
    }

    /// `Conflict(AlreadyExists)` if the session has a turn with this alias.
    async fn alias_is_free(&self, setting: &Setting, new: &NewTurn) -> Result<()> {
        let Some(alias) = &new.alias else { return Ok(()) };
        let Some(session) = &setting.session else { return Ok(()) };
        match self.0.ports.store.turn_by_alias(&session.tenant, session.id, alias).await? {
            Some(_) => Err(Error::conflict(Conflict::AlreadyExists, alias)),
            None => Ok(()),
        }
    }

    async fn somebody_waits(&self, setting: &Setting, lane: &Lane) -> Result<bool> {
        let ports = &self.0.ports;
        Ok(ports.store.first_waiting(&setting.caller.tenant, lane, ports.timer.wall()).await?.is_some())
    }

    /// The turn that runs in this lane, here.
    pub(crate) fn running_in(&self, tenant: &TenantId, lane: &Lane) -> Option<Arc<Live>> {
        let live = self.live();
        let mut in_lane = live.values().filter(|l| l.fence.lane == *lane && l.turn.tenant == *tenant);
        in_lane.find(|l| l.phase() != super::live::Phase::Closed).cloned()
    }

    /// Drops what waits for the lane.
    pub(crate) async fn clear_lane(&self, tenant: &TenantId, lane: &Lane) -> Result<()> {
        self.0.ports.store.clear_queue(tenant, lane).await?;
        self.0.queues.ring(tenant, lane);
        Ok(())
    }

    /// Steers a text in. What the caller gave a name or a context is no mere text: it must be found, or repeated, as a
    /// turn of its own.
    async fn steer(&self, live: &Arc<Live>, new: &NewTurn) -> Result<bool> {
        let named = new.alias.is_some() || new.tag.is_some() || new.contexts.is_some();
        let plain = matches!(new.input.as_slice(), [NewItem { body: ItemBody::UserMessage { .. }, .. }]);
        Ok(!named && plain && self.steer_text(live, new.text()).await?)
    }

    /// Steers a text into a turn that runs here; `false` if it takes no more.
    pub(crate) fn steer_here(&self, live: &Live, text: String) -> bool {
        live.steer(text, self.0.settings.queue_length as usize)
    }
}
