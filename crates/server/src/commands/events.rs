//! Reads the control API's server-sent events: a name and JSON each, as [`crate::control`] writes them.

use reqwest::Response;
use serde_json::Value;

/// The largest event.
const MOST_BYTES: usize = 32 << 20;

/// The events of one answer, in order.
#[derive(Debug)]
pub struct Events {
    response: Response,
    held: Vec<u8>,
}

impl Events {
    /// The events in this response.
    pub fn new(response: Response) -> Self {
        Self { response, held: Vec::new() }
    }

    /// The next event's name and data; `None` at the end. Safe to drop while it waits: nothing read is lost.
    pub async fn next(&mut self) -> Result<Option<(String, Value)>, String> {
        loop {
            if let Some(end) = self.held.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.held.drain(..end + 2).collect();
                return read(&event).map(Some);
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.held.extend_from_slice(&chunk),
                Ok(None) if self.held.is_empty() => return Ok(None),
                Ok(None) => return Err("the stream ended in the middle".into()),
                Err(error) => return Err(error.to_string()),
            }
            if self.held.len() > MOST_BYTES {
                return Err("an event is too large".into());
            }
        }
    }
}

fn read(event: &[u8]) -> Result<(String, Value), String> {
    let text = std::str::from_utf8(event).map_err(|e| e.to_string())?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = field("data").ok_or("an event without data")?;
    let data = serde_json::from_str(data).map_err(|e| e.to_string())?;
    Ok((field("event").unwrap_or("message").to_owned(), data))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn an_event_is_a_name_and_json() {
        assert_eq!(read(b"event: part\ndata: {\"number\":0}\n\n"), Ok(("part".into(), json!({"number": 0}))));
        assert!(read(b"event: part\n\n").is_err());
    }
}
