//! What the lines of a turn say.

use std::time::Duration;

use super::{LogLine, Stream};
use crate::id::TurnId;
use crate::turn::{Ending, Turn, TurnState, Usage};

/// Something that happens to a turn.
pub(crate) enum Happened<'a> {
    /// It was accepted, with so many items of input.
    Accepted(u32),
    /// Its model was asked for the so many-eth time.
    Asked(u32),
    /// Its answer was not of the form that was asked for, and is asked for once more.
    Corrected,
    /// A tool was called.
    Called(&'a str),
    /// A tool told the model that something went wrong.
    CallFailed(&'a str),
    /// It ended, after so long.
    Ended(&'a Ending, Option<Usage>, Duration),
}

impl Happened<'_> {
    pub fn stream(&self) -> Stream {
        match self {
            Self::Accepted(_) => Stream::Status,
            Self::Asked(_) | Self::Called(_) => Stream::Stdout,
            Self::Corrected | Self::CallFailed(_) => Stream::Stderr,
            Self::Ended(Ending::Failed { .. } | Ending::Crashed, ..) => Stream::Stderr,
            Self::Ended(..) => Stream::Status,
        }
    }

    pub fn tell(&self, turn: TurnId) -> String {
        match self {
            Self::Accepted(1) => format!("turn {turn} accepted: 1 item of input"),
            Self::Accepted(inputs) => format!("turn {turn} accepted: {inputs} items of input"),
            Self::Asked(step) => format!("turn {turn}: asking the model, step {step}"),
            Self::Corrected => {
                format!("turn {turn}: the answer does not have the form that was asked for, asking again")
            }
            Self::Called(tool) => format!("turn {turn}: calling the tool '{tool}'"),
            Self::CallFailed(tool) => format!("turn {turn}: the tool '{tool}' failed"),
            Self::Ended(ending, usage, took) => {
                let took = took.as_millis();
                let used = usage.map(|usage| format!(", {} tokens read, {} written", usage.input, usage.output));
                let used = used.unwrap_or_default();
                match ending {
                    Ending::Failed { kind, message } => {
                        let kind = serde_json::to_value(kind).ok();
                        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
                        format!("turn {turn} failed after {took} ms ({kind}): {message}{used}")
                    }
                    other => format!("turn {turn} ended after {took} ms: {}{used}", other.word()),
                }
            }
        }
    }
}

/// The lines that a turn's row amounts to.
pub(super) fn of_record(turn: &Turn) -> Vec<(TurnId, LogLine)> {
    let line = |at, happened: Happened<'_>| {
        (turn.id, LogLine { at, stream: happened.stream(), turn: Some(turn.id), message: happened.tell(turn.id) })
    };
    let mut lines = vec![line(turn.created, Happened::Accepted(turn.inputs))];
    if let (TurnState::Ended { ending }, Some(at)) = (&turn.state, turn.ended) {
        let took = at.nanos().saturating_sub(turn.created.nanos());
        let took = Duration::from_nanos(u64::try_from(took).unwrap_or_default());
        lines.push(line(at, Happened::Ended(ending, turn.usage, took)));
    }
    lines
}
