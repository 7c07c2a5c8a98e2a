//! The load: one worker with one connection and sessions of its own, doing one thing after another until the server
//! dies, and remembering what it was told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sederunt_rig::chance::Chance;
use sederunt_rig::http::Connection;

use crate::api::Api;
use crate::record::{Deleted, Exchange, Left, Sitting, UnderWay};

/// The most living sessions of one worker.
const SESSIONS: usize = 10;
/// A session with more exchanges than this is deleted, so that the count after each round stays short.
const EXCHANGES: usize = 40;
/// Words of a slow answer: at a word every 25 ms, about the time that a round lasts.
const SLOW_WORDS: usize = 30;

/// Why a worker stops.
#[derive(Debug)]
pub enum Halt {
    /// The connection broke.
    Broken(io::Error),
    /// The server answered what it must not.
    Wrong(String),
}

impl Halt {
    /// What is wrong about it, if something is: once the server is killed, connections break.
    pub fn fault(self, killed: bool) -> Option<String> {
        match self {
            Self::Wrong(what) => Some(what),
            Self::Broken(error) if !killed => Some(format!("a connection broke before the crash: {error}")),
            Self::Broken(_) => None,
        }
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// One worker.
#[derive(Debug)]
pub struct Worker {
    pub api: Api,
    pub chance: Chance,
    pub left: Left,
    /// Whether most of its streams are slow: a crash finds them half-way. The others find the crash between two steps.
    pub slow: bool,
    /// Set just before the server is killed: what breaks earlier is a fault.
    pub killed: Arc<AtomicBool>,
}

impl Worker {
    /// Works until the server is gone.
    pub async fn run(mut self, address: SocketAddr) -> Left {
        let halt = match Connection::open(address).await {
            Ok(mut connection) => loop {
                if let Err(halt) = self.step(&mut connection).await {
                    break halt;
                }
            },
            Err(error) => Halt::Broken(error),
        };
        self.left.faults.extend(halt.fault(self.killed.load(Ordering::SeqCst)));
        self.left
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let living: Vec<usize> =
            (0..self.left.sittings.len()).filter(|&at| self.left.sittings[at].deleted == Deleted::No).collect();
        if living.is_empty() || (living.len() < SESSIONS && self.chance.percent(25)) {
            return self.create(connection).await;
        }
        let at = living[self.chance.below(living.len())];
        if self.left.sittings[at].exchanges.len() > EXCHANGES {
            return self.delete(connection, at).await;
        }
        match self.chance.below(100) {
            0..5 => self.delete(connection, at).await,
            5..15 => self.rename(connection, at).await,
            15..45 => self.blocking(connection, at).await,
            _ => self.streaming(connection, at).await,
        }
    }

    async fn create(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let key = self.chance.percent(50).then(|| self.chance.uuid());
        let request = self.api.create(key.as_deref());
        self.left.creating.push(key);
        let answer = connection.ask(&request).await?;
        match answer.json()["rid"].as_str() {
            Some(rid) if answer.status == 200 => {
                self.left.creating.pop();
                self.left.sittings.push(Sitting::new(rid.to_owned()));
                Ok(())
            }
            _ => Err(wrong("create", answer.status, &answer.text())),
        }
    }

    async fn delete(&mut self, connection: &mut Connection, at: usize) -> Result<(), Halt> {
        let sitting = &mut self.left.sittings[at];
        sitting.deleted = Deleted::Unsure;
        let answer = connection.ask(&self.api.delete(&sitting.rid)).await?;
        if answer.status != 204 {
            return Err(wrong("delete", answer.status, &answer.text()));
        }
        sitting.deleted = Deleted::Yes;
        Ok(())
    }

    async fn rename(&mut self, connection: &mut Connection, at: usize) -> Result<(), Halt> {
        let title = format!("title {:x}", self.chance.number());
        let sitting = &mut self.left.sittings[at];
        sitting.title_under_way = Some(title.clone());
        let answer = connection.ask(&self.api.update_title(&sitting.rid, &title)).await?;
        if answer.status != 204 {
            return Err(wrong("updateTitle", answer.status, &answer.text()));
        }
        sitting.title_under_way = None;
        sitting.title = Some(title);
        Ok(())
    }

    async fn blocking(&mut self, connection: &mut Connection, at: usize) -> Result<(), Halt> {
        let exchange = self.exchange(false);
        let sitting = &mut self.left.sittings[at];
        sitting.under_way = Some(UnderWay { exchange: exchange.clone(), seen: Vec::new() });
        let answer = connection.ask(&self.api.exchange(&sitting.rid, &exchange)).await?;
        if answer.status != 200 || answer.json()["agentMarkdownResponse"] != exchange.text.as_str() {
            return Err(wrong("blockingContinue", answer.status, &answer.text()));
        }
        sitting.under_way = None;
        sitting.exchanges.push(exchange);
        Ok(())
    }

    async fn streaming(&mut self, connection: &mut Connection, at: usize) -> Result<(), Halt> {
        let exchange = self.exchange(true);
        let sitting = &mut self.left.sittings[at];
        let under_way = sitting.under_way.insert(UnderWay { exchange: exchange.clone(), seen: Vec::new() });
        let mut reply = connection.begin(&self.api.exchange(&sitting.rid, &exchange)).await?;
        let mut text = Vec::new();
        let status = reply.status;
        while let Some(chunk) = reply.chunk().await? {
            text.extend_from_slice(&chunk);
            if status == 200 {
                under_way.seen.push((Instant::now(), text.len()));
            }
            if status == 200 && !exchange.text.as_bytes().starts_with(&text) {
                return Err(wrong("streamingContinue", status, &String::from_utf8_lossy(&text)));
            }
        }
        if status != 200 || text != exchange.text.as_bytes() {
            return Err(wrong("streamingContinue", status, &String::from_utf8_lossy(&text)));
        }
        sitting.under_way = None;
        sitting.exchanges.push(exchange);
        Ok(())
    }

    /// Something to say.
    fn exchange(&mut self, stream: bool) -> Exchange {
        let (pace, words) = match stream && self.slow && self.chance.percent(70) {
            true => ("slow", 2 + self.chance.below(SLOW_WORDS)),
            false => ("quick", 1 + self.chance.below(5)),
        };
        let words: Vec<String> = (0..words).map(|_| format!("{:x}", self.chance.below(1 << 16))).collect();
        Exchange {
            text: format!("{pace} {}", words.join(" ")),
            trace: self.chance.uuid(),
            key: self.chance.percent(40).then(|| self.chance.uuid()),
            stream,
        }
    }
}

/// What the server must not answer.
pub fn wrong(operation: &str, status: u16, body: &str) -> Halt {
    Halt::Wrong(format!("{operation} answered {status}: {body}"))
}
