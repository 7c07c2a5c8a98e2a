//! A network that can be cut: what is said through it waits until it is healed, and nobody learns that somebody hung up.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A way to some ports of this machine, over ports of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Cut {
    ports: Vec<u16>,
    whole: watch::Sender<bool>,
    _ways: JoinSet<()>,
}

impl Cut {
    /// A way to each of these ports.
    pub async fn before(targets: &[u16]) -> Result<Self> {
        let whole = watch::Sender::new(true);
        let (mut ports, mut ways) = (Vec::new(), JoinSet::new());
        for &target in targets {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port());
            ways.spawn(lead(listener, (Ipv4Addr::LOCALHOST, target).into(), whole.subscribe()));
        }
        Ok(Self { ports, whole, _ways: ways })
    }

    /// Its ports, in the order of those that it leads to.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Cuts every way.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Heals every way: what was said meanwhile arrives.
    pub fn heal(&self) {
        self.whole.send_replace(true);
    }
}

/// Leads whoever connects to `target`; ends with the set of tasks that it is one of, and its connections with it.
async fn lead(listener: TcpListener, target: SocketAddr, whole: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connect(stream, target, whole.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(from: TcpStream, target: SocketAddr, mut whole: watch::Receiver<bool>) {
    if whole.wait_for(|whole| *whole).await.is_err() {
        return;
    }
    // Who is not there refuses; whoever asked sees the connection end.
    let Ok(to) = TcpStream::connect(target).await else { return };
    // A delay is all that comes of it otherwise.
    _ = from.set_nodelay(true);
    _ = to.set_nodelay(true);
    let ((from_reads, from_writes), (to_reads, to_writes)) = (from.into_split(), to.into_split());
    tokio::join!(forward(from_reads, to_writes, whole.clone()), forward(to_reads, from_writes, whole));
}

/// Passes on what is said, until somebody hangs up.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut whole: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if whole.wait_for(|whole| *whole).await.is_err() {
            return;
        }
        match buffer.get(..read) {
            Some(said) if read > 0 && to.write_all(said).await.is_ok() => {}
            _ => break,
        }
    }
    // The other side may have hung up first.
    _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_while_the_network_is_cut_arrives_when_it_is_healed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let cut = Cut::before(&[listener.local_addr().unwrap().port()]).await.unwrap();
        let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, cut.ports()[0])).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        cut.cut();
        near.write_all(b"late").await.unwrap();
        near.shutdown().await.unwrap();
        let mut said = String::new();
        let mut heard = Box::pin(far.read_to_string(&mut said));
        tokio::select! {
            biased;
            _ = &mut heard => panic!("something came through"),
            () = tokio::task::yield_now() => cut.heal(),
        }
        heard.await.unwrap();
        assert_eq!(said, "late");
    }
}
