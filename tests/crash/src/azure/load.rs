//! The load: one worker with conversations and background responses of its own.

use std::sync::Arc;

use sederunt_rig::chance::Chance;

use super::api::Api;
use super::record::{Asked, Left, Response, Talk};
use crate::course::Course;
use crate::halt::{Halt, Load, work, wrong};
use crate::nodes::Nodes;

/// The most conversations of one worker, and the most turns of one: a page of items holds them.
const TALKS: usize = 3;
const TURNS: usize = 40;
/// The most background responses that a worker remembers.
const BACKGROUND: usize = 6;
/// Words of a slow answer, at a word every 25 ms.
const SLOW_WORDS: usize = 30;

/// One worker.
#[derive(Debug)]
pub struct Worker {
    pub api: Api,
    pub chance: Chance,
    pub left: Left,
    pub course: Arc<Course>,
}

impl Load for Worker {
    async fn step(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        self.left.talks.retain(|talk| talk.said.len() < TURNS || talk.under_way.is_some());
        let free: Vec<usize> =
            (0..self.left.talks.len()).filter(|&at| self.left.talks[at].under_way.is_none()).collect();
        if free.len() < TALKS && self.chance.percent(30) {
            return self.converse(nodes).await;
        }
        let sure = self.left.background.iter().filter(|response| response.id.is_some() && response.deleted.is_none());
        if sure.count() > BACKGROUND {
            return self.delete(nodes).await;
        }
        let at = free.get(self.chance.below(free.len())).copied();
        match (self.chance.below(100), at) {
            (0..30, Some(at)) => self.say(nodes, at, false).await,
            (30..60, Some(at)) => self.say(nodes, at, true).await,
            (60..80, _) => self.leave(nodes).await,
            _ => self.follow(nodes).await,
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

    async fn converse(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let answer = nodes.ask(&self.api.converse()).await?;
        match answer.json()["id"].as_str() {
            Some(id) if answer.status == 200 => {
                let talk = Talk { id: id.to_owned(), said: Vec::new(), interrupted: 0, under_way: None };
                self.left.talks.push(talk);
                Ok(())
            }
            _ => Err(wrong("create conversation", answer.status, &answer.text())),
        }
    }

    /// A turn in a conversation.
    async fn say(&mut self, nodes: &mut Nodes, at: usize, stream: bool) -> Result<(), Halt> {
        let mut asked = self.asked(stream, false);
        let talk = &mut self.left.talks[at];
        asked.conversation = Some(talk.id.clone());
        let text = asked.text.clone();
        let under_way = talk.under_way.insert(Response::new(asked));
        if stream {
            self.api.clone().read(nodes, under_way).await?;
        } else {
            let answer = nodes.ask(&self.api.respond(&under_way.asked, false)).await?;
            if answer.status != 200 || said(&answer.json()) != text {
                return Err(wrong("response", answer.status, &answer.text()));
            }
        }
        talk.under_way = None;
        talk.said.push((text.clone(), text));
        Ok(())
    }

    /// A response in the background that nobody waits for.
    async fn leave(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let asked = self.asked(false, true);
        self.left.background.push(Response::new(asked.clone()));
        let answer = nodes.ask(&self.api.respond(&asked, false)).await?;
        match (answer.json()["id"].as_str(), self.left.background.last_mut()) {
            (Some(id), Some(last)) if answer.status == 200 => {
                last.id = Some(id.to_owned());
                Ok(())
            }
            _ => Err(wrong("background response", answer.status, &answer.text())),
        }
    }

    /// A response in the background whose stream is read.
    async fn follow(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let response = Response::new(self.asked(true, true));
        self.left.background.push(response);
        match self.left.background.last_mut() {
            Some(last) => self.api.clone().read(nodes, last).await,
            None => Ok(()),
        }
    }

    /// Deletes the oldest background response of which nothing is unsure, if it has ended.
    async fn delete(&mut self, nodes: &mut Nodes) -> Result<(), Halt> {
        let sure = |response: &Response| response.deleted.is_none() && response.id.is_some();
        let Some(at) = self.left.background.iter().position(sure) else { return Ok(()) };
        let id = self.left.background[at].id.clone().unwrap_or_default();
        let now = nodes.ask(&self.api.response(&id)).await?.json();
        let mut oldest = self.left.background.remove(at);
        if now["status"] == "in_progress" {
            self.left.background.push(oldest);
            return Ok(());
        }
        oldest.deleted = Some(false);
        self.left.background.push(oldest);
        let answer = nodes.ask(&self.api.delete(&id)).await?;
        if answer.status != 200 {
            return Err(wrong("delete response", answer.status, &answer.text()));
        }
        let gone = nodes.ask(&self.api.response(&id)).await?;
        self.left.background.pop();
        if gone.status == 404 { Ok(()) } else { Err(wrong("deleted response", gone.status, &gone.text())) }
    }

    /// Something to say.
    fn asked(&mut self, stream: bool, background: bool) -> Asked {
        let (pace, words) = match self.chance.percent(50) {
            true => ("slow", 2 + self.chance.below(SLOW_WORDS)),
            false => ("quick", 1 + self.chance.below(5)),
        };
        let words: Vec<String> = (0..words).map(|_| format!("{:x}", self.chance.below(1 << 16))).collect();
        let text = format!("{pace} {} {}", self.chance.uuid(), words.join(" "));
        Asked { text, conversation: None, stream, background }
    }
}

impl Api {
    /// Asks for a stream and reads it to its end.
    async fn read(self, nodes: &mut Nodes, response: &mut Response) -> Result<(), Halt> {
        let mut reply = nodes.begin(&self.respond(&response.asked, false)).await?;
        let status = reply.status;
        let mut come = String::new();
        while let Some(chunk) = reply.chunk().await? {
            come.push_str(&String::from_utf8_lossy(&chunk));
            response.see(&mut come);
        }
        let last = response.seen.last().map(|(_, frame)| frame.response()).unwrap_or_default();
        if status != 200 || last["status"] != "completed" || said(&last) != response.asked.text {
            return Err(wrong("stream", status, &format!("{come} {last}")));
        }
        response.ended = Some("completed".to_owned());
        Ok(())
    }
}

/// The text of a response's answer.
pub fn said(response: &serde_json::Value) -> String {
    let contents = response["output"].as_array().into_iter().flatten().filter_map(|item| item["content"].as_array());
    contents.flatten().filter_map(|part| part["text"].as_str()).collect()
}
