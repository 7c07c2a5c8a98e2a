//! The stream's body: frames as they are told, comments while nothing is.
//!
//! A frame is `data: `, JSON on one line, and an empty line, without `id:`: the vendor's SDK makes an empty event of any blank
//! line after one. It decodes each piece that the network brings by itself, so that what is not ASCII is escaped
//! (`vectara` 0.4.3).

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderName, HeaderValue, StatusCode, header};
use sederunt_web::stream_body;
use serde_json::Value;
use tokio::sync::mpsc;

/// The comment that says that a stream lives.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keepalive\n\n");

/// How many pieces may wait for the network before the telling does.
const AHEAD: usize = 16;

/// Where frames are told.
#[derive(Clone, Debug)]
pub(super) struct Out(mpsc::Sender<Bytes>);

/// Nobody listens any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unheard;

impl Out {
    /// Tells frames; waits while too many are on their way.
    pub async fn tell(&self, frames: &[Value]) -> Result<(), Unheard> {
        if frames.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for frame in frames {
            write(frame, &mut text);
        }
        self.0.send(text.into()).await.map_err(|_| Unheard)
    }
}

/// Appends a frame.
fn write(frame: &Value, text: &mut String) {
    text.push_str("data: ");
    let json = frame.to_string();
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // A text takes whatever is written to it.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push_str("\n\n");
}

/// 201 with the frames that `tell` tells. It goes on only while somebody listens.
pub(super) fn respond<F, Fut>(keep_alive: Duration, tell: F) -> Response
where
    F: FnOnce(Out) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let telling: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(tell(Out(sender)));
    let chunks = stream::unfold((Some(telling), receiver), move |(mut telling, mut receiver)| async move {
        loop {
            let told = async {
                match &mut telling {
                    Some(telling) => telling.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                chunk = receiver.recv() => return Some((Ok(chunk?), (telling, receiver))),
                () = told => telling = None,
                () = tokio::time::sleep(keep_alive) => return Some((Ok(KEEP_ALIVE), (telling, receiver))),
            }
        }
    });
    let mut response = Response::new(stream_body(chunks.boxed()));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::CONTENT_TYPE, "text/event-stream");
    put(header::CACHE_CONTROL, "no-cache");
    put(HeaderName::from_static("x-accel-buffering"), "no");
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_not_ascii_is_escaped() {
        let mut text = String::new();
        write(&json!({"content": "é 🙂 שלום\n"}), &mut text);
        let escaped = r#"{"content":"\u00e9 \ud83d\ude42 \u05e9\u05dc\u05d5\u05dd\n"}"#;
        assert_eq!(text, format!("data: {escaped}\n\n"));
    }

    proptest! {
        #[test]
        fn a_frame_is_one_line_of_ascii_and_says_the_same(content in ".*") {
            let frame = json!({"type": "streaming_agent_output", "content": content});
            let mut text = String::new();
            write(&frame, &mut text);
            let line = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
            prop_assert!(line.is_ascii() && !line.contains(['\n', '\r']));
            prop_assert_eq!(serde_json::from_str::<Value>(line).unwrap(), frame);
        }
    }
}
