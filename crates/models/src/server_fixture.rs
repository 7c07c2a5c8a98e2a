//! A model server for tests: it gives its answers in order and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::task::JoinSet;

/// What the server does with one request.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub pieces: Vec<Bytes>,
    pub end: End,
}

/// How an answer ends.
#[derive(Clone, Copy)]
pub enum End {
    Whole,
    Cut,
    Silence,
}

/// A stream of these events' data, whole.
pub fn streams(events: &[&str]) -> Answer {
    let pieces = events.iter().map(|data| Bytes::from(format!("data: {data}\n\n"))).collect();
    Answer { status: 200, headers: vec![("content-type", "text/event-stream")], pieces, end: End::Whole }
}

/// A JSON answer that is no stream.
pub fn refuses(status: u16, body: &'static str) -> Answer {
    let headers = vec![("content-type", "application/json"), ("retry-after-ms", "1")];
    Answer { status, headers, pieces: vec![Bytes::from(body)], end: End::Whole }
}

/// What the server was asked.
pub struct Asked {
    /// The method and the path with its query, such as `POST /v1/responses`.
    pub line: String,
    pub headers: HeaderMap,
    /// The body; `Null` if it is no JSON.
    pub body: Value,
}

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

/// A server that gives its answers in order; its tasks end when it is dropped.
pub struct Server {
    script: Arc<Script>,
    /// Its root, without a slash at the end.
    pub url: String,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
        let app = axum::Router::new().fallback(answer).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { script, url, _tasks: tasks }
    }

    pub fn times_asked(&self) -> usize {
        self.script.asked.lock().unwrap().len()
    }

    /// The first request that was not looked at yet.
    pub fn asked(&self) -> Asked {
        self.script.asked.lock().unwrap().remove(0)
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response<Body> {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    script.asked.lock().unwrap().push(Asked { line, headers, body: serde_json::from_slice(&body).unwrap_or_default() });
    let answer = script.answers.lock().unwrap().pop_front().expect("the server is asked no oftener than expected");
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let pieces = stream::iter(answer.pieces.into_iter().map(Ok));
    let end = match answer.end {
        End::Whole => stream::empty().boxed(),
        // The pause lets the pieces before it out.
        End::Cut => stream::once(async {
            tokio::task::yield_now().await;
            Err(std::io::Error::other("cut"))
        })
        .boxed(),
        End::Silence => stream::pending().boxed(),
    };
    response.body(Body::from_stream(pieces.chain(end))).unwrap()
}
