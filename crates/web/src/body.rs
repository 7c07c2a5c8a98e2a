//! Reading a request's body whole: no larger than allowed, no slower than allowed.
//!
//! What is refused for its size is still taken off the wire, within bounds: a client that writes all before it reads
//! would otherwise meet a closed connection in place of the answer.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sederunt_core::error::Ignore;
use tokio::time::timeout;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The client went away, or sent what is not a body.
    Broken,
}

/// How much of a refused body is taken off the wire and dropped, in bytes.
const DISCARDED: usize = 64 << 20;

/// The whole body: at most `most` bytes, within `time`. As long again may be spent on dropping what is refused.
pub async fn read_body(mut body: Body, most: usize, time: Duration) -> Result<Bytes, BodyError> {
    // What announces itself as too large is not kept for a moment.
    let announced = body.size_hint().lower() > most as u64;
    let read = match announced {
        true => Err(BodyError::TooLarge),
        false => match timeout(time, Limited::new(&mut body, most).collect()).await {
            Err(_) => Err(BodyError::TooSlow),
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Ok(Err(_)) => Err(BodyError::Broken),
        },
    };
    if read == Err(BodyError::TooLarge) {
        timeout(time, discard(body)).await.ignore("what is refused need not arrive");
    }
    read
}

/// Reads to the end, or as far as [`DISCARDED`] goes.
async fn discard(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > DISCARDED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_whole_or_refused_with_its_reason() {
        let second = Duration::from_secs(1);
        let read = |body: Body| read_body(body, 4, second);
        assert_eq!(read(Body::from("1234")).await, Ok(Bytes::from_static(b"1234")));
        assert_eq!(read(Body::from("12345")).await, Err(BodyError::TooLarge));
        let chunks = || stream::iter(["123", "45"].map(|c| Ok::<_, std::io::Error>(Bytes::from(c))));
        assert_eq!(read(Body::from_stream(chunks())).await, Err(BodyError::TooLarge));
        assert_eq!(
            read(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).await,
            Err(BodyError::TooSlow)
        );
        // What follows the limit is read and dropped, and does not hold up the answer for ever.
        let (sender, rest) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let rest = stream::unfold(rest, |mut rest| async { rest.recv().await.map(|chunk| (chunk, rest)) });
        let writes = async move {
            for _ in 0..3 {
                sender.send(Ok(Bytes::from_static(b"12345"))).await.expect("the reader goes on");
            }
        };
        assert_eq!(tokio::join!(read(Body::from_stream(rest)), writes).0, Err(BodyError::TooLarge));
        let stuck = stream::iter([Ok::<_, std::io::Error>(Bytes::from("12345"))]).chain(stream::pending());
        assert_eq!(read(Body::from_stream(stuck)).await, Err(BodyError::TooLarge));
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken)).await, Err(BodyError::Broken));
    }
}
