//! `GET …/files/content?path`: the bytes of a file, streamed. A file that cannot be read to its end breaks the connection.

use futures_util::StreamExt as _;
use http::{HeaderValue, header};
use sederunt_web::{Broken, stream_body};

use super::{At, refusal};
use crate::asked::Asked;
use crate::operation::Answer;

pub(super) async fn download(asked: Asked) -> Answer {
    let at = At::of(&asked, asked.query.get("path")).await?;
    let blob = asked.app().files().get(&asked.caller, at.file()).await.map_err(refusal::refused)?;
    let request_id = asked.request_id;
    let content = blob.content.map(move |chunk| {
        chunk.map_err(|error| {
            tracing::error!(request_id, source = ?error, "a file cannot be read to its end");
            Broken
        })
    });
    let mut response = axum::response::Response::new(stream_body(content.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size));
    Ok(response)
}
