//! Bodies of several parts, read as they come: what is large is handed on in chunks, what is text is held within limits.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use multer::{Constraints, Field, Multipart, SizeLimit};
use sederunt_core::error::{Error, Reason};
use tokio::time::{Instant, timeout_at};

use crate::asked::Asked;
use crate::failure::{Failure, INVALID};

/// What an error names when the body did not come in time.
const LATE: &str = "time of the body";

/// The slowest that a body may come on the whole, in bytes a second.
const SLOWEST: u64 = 32 << 10;

/// The most parts of one body.
const PARTS: usize = 128;

/// The parts of a body.
pub(crate) struct Parts {
    form: Multipart<'static>,
    /// How many more there may be.
    left: usize,
    /// How many more bytes of text there may be.
    text: usize,
}

/// A part. The next one is read when this one is gone.
#[derive(Debug)]
pub(crate) struct Part(Field<'static>);

impl Parts {
    /// The parts of a request's body, of at most so many bytes together.
    pub fn of(asked: &mut Asked, most: u64) -> Result<Self, Failure> {
        let (pause, text) = (asked.settings().body_timeout, asked.settings().body_limit);
        let boundary = asked.header("content-type").and_then(|kind| multer::parse_boundary(kind).ok());
        let boundary = boundary.ok_or_else(|| Failure::new(400, INVALID, "The content type has no boundary."))?;
        let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(most));
        let body = content(asked.take_body(), pause, pause + Duration::from_secs(most / SLOWEST));
        Ok(Self { form: Multipart::with_constraints(body, boundary, limits), left: PARTS, text })
    }

    /// The next part. What was not read of the one before is skipped.
    pub async fn next(&mut self) -> Result<Option<Part>, Failure> {
        let Some(field) = self.form.next_field().await.map_err(read_failed)? else { return Ok(None) };
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Failure::new(400, INVALID, format!("The body has more than {PARTS} parts.")))?;
        Ok(Some(Part(field)))
    }

    /// The whole of a part as text.
    pub async fn text(&mut self, part: Part) -> Result<String, Failure> {
        let (name, mut field) = (part.name().to_owned(), part.0);
        let mut text = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(read_failed)? {
            self.text = self
                .text
                .checked_sub(chunk.len())
                .ok_or_else(|| Failure::new(413, INVALID, "The parts of the body that are no files are too large."))?;
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).map_err(|_| Failure::invalid(name.as_str(), format!("{name} is not UTF-8")))
    }

    /// Reads on to the end, within the limits, and drops what comes: a client that does not listen before it has sent all
    /// would meet a broken connection in place of the answer.
    pub async fn skim(mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }
}

impl Part {
    /// Its name; empty if it has none.
    pub fn name(&self) -> &str {
        self.0.name().unwrap_or_default()
    }

    /// The name of the file that it is, as it was given.
    pub fn file_name(&self) -> Option<&str> {
        self.0.file_name()
    }

    /// Its media type, if it says.
    pub fn media_type(&self) -> Option<String> {
        self.0.content_type().map(ToString::to_string)
    }

    /// Its bytes.
    pub fn content(self) -> BoxStream<'static, Result<Bytes, Error>> {
        self.0.map(|chunk| chunk.map_err(broken)).boxed()
    }
}

/// The failure of a body that was not good for what was made of it.
pub(crate) fn refused(error: Error) -> Failure {
    match &error {
        Error::Invalid { param, .. } if param == LATE => {
            Failure::new(408, "request_timeout", "The body did not arrive in time.")
        }
        _ => error.into(),
    }
}

/// The body's bytes: an error if it pauses for longer than `pause`, takes longer than `whole`, or breaks off.
fn content(body: Body, pause: Duration, whole: Duration) -> BoxStream<'static, Result<Bytes, Error>> {
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

fn read_failed(error: multer::Error) -> Failure {
    refused(broken(error))
}

/// What went wrong with the body, or in its form.
fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::malformed("body", other.to_string()),
        },
        multer::Error::StreamSizeExceeded { limit } => Error::invalid("body", Reason::TooLarge(limit)),
        other => Error::malformed("body", other.to_string()),
    }
}
