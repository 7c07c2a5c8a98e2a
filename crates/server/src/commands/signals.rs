//! Signals: the first SIGINT or SIGTERM ends the server in order, the second at once.

use sederunt_web::Shutdown;
use tokio::signal;

use crate::fault::Fault;
use crate::runtime::{Left, Server};

/// Runs the server until a signal (or something else) ends it.
pub async fn serve_until_stopped(server: Server) -> Result<(), Fault> {
    let shutdown = server.shutdown();
    let mut stopped = std::pin::pin!(server.stopped());
    let left = tokio::select! {
        left = stopped.as_mut() => left,
        never = obey(shutdown) => never?,
    };
    if left == Left::default() {
        tracing::info!("stopped");
    } else {
        tracing::warn!(connections = left.connections, turns = left.turns, "stopped; these were broken off");
    }
    Ok(())
}

/// Turns signals into tokens, for as long as it is polled.
async fn obey(shutdown: Shutdown) -> Result<Left, Fault> {
    let mut signals = Signals::new()?;
    signals.next().await;
    tracing::info!("stopping: what runs may end; a second signal breaks it off");
    shutdown.soft.cancel();
    signals.next().await;
    tracing::warn!("stopping at once");
    shutdown.hard.cancel();
    std::future::pending().await
}

#[cfg(unix)]
struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, Fault> {
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

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self, Fault> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
