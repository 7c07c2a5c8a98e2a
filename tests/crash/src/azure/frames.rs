//! The frames of an event stream.

use serde_json::Value;

/// One event, as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(String);

impl Frame {
    /// Takes the whole frames off the front of what has come; what is no event is passed over.
    pub fn take(from: &mut String) -> Vec<Self> {
        let mut frames = Vec::new();
        while let Some((frame, rest)) = from.split_once("\n\n") {
            if frame.starts_with("event: ") {
                frames.push(Self(frame.to_owned()));
            }
            *from = rest.to_owned();
        }
        frames
    }

    /// All frames of a whole answer.
    pub fn all(body: &str) -> Vec<Self> {
        Self::take(&mut body.to_owned())
    }

    fn data(&self) -> Value {
        let data = self.0.split_once("\ndata: ").map_or("", |(_, data)| data);
        serde_json::from_str(data).unwrap_or_default()
    }

    /// Its number in the stream.
    pub fn number(&self) -> Option<u64> {
        self.data()["sequence_number"].as_u64()
    }

    /// The response that it shows, if it shows one.
    pub fn response(&self) -> Value {
        self.data()["response"].take()
    }

    /// Whether no event follows it.
    pub fn is_last(&self) -> bool {
        ["completed", "failed", "incomplete"].iter().any(|end| self.0.starts_with(&format!("event: response.{end}\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_whole_and_comments_are_none() {
        let mut come =
            "event: response.created\ndata: {\"sequence_number\":0,\"response\":{\"id\":\"a\"}}\n\n: keep-alive\n\n\
            event: response.comp"
                .to_owned();
        let frames = Frame::take(&mut come);
        assert_eq!((frames.len(), come.as_str()), (1, "event: response.comp"));
        assert_eq!((frames[0].number(), frames[0].response()["id"].as_str()), (Some(0), Some("a")));
        assert!(!frames[0].is_last());
        come.push_str("leted\ndata: {}\n\n");
        assert!(Frame::take(&mut come)[0].is_last());
    }
}
