//! What this node does for other nodes: their orders, and what they want to hear of what runs here.

use futures_core::stream::BoxStream;

use super::App;
use crate::error::{Conflict, Error, Result};
use crate::id::{SessionId, TenantId, TurnId};
use crate::journal::LogLine;
use crate::node::{Answer, Order, Told, Which};

/// The operations that other nodes ask for.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a>(pub(super) &'a App);

impl Peer<'_> {
    /// Does what another node asks, and waits until it is done.
    pub async fn answer(&self, tenant: &TenantId, order: Order) -> Result<Answer> {
        let engine = self.0.engine();
        let yes = |done: bool| if done { Answer::Yes } else { Answer::No };
        Ok(match order {
            Order::Cancel { turn, outcome, detach } => match engine.find_accepted(tenant, turn).await {
                None => Answer::No,
                Some(live) => match engine.cancel_here(&live, outcome, detach).await {
                    Err(Error::Conflict { kind: Conflict::NotInProgress, .. }) => Answer::No,
                    done => done.map(|_| Answer::Yes)?,
                },
            },
            Order::Interrupt { which, ending } => yes(engine.interrupt_here(tenant, &which, ending).await),
            Order::ClearLane { lane, ending } => {
                engine.all_accepted().await;
                match engine.running_in(tenant, &lane) {
                    None => Answer::No,
                    Some(live) => {
                        let which = Which::Turn(live.turn.id);
                        engine.interrupt_here(tenant, &which, ending).await;
                        Answer::To { turn: live.turn.id }
                    }
                }
            }
            Order::Steer { lane, text } => {
                engine.all_accepted().await;
                match engine.running_in(tenant, &lane).filter(|live| engine.steer_here(live, text)) {
                    Some(live) => Answer::To { turn: live.turn.id },
                    None => Answer::No,
                }
            }
            Order::Abandon { which } => {
                self.0.abandon_here(tenant, &which).await;
                Answer::Yes
            }
            Order::Runs { which } => yes(!engine.running_here(tenant, &which).await.is_empty()),
            Order::Store { turn } => match engine.find_accepted(tenant, turn).await {
                None => Answer::No,
                Some(live) => engine.store_parts(&live).await.map(|()| Answer::Yes)?,
            },
            Order::ForgetAgent { agent } => {
                self.0.agents().forget(agent);
                Answer::Yes
            }
            Order::ForgetCredentials => {
                engine.forget_credentials_here();
                Answer::Yes
            }
        })
    }

    /// What a turn has said here from part `from` on, and what it will say. Whoever listens counts as one of its readers.
    pub async fn tell(&self, tenant: &TenantId, turn: TurnId, from: u32) -> Result<BoxStream<'static, Result<Told>>> {
        self.0.engine().tell(tenant, turn, from).await
    }

    /// The lines of a session's journal that are written here from now on.
    pub async fn journal(&self, tenant: &TenantId, session: SessionId) -> Result<BoxStream<'static, Result<LogLine>>> {
        self.0.journal().written_here(tenant, session).await
    }
}
