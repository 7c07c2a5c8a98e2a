//! The tail: requests as they are answered, for whoever watches. It costs a request one look at a counter while nobody
//! does, and nobody ever waits for a watcher: one that is too slow misses some, and is told how many.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
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
pub struct Tail(broadcast::Sender<Answered>);

impl Default for Tail {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Tail {
    /// `inner`, whose answers are told.
    pub fn around<S>(&self, inner: S) -> Tapped<S> {
        Tapped { tail: self.clone(), inner }
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
        if self.tail.0.receiver_count() == 0 {
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
            _ = tail.0.send(answered);
            Ok(response)
        };
        Either::Right(told.boxed())
    }
}

/// Streams answers until the watcher goes away or the server is told to end.
pub(super) async fn watch(State(control): State<Control>, Admin(_): Admin) -> Response {
    let answers = control.0.tail.0.subscribe();
    let first = stream::once(async { event("open", &json!({})) });
    let rest = stream::unfold((control, answers), |(control, mut answers)| async {
        let answer = tokio::select! {
            biased;
            () = control.0.shutdown.soft.cancelled() => return None,
            answer = answers.recv() => answer,
        };
        let told = match answer {
            Ok(answer) => {
                #[derive(Serialize)]
                struct Told {
                    at: Stamp,
                    #[serde(flatten)]
                    answer: Answered,
                }
                event("answered", &Told { at: Stamp(control.app().ports().timer.wall()), answer })
            }
            Err(RecvError::Lagged(count)) => event("missed", &json!({"count": count})),
            Err(RecvError::Closed) => return None,
        };
        Some((told, (control, answers)))
    });
    events(first.chain(rest).map(|event: Bytes| event).boxed())
}
