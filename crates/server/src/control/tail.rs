//! The tail: requests as they are answered, for whoever watches. It costs a request one look at a counter while nobody
//! does, and nobody ever waits for a watcher: one that is too slow misses some, and is told how many.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::{BoxFuture, Either};
use futures_util::{FutureExt, StreamExt, stream};
use http::Request;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tower::Service;

use super::Control;
use super::extract::Admin;
use super::stream::{event, events};
use super::view::Stamp;

/// How many answers a watcher may be behind.
const BEHIND: usize = 256;
/// The longest path that is shown, in bytes.
const PATH: usize = 512;

/// Where answers are told.
#[derive(Clone, Debug)]
pub struct Tail(Arc<Told>);

#[derive(Debug)]
struct Told {
    answers: broadcast::Sender<Answered>,
    /// Counted here too: the channel's own count is behind a lock, which every request would take.
    watchers: AtomicUsize,
}

impl Default for Tail {
    fn default() -> Self {
        Self(Arc::new(Told { answers: broadcast::Sender::new(BEHIND), watchers: AtomicUsize::new(0) }))
    }
}

impl Tail {
    /// `inner`, whose answers are told.
    pub fn around<S>(&self, inner: S) -> Tapped<S> {
        Tapped { tail: self.clone(), inner }
    }

    fn watch(&self) -> Watcher {
        self.0.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher { tail: self.clone(), answers: self.0.answers.subscribe() }
    }

    fn is_watched(&self) -> bool {
        self.0.watchers.load(Ordering::Relaxed) > 0
    }
}

/// Somebody who watches; counted for as long as they do.
struct Watcher {
    tail: Tail,
    answers: broadcast::Receiver<Answered>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.tail.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that was answered. Its query is left out: secrets may be in it.
#[derive(Clone, Debug, Serialize)]
struct Answered {
    method: String,
    path: String,
    status: u16,
    /// From the request's head to its answer's, in milliseconds.
    took_ms: u64,
    request_id: Option<String>,
}

/// A service whose answers are told.
#[derive(Clone, Debug)]
pub struct Tapped<S> {
    tail: Tail,
    inner: S,
}

impl<S, B> Service<Request<B>> for Tapped<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.tail.is_watched() {
            return Either::Left(self.inner.call(request));
        }
        let began = Instant::now();
        let method = request.method().to_string();
        let path = request.uri().path();
        let path = path.get(..path.floor_char_boundary(PATH)).unwrap_or_default().to_owned();
        let tail = self.tail.clone();
        let answering = self.inner.call(request);
        let told = async move {
            let response = answering.await?;
            let id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
            let answered = Answered {
                method,
                path,
                status: response.status().as_u16(),
                took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                request_id: id.map(str::to_owned),
            };
            // An error only says that the last watcher has gone.
            _ = tail.0.answers.send(answered);
            Ok(response)
        };
        Either::Right(told.boxed())
    }
}

/// Streams answers until the watcher goes away or the server is told to end.
pub(super) async fn watch(State(control): State<Control>, Admin(_): Admin) -> Response {
    let watcher = control.0.tail.watch();
    let first = stream::once(async { event("open", &json!({})) });
    let rest = stream::unfold((control, watcher), |(control, mut watcher)| async {
        let answer = tokio::select! {
            biased;
            () = control.0.shutdown.soft.cancelled() => return None,
            answer = watcher.answers.recv() => answer,
        };
        let told = match answer {
            Ok(answer) => event("answered", &Line { at: Stamp(control.app().ports().timer.wall()), answer }),
            Err(RecvError::Lagged(count)) => event("missed", &json!({"count": count})),
            Err(RecvError::Closed) => return None,
        };
        Some((told, (control, watcher)))
    });
    events(first.chain(rest).boxed())
}

/// An answer as it is shown.
#[derive(Serialize)]
struct Line {
    at: Stamp,
    #[serde(flatten)]
    answer: Answered,
}
