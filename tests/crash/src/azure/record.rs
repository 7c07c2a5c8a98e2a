//! What the load was told, and what it was waiting to be told when the server died.

use std::time::Instant;

use super::frames::Frame;

/// A request for a response: the answer is the text.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is said; no two requests say the same.
    pub text: String,
    /// The conversation, if it is said in one.
    pub conversation: Option<String>,
    pub stream: bool,
    pub background: bool,
}

/// A response that was asked for in the background.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its identifier, once it was told.
    pub id: Option<String>,
    pub asked: Asked,
    /// The events that were seen, and when.
    pub seen: Vec<(Instant, Frame)>,
    /// The state in which it was seen to have ended.
    pub ended: Option<String>,
    /// Whether its deletion was asked for, and whether that was acknowledged.
    pub deleted: Option<bool>,
}

/// A conversation as its worker knows it.
#[derive(Clone, Debug)]
pub struct Talk {
    pub id: String,
    /// What was said and answered, in order.
    pub said: Vec<(String, String)>,
    /// How many of its turns a crash cut short.
    pub interrupted: usize,
    /// The turn that was asked for and not acknowledged.
    pub under_way: Option<Response>,
}

impl Response {
    pub fn new(asked: Asked) -> Self {
        Self { id: None, asked, seen: Vec::new(), ended: None, deleted: None }
    }

    /// Takes in what has come of a stream.
    pub fn see(&mut self, come: &mut String) {
        for frame in Frame::take(come) {
            self.id = self.id.take().or_else(|| frame.response()["id"].as_str().map(str::to_owned));
            self.seen.push((Instant::now(), frame));
        }
    }

    /// The events that had been seen by `moment`.
    pub fn seen_by(&self, moment: Instant) -> Vec<&Frame> {
        self.seen.iter().filter(|(at, _)| *at <= moment).map(|(_, frame)| frame).collect()
    }
}

/// What a worker leaves behind.
#[derive(Debug, Default)]
pub struct Left {
    pub talks: Vec<Talk>,
    pub background: Vec<Response>,
    /// What went wrong before the crash.
    pub faults: Vec<String>,
}
