//! A Chat Completions server that knows when its first piece of an answer went out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What it thinks before it speaks.
const THINKS: Duration = Duration::from_millis(10);
/// Pieces of an answer.
const PIECES: usize = 5;

/// A running upstream.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    spoke: Spoke,
    _runtime: Runtime,
}

type Spoke = Arc<Mutex<Option<Instant>>>;

impl Upstream {
    /// Starts it on a thread of its own, which ends when this is dropped.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let spoke = Spoke::default();
        let listener = runtime.block_on(async { sederunt_web::bind(([127, 0, 0, 1], 0).into()) })?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let routes = Router::new().route("/v1/chat/completions", post(answer)).with_state(spoke.clone());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address, spoke, _runtime: runtime })
    }

    /// When the first piece of the last answer went out.
    pub fn spoke(&self) -> Option<Instant> {
        self.spoke.lock().ok().and_then(|mut spoke| spoke.take())
    }
}

async fn answer(State(spoke): State<Spoke>) -> impl IntoResponse {
    let pieces = stream::unfold(0, move |number| {
        let spoke = spoke.clone();
        async move {
            let text = match number {
                0 => event(&json!({"role": "assistant", "content": ""}), None),
                1..=PIECES => {
                    if number == 1 {
                        tokio::time::sleep(THINKS).await;
                        if let Ok(mut spoke) = spoke.lock() {
                            *spoke = Some(Instant::now());
                        }
                    }
                    event(&json!({"content": "word "}), None)
                }
                n if n == PIECES + 1 => event(&json!({}), Some("stop")),
                n if n == PIECES + 2 => "data: [DONE]\n\n".to_owned(),
                _ => return None,
            };
            Some((Ok::<_, Infallible>(Bytes::from(text)), number + 1))
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces))
}

fn event(delta: &Value, stop: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench",
        "choices": [{"index": 0, "delta": delta, "finish_reason": stop}],
    });
    format!("data: {chunk}\n\n")
}
