//! The edge around a dialect's routes: request id, span, metrics, cross-origin answers, rate limits, and what is
//! answered when a handler panics. One layer, so that a request passes one box more and no others.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::MatchedPath;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use sederunt_core::id::Ids;
use tower::{Layer, Service};
use tracing::Instrument;

use crate::cors::{self, Cors};
use crate::credential::{Credential, credential};
use crate::leftover;
use crate::limit::{Admission, Limiter};
use crate::metrics::{Metrics, Operation};
use crate::observed::Observed;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const HINT: HeaderName = HeaderName::from_static("sederunt-hint");

/// A request's id: the caller's `x-request-id` if it can be used, else ours. In the span, in the answer's headers and
/// in the request's extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub HeaderValue);

/// Puts a hint for people beside an answer whose body belongs to the vendor's shape.
pub fn hint<B>(response: &mut Response<B>, text: &'static str) {
    response.headers_mut().insert(HINT, HeaderValue::from_static(text));
}

/// An answer without a body.
pub fn status_only(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What a dialect answers, to the request of this id, where the edge answers in its stead.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// A handler panicked: 500 in the dialect's shape.
    pub panicked: fn(request_id: &str) -> Response<Body>,
    /// Over the rate: 429 in the dialect's shape; the edge adds `Retry-After`.
    pub too_many: fn(request_id: &str) -> Response<Body>,
}

impl Default for Refusals {
    /// Statuses without a body.
    fn default() -> Self {
        Self {
            panicked: |_| status_only(StatusCode::INTERNAL_SERVER_ERROR),
            too_many: |_| status_only(StatusCode::TOO_MANY_REQUESTS),
        }
    }
}

/// What stands around a dialect's routes.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The dialect's name, for spans and metrics.
    pub dialect: &'static str,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// What the dialect answers where the edge must.
    pub refusals: Refusals,
    /// Rate limits, if any.
    pub limiter: Option<Limiter>,
    /// Cross-origin answers, if any.
    pub cors: Option<Cors>,
    /// Makes request ids.
    pub request_ids: RequestIds,
}

impl Edge {
    /// The edge as a layer.
    pub fn layer(self) -> EdgeLayer {
        EdgeLayer(Arc::new(self))
    }

    /// Answers what needs no handler: preflights, and requests over the rate.
    fn refuse(&self, request: &Request<Body>, request_id: &str) -> Result<Option<Admission>, Box<Response<Body>>> {
        if let Some(preflight) = self.cors.as_ref().and_then(|cors| cors.preflight(request)) {
            return Err(Box::new(preflight));
        }
        let (Some(limiter), Credential::Secret(secret)) = (&self.limiter, credential(request.headers())) else {
            return Ok(None);
        };
        limiter.admit(secret, Instant::now()).map(Some).map_err(|wait| {
            let mut response = (self.refusals.too_many)(request_id);
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
            Box::new(response)
        })
    }
}

/// Seconds, rounded up, at least one: who waits less would be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// An [`Edge`] as a tower layer.
#[derive(Clone, Debug)]
pub struct EdgeLayer(Arc<Edge>);

impl<S> Layer<S> for EdgeLayer {
    type Service = Edged<S>;

    fn layer(&self, inner: S) -> Edged<S> {
        Edged { edge: self.0.clone(), inner }
    }
}

/// A service with an edge around it.
#[derive(Clone, Debug)]
pub struct Edged<S> {
    edge: Arc<Edge>,
    inner: S,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Edged<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let began = Instant::now();
        let edge = self.edge.clone();
        let id = edge.request_ids.of(request.headers());
        let operation = Operation::new(request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
        // At the default level there is no span: writing one costs more than routing the request does. What fails here says
        // itself which request it was.
        let span = tracing::debug_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            dialect = edge.dialect,
            operation = %operation
        );
        let origin = edge.cors.as_ref().and_then(|cors| cors.origin(request.headers()));
        let leftover = leftover::watch(&mut request);
        let (admission, handled) = match edge.refuse(&request, id.to_str().unwrap_or_default()) {
            Ok(admission) => {
                request.extensions_mut().insert(RequestId(id.clone()));
                (admission, Ok(AssertUnwindSafe(self.inner.call(request)).catch_unwind()))
            }
            Err(refusal) => {
                drop(request);
                (None, Err(refusal))
            }
        };
        let answer = async move {
            let response = match handled {
                Err(refusal) => *refusal,
                Ok(handling) => match handling.await {
                    Ok(Ok(response)) => response,
                    Err(panic) => {
                        let (id, panic) = (id.to_str().unwrap_or_default(), said(panic.as_ref()));
                        tracing::error!(id, %operation, panic, "a handler panicked");
                        (edge.refusals.panicked)(id)
                    }
                },
            };
            if let Some(leftover) = leftover {
                leftover.discard().await;
            }
            let mut response = response.map(|body| {
                let is_stream = !body.is_end_stream() && body.size_hint().exact().is_none();
                if is_stream { Body::new(Observed::new(body, &edge.metrics, began, admission)) } else { body }
            });
            if response.status().is_server_error() {
                let (id, status) = (id.to_str().unwrap_or_default(), response.status().as_u16());
                tracing::warn!(id, dialect = edge.dialect, %operation, status, "a request failed");
            }
            response.headers_mut().insert(REQUEST_ID, id);
            if let Some(origin) = origin {
                cors::allow(response.headers_mut(), origin);
            }
            let took = began.elapsed();
            tracing::debug!(status = response.status().as_u16(), took_us = took.as_micros() as u64, "answered");
            edge.metrics.answered(edge.dialect, operation, response.status(), took);
            Ok(response)
        };
        Box::pin(answer.instrument(span))
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("nothing")
}

/// Makes request ids of 32 hexadecimal digits: a random start for each process, then a count, since a draw of chance for
/// each request costs more than all else that the edge does.
#[derive(Clone, Debug)]
pub struct RequestIds {
    process: u32,
    next: Arc<AtomicU64>,
}

impl RequestIds {
    /// Ids that begin with a part that this process draws.
    pub fn new(ids: &Ids) -> Self {
        Self { process: ids.random_uuid().as_fields().0, next: Arc::default() }
    }

    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let usable =
            |value: &&HeaderValue| (1..=64).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
        headers.get(REQUEST_ID).filter(usable).cloned().unwrap_or_else(|| self.next())
    }

    fn next(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_maybe_shared(format!("{:08x}{number:024x}", self.process))
            .unwrap_or(HeaderValue::from_static("unnumbered"))
    }
}
