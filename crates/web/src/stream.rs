//! Streaming bodies that can end in two ways: cleanly, or by breaking the connection so that no client takes what came
//! for the whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use http_body::{Body as HttpBody, Frame};

/// The end of a stream that did not come to its end. Sent as the breaking of the connection: no final chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stream was broken off on purpose")
    }
}

impl std::error::Error for Broken {}

/// A body of chunks, each written as it comes. What came before a [`Broken`] is written out before the connection is.
pub fn stream_body(chunks: BoxStream<'static, Result<Bytes, Broken>>) -> Body {
    Body::new(Chunks { chunks, state: State::Open })
}

struct Chunks {
    chunks: BoxStream<'static, Result<Bytes, Broken>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The stream has broken; the server is given one turn to write out what it holds.
    Breaking,
    Over,
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.state {
            State::Open => match ready!(self.chunks.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Some(Err(Broken)) => {
                    self.state = State::Breaking;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                None => {
                    self.state = State::Over;
                    Poll::Ready(None)
                }
            },
            State::Breaking => {
                self.state = State::Over;
                Poll::Ready(Some(Err(Broken)))
            }
            State::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }
}
