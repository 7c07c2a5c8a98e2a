//! Closed-loop load over HTTP: each connection sends its request again as soon as it has been answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use sederunt_rig::http::Connection;

/// Connections, each with the request that it repeats.
#[derive(Debug)]
pub struct Drive {
    clients: Vec<(Connection, Bytes)>,
}

/// What a stretch of load came to.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Answers a second.
    pub rate: f64,
    /// Answers.
    pub answers: u64,
}

impl Drive {
    /// Connects a client for each request.
    pub async fn open(address: SocketAddr, requests: Vec<Bytes>) -> Result<Self> {
        let connect = |request: Bytes| async move { anyhow::Ok((Connection::open(address).await?, request)) };
        Ok(Self { clients: try_join_all(requests.into_iter().map(connect)).await? })
    }

    /// Load for `length`. Every answer must be a 200.
    pub async fn run(&mut self, length: Duration) -> Result<Stretch> {
        let began = Instant::now();
        let each = self.clients.iter_mut().map(|(connection, request)| async move {
            let mut answers = 0;
            while began.elapsed() < length {
                let answer = connection.ask(request).await?;
                ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
                answers += 1;
            }
            Ok(answers)
        });
        let answers: u64 = try_join_all(each).await?.into_iter().sum();
        Ok(Stretch { rate: answers as f64 / began.elapsed().as_secs_f64(), answers })
    }
}
