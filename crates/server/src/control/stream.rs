//! Server-sent events: a name and JSON each. A running turn is `turn` with its id, then a `part` for each part; the last
//! part is the turn's end.

use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, header};
use sederunt_core::engine::PartReader;
use sederunt_core::id::TurnId;
use sederunt_web::stream_body;
use serde::Serialize;
use serde_json::json;

/// Streams the turn's parts until it ends, or the client goes away; the turn runs on in that case.
pub(super) fn parts(turn: TurnId, parts: PartReader) -> Response {
    let first = stream::once(async move { event("turn", &json!({"id": turn})) });
    let rest = stream::unfold(parts, |mut parts| async {
        let part = parts.next().await?;
        Some((event("part", &part), parts))
    });
    events(first.chain(rest).boxed())
}

/// An answer of events, each written as it comes.
pub(super) fn events(events: BoxStream<'static, Bytes>) -> Response {
    let mut response = Response::new(stream_body(events.map(Ok).boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One event.
pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    // What is streamed are maps with text keys, which JSON can always say.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".into());
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
