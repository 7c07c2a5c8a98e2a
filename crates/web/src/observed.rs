//! A streamed body that tells the metrics when it is open and when its first chunk went out, and that keeps a rate
//! limit's admission until it has ended.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::limit::Admission;
use crate::metrics::{Metrics, OpenStream};

pub(crate) struct Observed {
    body: Body,
    metrics: Metrics,
    /// When the request came; `None` once the first chunk is out.
    began: Option<Instant>,
    _open: OpenStream,
    _admission: Option<Admission>,
}

impl Observed {
    pub(crate) fn new(body: Body, metrics: &Metrics, began: Instant, admission: Option<Admission>) -> Self {
        let open = metrics.stream();
        Self { body, metrics: metrics.clone(), began: Some(began), _open: open, _admission: admission }
    }
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Ok(_))))
            && let Some(began) = self.began.take()
        {
            self.metrics.first_chunk(began.elapsed());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
