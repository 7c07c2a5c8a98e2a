//! Closed-loop load: each client sends its next request as soon as the last one has been answered, over HTTP or straight
//! to the store driver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use sederunt_rig::http::Connection;
use tokio::task::JoinSet;

/// Connections, each with the requests that it sends in turn.
#[derive(Debug)]
pub struct Drive {
    clients: Vec<(Connection, Vec<Bytes>)>,
}

/// What a stretch of load came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    /// Answers.
    pub answers: u64,
    /// Answers a second.
    pub rate: f64,
}

impl Stretch {
    fn of(answers: u64, took: Duration) -> Self {
        Self { answers, rate: answers as f64 / took.as_secs_f64() }
    }
}

impl Drive {
    /// Connects a client for each list of requests.
    pub async fn open(address: SocketAddr, requests: Vec<Vec<Bytes>>) -> Result<Self> {
        Self::open_each(requests.into_iter().map(|requests| (address, requests)).collect()).await
    }

    /// Connects a client for each address and its list of requests.
    pub async fn open_each(clients: Vec<(SocketAddr, Vec<Bytes>)>) -> Result<Self> {
        let connect = |(address, requests)| async move { anyhow::Ok((Connection::open(address).await?, requests)) };
        Ok(Self { clients: try_join_all(clients.into_iter().map(connect)).await? })
    }

    /// Load for `length`. Every answer must be a 200.
    pub async fn run(&mut self, length: Duration) -> Result<Stretch> {
        let began = Instant::now();
        let each = self.clients.iter_mut().map(|(connection, requests)| async move {
            let mut answers = 0;
            for request in requests.iter().cycle() {
                if began.elapsed() >= length {
                    break;
                }
                let answer = connection.ask(request).await?;
                ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
                answers += 1;
            }
            Ok(answers)
        });
        let answers = try_join_all(each).await?.into_iter().sum();
        Ok(Stretch::of(answers, began.elapsed()))
    }
}

/// `tasks` tasks that each do `work(task)` again and again for `length`.
pub async fn tasks<F, W>(tasks: usize, length: Duration, work: W) -> Result<Stretch>
where
    W: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let began = Instant::now();
    let work = Arc::new(work);
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let work = work.clone();
        set.spawn(async move {
            let mut answers = 0u64;
            while began.elapsed() < length {
                work(task).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let done: Result<Vec<u64>> = set.join_all().await.into_iter().collect();
    Ok(Stretch::of(done?.into_iter().sum(), began.elapsed()))
}
