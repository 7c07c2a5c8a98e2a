//! The load: one worker with sessions of its own, doing one thing after another until the server dies or the round is over,
//! and remembering what it was told.

use std::sync::Arc;
use std::time::Instant;

use sederunt_rig::chance::Chance;

use crate::api::Api;
use crate::course::Course;
use crate::halt::{Halt, Load, work, wrong};
use crate::nodes::Nodes;
use crate::record::{Deleted, Exchange, Left, Sitting, UnderWay};

/// The most living sessions of one worker.
const SESSIONS: usize = 10;
/// A session with more exchanges than this is deleted, so that the count after each round stays short.
const EXCHANGES: usize = 40;
/// Words of a slow answer: at a word every 25 ms, about the time that a round lasts.
const SLOW_WORDS: usize = 30;

/// One worker.
#[derive(Debug)]
pub struct Worker {
    pub api: Api,
    pub chance: Chance,
    pub left: Left,
    /// Whether most of its streams are slow: a crash finds them half-way. The others find the crash between two steps.
    pub slow: bool,
    pub course: Arc<Course>,
}

impl Load for Worker {
    async fn step(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let living: Vec<usize> =
            (0..self.left.sittings.len()).filter(|&at| self.left.sittings[at].is_settled()).collect();
        if living.is_empty() || (living.len() < SESSIONS && self.chance.percent(25)) {
            return self.create(nodes).await;
        }
        let at = living[self.chance.below(living.len())];
        if self.left.sittings[at].exchanges.len() > EXCHANGES {
            return self.delete(nodes, at).await;
        }
        match self.chance.below(100) {
            0..5 => self.delete(nodes, at).await,
            5..15 => self.rename(nodes, at).await,
            15..45 => self.blocking(nodes, at).await,
            _ => self.streaming(nodes, at).await,
        }
    }
}

impl Worker {
    /// Works until the server is gone or the round over.
    pub async fn run(mut self, nodes: Nodes) -> Left {
        let course = self.course.clone();
        let faults = work(&course, nodes, &mut self).await;
        self.left.faults.extend(faults);
        self.left
    }

    async fn create(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let key = self.chance.percent(50).then(|| self.chance.uuid());
        let request = self.api.create(key.as_deref());
        self.left.creating.push(key);
        let answer = nodes.ask(&request).await?;
        match answer.json()["rid"].as_str() {
            Some(rid) if answer.status == 200 => {
                self.left.creating.pop();
                self.left.sittings.push(Sitting::new(rid.to_owned()));
                Ok(())
            }
            _ => Err(wrong("create", answer.status, &answer.text())),
        }
    }

    async fn delete(&mut self, nodes: &mut Nodes, at: usize) -> Result<(), Halt> {
        let sitting = &mut self.left.sittings[at];
        sitting.deleted = Deleted::Unsure;
        let answer = nodes.ask(&self.api.delete(&sitting.rid)).await?;
        if answer.status != 204 {
            return Err(wrong("delete", answer.status, &answer.text()));
        }
        sitting.deleted = Deleted::Yes;
        Ok(())
    }

    async fn rename(&mut self, nodes: &mut Nodes, at: usize) -> Result<(), Halt> {
        let title = format!("title {:x}", self.chance.number());
        let sitting = &mut self.left.sittings[at];
        sitting.title_under_way = Some(title.clone());
        let answer = nodes.ask(&self.api.update_title(&sitting.rid, &title)).await?;
        if answer.status != 204 {
            return Err(wrong("updateTitle", answer.status, &answer.text()));
        }
        sitting.title_under_way = None;
        sitting.title = Some(title);
        Ok(())
    }

    async fn blocking(&mut self, nodes: &mut Nodes, at: usize) -> Result<(), Halt> {
        let exchange = self.exchange(false);
        let sitting = &mut self.left.sittings[at];
        sitting.under_way = Some(UnderWay { exchange: exchange.clone(), seen: Vec::new() });
        let answer = nodes.ask(&self.api.exchange(&sitting.rid, &exchange)).await?;
        if answer.status != 200 || answer.json()["agentMarkdownResponse"] != exchange.text.as_str() {
            return Err(wrong("blockingContinue", answer.status, &answer.text()));
        }
        sitting.under_way = None;
        sitting.exchanges.push(exchange);
        Ok(())
    }

    async fn streaming(&mut self, nodes: &mut Nodes, at: usize) -> Result<(), Halt> {
        let exchange = self.exchange(true);
        let sitting = &mut self.left.sittings[at];
        let under_way = sitting.under_way.insert(UnderWay { exchange: exchange.clone(), seen: Vec::new() });
        let mut reply = nodes.begin(&self.api.exchange(&sitting.rid, &exchange)).await?;
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
