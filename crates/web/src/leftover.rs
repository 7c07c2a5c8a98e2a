//! What a handler leaves unread of a request's body. It is taken off the wire, within bounds, before the answer is sent:
//! else the connection would have to be closed without a word, and a client that still writes, or that sends its next
//! request on it, would meet a broken connection in place of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use sederunt_core::error::Ignore as _;
use tokio::time::timeout;

/// The most that is read and dropped, in bytes.
const MOST: usize = 32 << 20;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a body comes back to when its reader drops it before its end.
#[derive(Debug)]
pub(crate) struct Leftover(Arc<Mutex<Option<Body>>>);

/// Has the request's body come back if it is not read to its end; `None` if there is none.
pub(crate) fn watch(request: &mut Request<Body>) -> Option<Leftover> {
    if http_body::Body::is_end_stream(request.body()) {
        return None;
    }
    let back = Arc::new(Mutex::new(None));
    let body = std::mem::replace(request.body_mut(), Body::empty());
    *request.body_mut() = Body::new(Lent { body, ended: false, back: back.clone() });
    Some(Leftover(back))
}

impl Leftover {
    /// Reads to the end of what came back, or as far as the bounds go.
    pub async fn discard(self) {
        let Some(mut body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let reading = async {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST {
                    return;
                }
            }
        };
        timeout(PATIENCE, reading).await.ignore("what nobody reads need not arrive");
    }
}

/// A body that comes back.
struct Lent {
    body: Body,
    ended: bool,
    back: Arc<Mutex<Option<Body>>>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.ended && !http_body::Body::is_end_stream(&self.body) {
            let body = std::mem::replace(&mut self.body, Body::empty());
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A request whose body counts the chunks that were taken from it.
    fn counting(taken: &Arc<AtomicUsize>) -> Request<Body> {
        let taken = taken.clone();
        let chunks = stream::iter(["one", "two", "three"]).map(move |chunk| {
            taken.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(chunk)
        });
        Request::new(Body::from_stream(chunks))
    }

    #[tokio::test]
    async fn what_is_not_read_is_taken_off_all_the_same() {
        let taken = Arc::new(AtomicUsize::new(0));
        let mut request = counting(&taken);
        let leftover = watch(&mut request).expect("there is a body");
        let mut body = request.into_body();
        assert!(body.frame().await.is_some());
        drop(body);
        leftover.discard().await;
        assert_eq!(taken.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_body_read_to_its_end_does_not_come_back() {
        let mut request = counting(&Arc::default());
        let leftover = watch(&mut request).expect("there is a body");
        assert_eq!(request.into_body().collect().await.expect("it reads").to_bytes(), "onetwothree");
        assert!(leftover.0.lock().expect("nobody panicked").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_in_vain_and_not_for_ever() {
        let mut request = Request::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        let leftover = watch(&mut request).expect("there is a body");
        drop(request);
        leftover.discard().await;
        assert!(watch(&mut Request::new(Body::empty())).is_none());
    }
}
