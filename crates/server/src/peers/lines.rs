//! Lines of JSON over HTTP, written with signs of life in between and read with a limit to silence.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryFutureExt as _};
use sederunt_core::error::{Error, Result};
use sederunt_web::{Broken, stream_body};
use serde::Serialize;

/// The longest line that is read, in bytes.
const LONGEST: usize = 64 << 20;

/// A value as a line.
pub(super) fn line(value: &impl Serialize) -> Result<Bytes, Broken> {
    let mut text = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "a line for another node cannot be written");
        Broken
    })?;
    text.push(b'\n');
    Ok(text.into())
}

/// A body of lines, taken from their source no faster than the reader reads; after `quiet` without one, an empty line.
pub(super) fn body(lines: BoxStream<'static, Result<Bytes, Broken>>, quiet: Duration) -> Body {
    let alive = stream::unfold(lines, move |mut lines| async move {
        match tokio::time::timeout(quiet, lines.next()).await {
            Ok(next) => next.map(|line| (line, lines)),
            Err(_) => Some((Ok(Bytes::from_static(b"\n")), lines)),
        }
    });
    stream_body(alive.boxed())
}

/// Reads the lines of an answer, the empty ones left out.
pub(super) struct Lines {
    pub(super) response: reqwest::Response,
    /// What was read beyond the last line.
    rest: BytesMut,
    /// How much of it is known to have no end of a line.
    searched: usize,
    silence: Duration,
}

impl Lines {
    /// Gives up after so much silence.
    pub(super) fn new(response: reqwest::Response, silence: Duration) -> Self {
        Self { response, rest: BytesMut::new(), searched: 0, silence }
    }

    /// The next line; `None` after the last. `Unavailable` if the node broke off, fell silent, or says too much.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(at) = self.rest.iter().skip(self.searched).position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                let line = line.slice(..line.len() - 1);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.rest.len();
            if self.rest.len() > LONGEST {
                return Err(Error::unavailable("the node says too much at once"));
            }
            let chunk = self.response.chunk().map_err(|error| away("the node broke off", error));
            match tokio::time::timeout(self.silence, chunk).await {
                Ok(Ok(Some(chunk))) => self.rest.extend_from_slice(&chunk),
                Ok(Ok(None)) if self.rest.is_empty() => return Ok(None),
                Ok(Ok(None)) => return Err(Error::unavailable("the node broke off within a line")),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::unavailable("the node fell silent")),
            }
        }
    }
}

/// A node that cannot be reached; `error` is for the log.
pub(super) fn away(reason: &str, error: reqwest::Error) -> Error {
    Error::Unavailable { reason: reason.into(), source: Some(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(5);

    /// What is read of an answer that comes in these chunks and then falls silent, or ends.
    async fn read(chunks: &[&'static str], ends: bool) -> Vec<Result<String, String>> {
        let chunks: Vec<Result<Bytes, std::io::Error>> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        let silence = stream::pending().take(usize::from(!ends));
        let body = reqwest::Body::wrap_stream(stream::iter(chunks).chain(silence));
        let mut lines = Lines::new(http::Response::new(body).into(), MOMENT);
        let mut read = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => read.push(Ok(String::from_utf8(line.to_vec()).unwrap())),
                Ok(None) => return read,
                Err(error) => {
                    read.push(Err(error.to_string()));
                    return read;
                }
            }
        }
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut_and_a_silence_or_a_cut_within_one_is_an_error() {
        let (ok, cut) = (|text: &str| Ok(text.to_owned()), |text: &str| Err(text.to_owned()));
        assert_eq!(read(&["1\n\n2", "2\n3\n", "\n"], true).await, [ok("1"), ok("22"), ok("3")]);
        assert_eq!(read(&["1\n2"], true).await, [ok("1"), cut("the node broke off within a line")]);
        assert_eq!(read(&["1\n", "\n"], false).await, [ok("1"), cut("the node fell silent")]);
        assert_eq!(read(&[], true).await, []);
    }

    #[tokio::test]
    async fn lines_are_taken_no_faster_than_they_are_read() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            line(&1)
        });
        let mut body = body(endless.boxed(), MOMENT).into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "1\n");
        tokio::time::sleep(MOMENT * 2).await;
        assert_eq!(taken.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn silence_is_filled_with_empty_lines() {
        let mut body = body(stream::pending().boxed(), MOMENT).into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "\n");
        assert_eq!(body.next().await.unwrap().unwrap(), "\n");
    }
}
