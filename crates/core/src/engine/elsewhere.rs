//! What concerns turns wherever they run: done here, and asked of the other nodes.

use std::sync::Arc;

use super::Engine;
use super::live::Live;
use crate::error::{Conflict, Error, Ignore, Result};
use crate::id::{AgentId, TenantId, TurnId};
use crate::node::{Answer, Order, Which};
use crate::store::TurnRecord;
use crate::turn::{CancelOutcome, Ending, Lane, Turn};

impl Engine {
    /// The turn, if it runs, wherever that is; also one that is being accepted at this moment. If its node cannot be reached
    /// it is seen as far as the store has it.
    pub(crate) async fn locate(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Arc<Live>>> {
        match self.find_accepted(tenant, turn).await {
            Some(live) => Ok(Some(live)),
            None => self.mirror(tenant, turn).await,
        }
    }

    /// The turn that runs in this lane, wherever that is.
    pub(crate) async fn locate_in(&self, tenant: &TenantId, lane: &Lane) -> Result<Option<Arc<Live>>> {
        if let Some(live) = self.running_in(tenant, lane) {
            return Ok(Some(live));
        }
        if self.cluster().is_none() {
            return Ok(None);
        }
        self.all_accepted().await;
        if let Some(live) = self.running_in(tenant, lane) {
            return Ok(Some(live));
        }
        match self.0.ports.store.lease(tenant, lane).await? {
            Some(lease) if lease.fence.node != self.0.node => self.mirror(tenant, lease.turn).await,
            _ => Ok(None),
        }
    }

    /// Cancels a turn. `Conflict(NotInProgress)` if its end is written, or being written; `Unavailable` if its node cannot be
    /// reached. With `detach`, the model may speak on to streams that are open.
    pub(crate) async fn cancel(
        &self,
        live: &Arc<Live>,
        outcome: CancelOutcome,
        detach: bool,
    ) -> Result<Arc<TurnRecord>> {
        if !live.is_mirror() {
            return self.cancel_here(live, outcome, detach).await;
        }
        let turn = live.turn.id;
        let answer = self.ask_node_of(live, &Order::Cancel { turn, outcome, detach }).await?;
        live.wake();
        let ended = match answer {
            Answer::Yes | Answer::To { .. } => self.0.ports.store.turn(&live.turn.tenant, turn).await?,
            Answer::No => None,
        };
        ended.map(Arc::new).ok_or_else(|| Error::conflict(Conflict::NotInProgress, turn))
    }

    /// Has a turn end in this way, and waits until it has. `Unavailable` if its node cannot be reached.
    pub(super) async fn supersede(&self, live: &Arc<Live>) -> Result<()> {
        if live.is_mirror() {
            let order = Order::ClearLane { lane: live.turn.lane.clone(), ending: Ending::Superseded };
            self.ask_node_of(live, &order).await?;
            live.wake();
        } else {
            live.interrupt(Ending::Superseded);
        }
        live.closed().await;
        Ok(())
    }

    /// Steers a text into a turn; `false` if it takes no more. `Unavailable` if its node cannot be reached.
    pub(super) async fn steer_text(&self, live: &Arc<Live>, text: String) -> Result<bool> {
        if !live.is_mirror() {
            return Ok(self.steer_here(live, text));
        }
        let answer = self.ask_node_of(live, &Order::Steer { lane: live.turn.lane.clone(), text }).await?;
        // Another turn of that lane would have taken it where nobody here looks for it.
        Ok(answer == Answer::To { turn: live.turn.id })
    }

    /// Asks the node on which a turn runs. One that holds its lane no more has nothing to do.
    async fn ask_node_of(&self, live: &Live, order: &Order) -> Result<Answer> {
        let Some(cluster) = self.cluster() else { return Ok(Answer::No) };
        let Turn { tenant, lane, id, .. } = &live.turn;
        match self.0.ports.store.lease(tenant, lane).await? {
            Some(lease) if lease.turn == *id => match self.node_of(cluster, lease.fence.node).await? {
                Some(node) => cluster.membership.peers.ask(&node, tenant, order).await.map_err(out_of_reach),
                None => Err(out_of_reach(Error::unavailable("the turn's node is dead"))),
            },
            _ => Ok(Answer::No),
        }
    }

    /// Interrupts turns wherever they run, and waits for their ends. `Unavailable` if a node could not be asked.
    pub(crate) async fn interrupt(&self, tenant: &TenantId, which: Which, ending: Ending) -> Result<()> {
        self.interrupt_here(tenant, &which, ending.clone()).await;
        let answers = self.ask_all(tenant, &Order::Interrupt { which, ending }).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(out_of_reach))
    }

    /// Whether such a turn runs anywhere. `Unavailable` if a node could not be asked, and none of the others has one.
    pub(crate) async fn runs(&self, tenant: &TenantId, which: Which) -> Result<bool> {
        if !self.running_here(tenant, &which).await.is_empty() {
            return Ok(true);
        }
        let mut unknown = None;
        for answer in self.ask_all(tenant, &Order::Runs { which }).await? {
            match answer {
                Ok(Answer::No) => {}
                Ok(Answer::Yes | Answer::To { .. }) => return Ok(true),
                Err(error) => unknown = Some(error),
            }
        }
        unknown.map_or(Ok(false), |error| Err(out_of_reach(error)))
    }

    /// Forgets everywhere what is remembered of an agent, in the background.
    pub(crate) fn forget_agent_elsewhere(&self, tenant: &TenantId, agent: AgentId) {
        if let Some(cluster) = &self.0.cluster {
            let (cluster, tenant) = (cluster.clone(), tenant.clone());
            self.0.tasks.spawn(async move { cluster.tell_all(&tenant, Order::ForgetAgent { agent }).await });
        }
    }

    /// Forgets here what is remembered of credentials.
    pub(crate) fn forget_credentials_here(&self) {
        match self.cluster() {
            Some(cluster) => cluster.identity.forget_all(),
            None => self.0.ports.identity.forget_all(),
        }
    }
}

/// What a caller is told whose request needs a node that cannot be asked.
pub(super) fn out_of_reach(error: Error) -> Error {
    Err::<(), _>(&error).ignore("the caller is told");
    Error::Unavailable {
        reason: "a node that must be asked cannot be reached, repeat the request".into(),
        source: Some(Box::new(error)),
    }
}
