//! What the load was told, and what it was waiting to be told when the server died.

use std::time::Instant;

/// A session as its worker knows it.
#[derive(Clone, Debug)]
pub struct Sitting {
    /// Its RID.
    pub rid: String,
    /// The title that was acknowledged last.
    pub title: Option<String>,
    /// A title that was asked for and not acknowledged.
    pub title_under_way: Option<String>,
    /// Exchanges that were acknowledged, in order.
    pub exchanges: Vec<Exchange>,
    /// Exchanges that a crash cut short.
    pub interrupted: Vec<Exchange>,
    /// Whether it was deleted.
    pub deleted: Deleted,
    /// The exchange that was asked for and not acknowledged.
    pub under_way: Option<UnderWay>,
}

/// Whether a session was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// Nobody asked.
    No,
    /// It was asked for and not acknowledged.
    Unsure,
    /// It was acknowledged.
    Yes,
}

/// An exchange with the echo agent: the answer is the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The user's text, and the answer.
    pub text: String,
    /// The trace id that the client chose.
    pub trace: String,
    /// The idempotency key, if it was sent with one.
    pub key: Option<String>,
    /// Whether the answer is streamed.
    pub stream: bool,
}

/// An exchange without its end.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// The exchange.
    pub exchange: Exchange,
    /// How many bytes of the answer had been seen at which moment.
    pub seen: Vec<(Instant, usize)>,
}

impl Sitting {
    /// A session that was acknowledged just now.
    pub fn new(rid: String) -> Self {
        Self {
            rid,
            title: None,
            title_under_way: None,
            exchanges: Vec::new(),
            interrupted: Vec::new(),
            deleted: Deleted::No,
            under_way: None,
        }
    }

    /// Whether it is there and nothing about it is unsure.
    pub fn is_settled(&self) -> bool {
        self.deleted == Deleted::No && self.under_way.is_none() && self.title_under_way.is_none()
    }

    /// The title that the API must show.
    pub fn shown_title(&self) -> &str {
        let first = || self.exchanges.first().map(|exchange| exchange.text.as_str());
        self.title.as_deref().or_else(first).unwrap_or("New session")
    }
}

impl UnderWay {
    /// How many bytes had been seen by `moment`.
    pub fn seen_by(&self, moment: Instant) -> usize {
        self.seen.iter().filter(|(at, _)| *at <= moment).map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }
}

/// What a worker leaves behind.
#[derive(Debug, Default)]
pub struct Left {
    /// Its sessions.
    pub sittings: Vec<Sitting>,
    /// Creations without an answer, with their keys.
    pub creating: Vec<Option<String>>,
    /// What went wrong before the crash.
    pub faults: Vec<String>,
}
