//! What concerns turns wherever they run: done here, and asked of the other nodes.

use super::Engine;
use crate::error::{Error, Ignore, Result};
use crate::id::{AgentId, TenantId};
use crate::node::{Answer, Order, Which};
use crate::turn::Ending;

impl Engine {
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
