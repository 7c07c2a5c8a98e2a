//! A response's stream: parts of a turn become events, events become server-sent frames.

mod expansion;
mod steps;
mod stream;

pub(crate) use stream::{again, live, stored};

use bytes::Bytes;
use serde::Serialize;

/// One event of a stream, but for its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The type.
    pub kind: &'static str,
    /// The other members, as the inside of a JSON object.
    members: String,
}

impl Event {
    /// An event with the members of this object.
    pub fn new(kind: &'static str, members: &impl Serialize) -> Self {
        let object = serde_json::to_string(members).unwrap_or_default();
        let inside = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        Self { kind, members: inside.to_owned() }
    }

    /// Appends the frame of this event, with its number in the stream.
    pub fn write(&self, number: u32, frames: &mut String) {
        let Self { kind, members } = self;
        let comma = if members.is_empty() { "" } else { "," };
        let pieces = ["event: ", kind, "\ndata: {\"type\":\"", kind, "\",", members, comma, "\"sequence_number\":"];
        frames.reserve(pieces.iter().map(|piece| piece.len()).sum::<usize>() + 16);
        pieces.into_iter().for_each(|piece| frames.push_str(piece));
        frames.push_str(&number.to_string());
        frames.push_str("}\n\n");
    }
}

/// The comment that says that a stream lives.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");
