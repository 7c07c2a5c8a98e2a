//! Reading a request's body whole: no larger than allowed, no slower than allowed.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};

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

/// The whole body: at most `most` bytes, within `time`.
pub async fn read_body(body: Body, most: usize, time: Duration) -> Result<Bytes, BodyError> {
    // What announces itself as too large is refused before a byte of it is read.
    if body.size_hint().lower() > most as u64 {
        return Err(BodyError::TooLarge);
    }
    match tokio::time::timeout(time, Limited::new(body, most).collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

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
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken)).await, Err(BodyError::Broken));
    }
}
