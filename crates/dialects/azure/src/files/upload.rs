//! `PUT …/files/content?path`: 201 with `{path,bytes_written}`. The body goes to its place as it comes, whatever its
//! content type; what was there before is replaced once all of it has come.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::StatusCode;
use http_body::Body as _;
use sederunt_core::error::{Error, Reason, Result};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::{At, refusal};
use crate::answer::json_with;
use crate::asked::Asked;
use crate::operation::Answer;

/// What an error names when the body did not come in time.
pub(super) const LATE: &str = "time of the body";

/// The slowest that a body may come on the whole, in bytes a second.
const SLOWEST: u64 = 32 << 10;

pub(super) async fn upload(mut asked: Asked) -> Answer {
    let at = At::of(&asked, asked.query.get("path")).await?;
    let (most, pause) = (asked.settings().file_size, asked.settings().body_timeout);
    let body = asked.take_body();
    if body.size_hint().lower() > most {
        if asked.header("expect").is_none() {
            skim(body, most, pause).await;
        }
        return Err(refusal::too_large(most));
    }
    let content = content(body, pause, pause + Duration::from_secs(most / SLOWEST));
    let written = asked.app().files().put(&asked.caller, at.file(), content, most).await.map_err(refusal::refused)?;
    Ok(json_with(StatusCode::CREATED, &json!({"path": at.path.to_string(), "bytes_written": written})))
}

/// The body's bytes: an error if it pauses for longer than `pause`, takes longer than `whole`, or breaks off.
fn content(body: Body, pause: Duration, whole: Duration) -> BoxStream<'static, Result<Bytes>> {
    let end = Instant::now() + whole;
    let next = move |mut body: axum::body::BodyDataStream| async move {
        match timeout_at(end.min(Instant::now() + pause), body.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some((chunk, body))),
            Ok(Some(Err(_))) => Err(Error::malformed("body", "the body cannot be read to its end")),
            Err(_) => Err(Error::invalid(LATE, Reason::NotAllowed("the body did not arrive in time".into()))),
        }
    };
    stream::try_unfold(body.into_data_stream(), next).boxed()
}

/// Reads and drops some of a body that is too large: a client that does not listen before it has sent all would meet a
/// broken connection in place of the answer.
async fn skim(body: Body, most: u64, time: Duration) {
    let mut chunks = body.into_data_stream();
    let reading = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            read += chunk.len() as u64;
            if read > most {
                return;
            }
        }
    };
    // Whether it came or not, the answer is the same.
    timeout(time, reading).await.ok();
}
