//! `GET …/sessions/{session_key}/artifacts/{artifact_id}`: an artifact with its bytes in Base64, encoded as they are read.

use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderValue, header};
use sederunt_core::agent::Agent;
use sederunt_core::artifact::Artifact;
use sederunt_core::error::{Error, Kind, Result};
use sederunt_web::{Broken, stream_body};
use serde_json::Value;

use super::view::{parse, view};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

pub(super) async fn get(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let name = asked.name("artifact_id");
    let missing = || Failure::from(Error::not_found(Kind::Blob, name));
    let id = parse(name).ok_or_else(missing)?;
    let (artifact, blob) = match asked.app().artifacts().get(&session, id).await {
        Err(Error::NotFound { kind: Kind::Blob, .. }) => return Err(missing()),
        found => found?,
    };
    let (head, tail) = around(&artifact);
    let length = head.len() as u64 + blob.size.div_ceil(3) * 4 + tail.len() as u64;
    let head = stream::iter([Ok(Bytes::from(head))]);
    let tail = stream::iter([Ok(Bytes::from_static(tail.as_bytes()))]);
    let request_id = asked.request_id;
    let content = head.chain(encoded(blob.content)).chain(tail).map(move |chunk| {
        chunk.map_err(|error| {
            tracing::error!(request_id, source = ?error, "an artifact cannot be read to its end");
            Broken
        })
    });
    let mut response = Response::new(stream_body(content.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// What stands before and after the Base64 in the JSON of an artifact.
fn around(artifact: &Artifact) -> (String, &'static str) {
    let mut head = Value::Object(view(artifact)).to_string();
    head.pop();
    head.push_str(r#","data":""#);
    (head, r#""}"#)
}

/// Bytes in Base64, chunk by chunk. Each chunk is whole groups of three bytes; what is left over waits for the next.
fn encoded(content: BoxStream<'static, Result<Bytes>>) -> BoxStream<'static, Result<Bytes>> {
    let next = |(mut content, mut left): (BoxStream<'static, Result<Bytes>>, Option<BytesMut>)| async move {
        let Some(mut bytes) = left.take() else { return Ok(None) };
        let ended = match content.next().await.transpose()? {
            Some(chunk) => {
                bytes.extend_from_slice(&chunk);
                false
            }
            None => true,
        };
        let whole = if ended { bytes.len() } else { bytes.len() - bytes.len() % 3 };
        let text = BASE64_STANDARD.encode(bytes.split_to(whole));
        Ok(Some((Bytes::from(text), (content, (!ended).then_some(bytes)))))
    };
    stream::try_unfold((content, Some(BytesMut::new())), next).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_of_any_size_encode_as_their_whole(chunks: Vec<Vec<u8>>) {
            let whole = chunks.concat();
            let content = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)))).boxed();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let text: BytesMut = runtime.block_on(encoded(content).try_collect()).unwrap();
            prop_assert_eq!(text.len() as u64, (whole.len() as u64).div_ceil(3) * 4);
            prop_assert_eq!(text, BASE64_STANDARD.encode(&whole));
        }
    }
}
