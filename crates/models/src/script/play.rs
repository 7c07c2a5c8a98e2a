//! Plays a rule's moves as a model's stream. Dropping the stream ends everything, waits included.

use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use sederunt_core::error::ModelFault;
use sederunt_core::model::ModelEvent;
use tokio::time::Instant;

use super::file::Chunks;
use super::rule::words;

/// One thing that a script does.
#[derive(Debug)]
pub enum Move {
    Wait(Duration),
    Say(ModelEvent),
    Fail(ModelFault),
    Hang,
}

/// What a rule does, in order.
pub type Moves = Box<dyn Iterator<Item = Move> + Send>;

/// The stream of `moves`; it ends after a fault.
pub fn stream(moves: Moves) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
    futures_util::stream::unfold((moves, None), |(mut moves, mut due)| async move {
        loop {
            match moves.next()? {
                Move::Wait(Duration::ZERO) => {}
                Move::Wait(time) => {
                    // From when the last wait was due, not from when its timer rang: late rings must not add up.
                    let next = due.unwrap_or_else(Instant::now).checked_add(time).unwrap_or_else(Instant::now);
                    due = Some(next);
                    tokio::time::sleep_until(next).await;
                }
                Move::Say(event) => return Some((Ok(event), (moves, due))),
                Move::Fail(fault) => return Some((Err(fault), (Box::new(std::iter::empty()) as Moves, due))),
                Move::Hang => std::future::pending().await,
            }
        }
    })
    .boxed()
}

/// A text in pieces, cut as they are asked for. Joined again they are the text, byte for byte; none is empty unless it
/// was listed so.
#[derive(Debug)]
pub enum Chunked {
    Words { text: String, at: usize },
    Chars { text: String, at: usize, each: usize },
    List(std::vec::IntoIter<String>),
}

impl Chunked {
    /// `text`, cut as `by` says.
    pub fn cut(text: String, by: &Chunks) -> Self {
        match by {
            Chunks::Word => Self::Words { text, at: 0 },
            Chunks::Char => Self::Chars { text, at: 0, each: 1 },
            Chunks::Chars(each) => Self::Chars { text, at: 0, each: *each },
            Chunks::List(_) => Self::List(vec![text].into_iter()),
        }
    }

    /// These pieces.
    pub fn list(pieces: Vec<String>) -> Self {
        Self::List(pieces.into_iter())
    }

    /// How many words there are in all.
    pub fn words(&self) -> u64 {
        match self {
            Self::Words { text, .. } | Self::Chars { text, .. } => words(text),
            Self::List(pieces) => words(&pieces.as_slice().concat()),
        }
    }
}

impl Iterator for Chunked {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (text, at, end): (_, _, fn(&str, usize) -> usize) = match self {
            Self::List(pieces) => return pieces.next(),
            Self::Words { text, at } => (text, (at, 0), |rest, _| word_end(rest)),
            Self::Chars { text, at, each } => {
                (text, (at, *each), |rest, each| rest.char_indices().nth(each).map_or(rest.len(), |(end, _)| end))
            }
        };
        let (at, each) = at;
        let rest = text.get(*at..).filter(|rest| !rest.is_empty())?;
        let piece = rest.get(..end(rest, each))?.to_owned();
        *at += piece.len();
        Some(piece)
    }
}

/// The end of the first word and the blanks after it; blanks at the very start belong to the first word.
fn word_end(text: &str) -> usize {
    let mut in_word = false;
    let mut after_word = false;
    for (at, c) in text.char_indices() {
        match (c.is_whitespace(), in_word) {
            (false, _) if after_word => return at,
            (false, _) => in_word = true,
            (true, true) => after_word = true,
            (true, false) => {}
        }
    }
    text.len()
}
