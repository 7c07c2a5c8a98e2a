//! The load: one worker with one connection, and conversations and background responses of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sederunt_rig::chance::Chance;
use sederunt_rig::http::Connection;

use super::api::Api;
use super::record::{Asked, Left, Response, Talk};
use crate::load::{Halt, wrong};

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
        self.left.talks.retain(|talk| talk.said.len() < TURNS);
        if self.left.talks.len() < TALKS && self.chance.percent(30) {
            return self.converse(connection).await;
        }
        if self.left.background.len() > BACKGROUND {
            return self.delete(connection).await;
        }
        match (self.chance.below(100), self.left.talks.is_empty()) {
            (0..30, false) => self.say(connection, false).await,
            (30..60, false) => self.say(connection, true).await,
            (60..80, _) => self.leave(connection).await,
            _ => self.follow(connection).await,
        }
    }

    async fn converse(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let answer = connection.ask(&self.api.converse()).await?;
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
    async fn say(&mut self, connection: &mut Connection, stream: bool) -> Result<(), Halt> {
        let at = self.chance.below(self.left.talks.len());
        let mut asked = self.asked(stream, false);
        let talk = &mut self.left.talks[at];
        asked.conversation = Some(talk.id.clone());
        let text = asked.text.clone();
        let under_way = talk.under_way.insert(Response::new(asked));
        if stream {
            self.api.clone().read(connection, under_way).await?;
        } else {
            let answer = connection.ask(&self.api.respond(&under_way.asked, false)).await?;
            if answer.status != 200 || said(&answer.json()) != text {
                return Err(wrong("response", answer.status, &answer.text()));
            }
        }
        talk.under_way = None;
        talk.said.push((text.clone(), text));
        Ok(())
    }

    /// A response in the background that nobody waits for.
    async fn leave(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let asked = self.asked(false, true);
        self.left.background.push(Response::new(asked.clone()));
        let answer = connection.ask(&self.api.respond(&asked, false)).await?;
        match (answer.json()["id"].as_str(), self.left.background.last_mut()) {
            (Some(id), Some(last)) if answer.status == 200 => {
                last.id = Some(id.to_owned());
                Ok(())
            }
            _ => Err(wrong("background response", answer.status, &answer.text())),
        }
    }

    /// A response in the background whose stream is read.
    async fn follow(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let response = Response::new(self.asked(true, true));
        self.left.background.push(response);
        match self.left.background.last_mut() {
            Some(last) => self.api.clone().read(connection, last).await,
            None => Ok(()),
        }
    }

    /// Deletes the oldest background response, if it has ended.
    async fn delete(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let mut oldest = self.left.background.remove(0);
        let Some(id) = oldest.id.clone() else { return Ok(()) };
        let now = connection.ask(&self.api.response(&id)).await?.json();
        if now["status"] == "in_progress" {
            self.left.background.push(oldest);
            return Ok(());
        }
        oldest.deleted = Some(false);
        self.left.background.push(oldest);
        let answer = connection.ask(&self.api.delete(&id)).await?;
        if answer.status != 200 {
            return Err(wrong("delete response", answer.status, &answer.text()));
        }
        let gone = connection.ask(&self.api.response(&id)).await?;
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
    async fn read(self, connection: &mut Connection, response: &mut Response) -> Result<(), Halt> {
        let mut reply = connection.begin(&self.respond(&response.asked, false)).await?;
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
