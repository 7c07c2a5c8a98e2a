//! Signals: the first SIGINT or SIGTERM ends the server in order, the second at once.

use sederunt_web::Shutdown;
use tokio::signal;

use crate::fault::Fault;
use crate::runtime::{Left, Server};

/// Runs the server until a signal (or something else) ends it. `signals` were listened to before anybody was told that
/// the server is ready.
pub async fn serve_until_stopped(server: Server, signals: Signals) -> Result<(), Fault> {
    let shutdown = server.shutdown();
    let mut stopped = std::pin::pin!(server.stopped());
    let left = tokio::select! {
        left = stopped.as_mut() => left,
        never = obey(shutdown, signals) => never,
    };
    if left == Left::default() {
        tracing::info!("stopped");
    } else {
        tracing::warn!(connections = left.connections, turns = left.turns, "stopped; these were broken off");
    }
    Ok(())
}

/// Turns signals into tokens, for as long as it is polled.
async fn obey(shutdown: Shutdown, mut signals: Signals) -> Left {
    signals.next().await;
    tracing::info!("stopping: what runs may end; a second signal breaks it off");
    shutdown.soft.cancel();
    signals.next().await;
    tracing::warn!("stopping at once");
    shutdown.hard.cancel();
    std::future::pending().await
}

/// The signals that end the process in order, from the moment that this is made.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on: a signal that comes before does what the system does with it.
    pub fn new() -> Result<Self, Fault> {
        use signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|e| Fault::failed("signals cannot be received", e, "report this: it is a defect"))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals that end the process in order.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Nothing to prepare here.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
