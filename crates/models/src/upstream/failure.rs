//! What a server's refusal means: which fault it is, and whether asking again may help. A model server's own words go to
//! the log only; they may quote keys and prompts. Those of the user's own agent may be told.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sederunt_core::error::{FaultKind, Ignore, ModelFault};
use serde_json::Value;
use tokio::time::timeout;

/// How much of a server's words the log or a caller gets, in bytes.
pub const MAX_DETAIL: usize = 2048;
/// How much of an error's body is read, in bytes.
const MAX_BODY: usize = 64 << 10;

/// What OpenAI, vLLM, SGLang, llama.cpp, Ollama, LiteLLM and others say of a conversation that is too long.
const TOO_LARGE: [&str; 15] = [
    "context_length_exceeded",
    "exceed_context_size",
    "contextwindowexceeded",
    "maximum context length",
    "maximum model length",
    "max_model_len",
    "exceeds the available context size",
    "exceeds the context",
    "exceeds the model's context",
    "longer than the model's context",
    "than the context length",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "context window",
];

/// Why an attempt did not lead to a stream.
#[derive(Debug)]
pub struct Failure {
    pub fault: ModelFault,
    /// Whether another attempt may fare better.
    pub again: bool,
    /// How long the server asks to wait.
    pub asked: Option<Duration>,
}

impl Failure {
    /// A failure that another attempt would not mend.
    pub fn final_(fault: ModelFault) -> Self {
        Self { fault, again: false, asked: None }
    }

    /// The request did not get through, as far as we know. An `agent` may have begun to work by then, unless it could not
    /// be reached at all.
    pub fn unsent(error: reqwest::Error, agent: bool) -> Self {
        let again = if agent { error.is_connect() } else { !error.is_builder() && !error.is_redirect() };
        Self { fault: FaultKind::Unavailable.with(told(error)), again, asked: None }
    }
}

/// An HTTP client's error with its causes, but without the address, whose query may carry a key.
pub fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What `response`, which is not a stream, means. An `agent`'s own words are told, and what it failed at is not asked for
/// again.
pub async fn of(mut response: reqwest::Response, patience: Duration, agent: bool) -> Failure {
    let status = response.status();
    let asked = asked(response.headers());
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(bytes)) = response.chunk().await {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_BODY {
                break;
            }
        }
    };
    timeout(patience, read).await.ignore("the status has been said; the words are for the log");
    let text = String::from_utf8_lossy(&body);
    let lower = text.to_lowercase();
    let detail = format!("HTTP {}: {}", status.as_u16(), cut(&text, MAX_DETAIL));

    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    // A quota that is used up does not come back by waiting.
    let again = (limited && !lower.contains("insufficient_quota"))
        || status == StatusCode::REQUEST_TIMEOUT
        || (status.is_server_error()
            && !is_too_large(&lower)
            && !(agent && status == StatusCode::INTERNAL_SERVER_ERROR));
    let kind = match status.as_u16() {
        429 => FaultKind::RateLimited,
        401 | 403 | 404 => FaultKind::Unavailable,
        413 => FaultKind::ContextTooLarge,
        200..300 => match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(told)) if told.contains_key("error") => return Failure::final_(in_stream(&text)),
            _ => FaultKind::BrokenStream,
        },
        400.. if is_too_large(&lower) => FaultKind::ContextTooLarge,
        400.. if is_refusal(&lower) => FaultKind::Refused,
        408 | 500.. | 300..400 => FaultKind::Unavailable,
        _ => FaultKind::Failed,
    };
    let words = agent.then(|| words(&body)).flatten();
    Failure { fault: ModelFault { message: words.unwrap_or_else(|| kind.to_string()), kind, detail }, again, asked }
}

/// What an error that comes as an event of the stream means.
pub fn in_stream(text: &str) -> ModelFault {
    named(text).unwrap_or(FaultKind::BrokenStream).with(cut(text, MAX_DETAIL))
}

/// The fault that an error's text names; `None` if it names none that we know.
pub fn named(text: &str) -> Option<FaultKind> {
    let lower = text.to_lowercase();
    match () {
        () if is_too_large(&lower) => Some(FaultKind::ContextTooLarge),
        () if is_refusal(&lower) => Some(FaultKind::Refused),
        () if lower.contains("rate_limit") => Some(FaultKind::RateLimited),
        () => None,
    }
}

/// An error body's message, for a caller.
fn words(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let message = body.pointer("/error/message").or_else(|| body.get("message"))?.as_str()?;
    (!message.is_empty()).then(|| cut(message, MAX_DETAIL).to_owned())
}

fn is_too_large(lower: &str) -> bool {
    TOO_LARGE.iter().any(|words| lower.contains(words))
}

fn is_refusal(lower: &str) -> bool {
    lower.contains("content_filter") || lower.contains("content_policy")
}

/// `Retry-After` in seconds (a date would need a clock that both sides share), or `retry-after-ms`.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    number("retry-after-ms").map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs))
}

/// The beginning of `text`, at most `most` bytes.
pub fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}
