//! The accept loop and the edge over real sockets, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use sederunt_core::id::{Ids, SeededChance};
use sederunt_web::limit::Rates;
use sederunt_web::serve::{Drained, Limits};
use sederunt_web::{Broken, Edge, Metrics, Refusals, RequestIds, Shutdown, bind, serve, stream_body};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

struct Running {
    at: SocketAddr,
    shutdown: Shutdown,
    served: JoinHandle<Drained>,
}

fn limits() -> Limits {
    Limits {
        connections: Arc::new(Semaphore::new(8)),
        head_time: Duration::from_secs(30),
        head_bytes: 8192,
        drain: Duration::from_secs(30),
    }
}

fn run(routes: Router, limits: Limits) -> Running {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let served = TaskTracker::new().spawn(serve(listener, None, routes, limits, shutdown.clone()));
    Running { at, shutdown, served }
}

fn edge() -> Edge {
    Edge {
        dialect: "test",
        metrics: Metrics::default(),
        refusals: Refusals::default(),
        limiter: None,
        cors: None,
        request_ids: RequestIds::new(&Ids::new(Arc::new(SeededChance::new(1)))),
    }
}

async fn send(at: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is one way of closing.
    _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Reads until `text` has come.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(text) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed before {text} came");
    }
    String::from_utf8(bytes).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const CLOSING: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_stream_that_ends_well_has_a_final_chunk_and_a_broken_one_has_none() {
    let chunks = |end: Vec<Result<Bytes, Broken>>| {
        let first = [Ok(Bytes::from("one")), Ok(Bytes::from("two"))];
        stream_body(stream::iter(first.into_iter().chain(end)).boxed())
    };
    let well = run(Router::new().route("/", get(move || async move { chunks(vec![]) })), limits());
    let text = rest(send(well.at, CLOSING).await).await;
    assert!(text.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{text}");

    let broken = run(Router::new().route("/", get(move || async move { chunks(vec![Err(Broken)]) })), limits());
    let text = rest(send(broken.at, GET).await).await;
    assert!(text.ends_with("3\r\none\r\n3\r\ntwo\r\n"), "{text}");
}

#[tokio::test]
async fn each_part_of_a_stream_is_written_as_it_comes() {
    let (parts, receiver) = mpsc::channel::<Result<Bytes, Broken>>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let handler = move || async move {
        let receiver = receiver.lock().await.take().unwrap();
        stream_body(stream::unfold(receiver, |mut r| async { r.recv().await.map(|part| (part, r)) }).boxed())
    };
    let server = run(Router::new().route("/", get(handler)), limits());
    let mut client = send(server.at, GET).await;
    for part in ["one", "two", "three"] {
        parts.send(Ok(Bytes::from(part))).await.unwrap();
        until(&mut client, part).await;
    }
}

#[tokio::test]
async fn a_stop_lets_streams_end_and_takes_no_new_connections() {
    let (parts, receiver) = mpsc::channel::<Result<Bytes, Broken>>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let handler = move || async move {
        let receiver = receiver.lock().await.take().unwrap();
        stream_body(stream::unfold(receiver, |mut r| async { r.recv().await.map(|part| (part, r)) }).boxed())
    };
    let server = run(Router::new().route("/", get(handler)), limits());
    let mut idle = TcpStream::connect(server.at).await.unwrap();
    let mut client = send(server.at, GET).await;
    parts.send(Ok(Bytes::from("first"))).await.unwrap();
    until(&mut client, "first").await;

    server.shutdown.soft.cancel();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0, "an idle connection is closed at once");
    assert!(TcpStream::connect(server.at).await.is_err());
    parts.send(Ok(Bytes::from("last"))).await.unwrap();
    drop(parts);
    assert!(rest(client).await.ends_with("4\r\nlast\r\n0\r\n\r\n"));
    assert_eq!(server.served.await.unwrap(), Drained { broken_off: 0 });
}

#[tokio::test]
async fn what_outlasts_the_drain_time_is_broken_off_and_counted() {
    let handler = || async { stream_body(stream::pending().boxed()) };
    let limits = Limits { drain: Duration::from_millis(1), ..limits() };
    let server = run(Router::new().route("/", get(handler)), limits);
    let mut client = send(server.at, GET).await;
    until(&mut client, "200 OK").await;
    server.shutdown.soft.cancel();
    assert_eq!(server.served.await.unwrap(), Drained { broken_off: 1 });
    assert_eq!(rest(client).await.find("0\r\n\r\n"), None);
}

#[tokio::test]
async fn a_head_that_is_too_slow_or_too_large_is_not_waited_for() {
    let limits = Limits { head_time: Duration::from_millis(20), ..limits() };
    let server = run(Router::new().route("/", get(|| async { "fine" })), limits);
    assert_eq!(rest(send(server.at, "GET / HTTP/1.1\r\nhost:").await).await.find("200"), None);
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(10_000));
    assert!(rest(send(server.at, &large).await).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let limits = Limits { connections: Arc::new(Semaphore::new(1)), ..limits() };
    let server = run(Router::new().route("/", get(|| async { "fine" })), limits);
    let mut first = send(server.at, GET).await;
    until(&mut first, "fine").await;
    let second = send(server.at, CLOSING).await;
    drop(first);
    assert!(rest(second).await.ends_with("fine"));
}

#[tokio::test]
async fn a_panic_is_answered_in_the_dialects_own_words() {
    async fn panics() -> &'static str {
        panic!("on purpose")
    }
    let mut edge = edge();
    edge.refusals.panicked = |_| {
        let mut response = Response::new(Body::from("our fault"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    };
    let metrics = edge.metrics.clone();
    let server = run(Router::new().route("/{x}", get(panics)).layer(edge.layer()), limits());
    let text = rest(send(server.at, &CLOSING.replace("/ ", "/y ")).await).await;
    assert!(text.starts_with("HTTP/1.1 500") && text.ends_with("our fault"), "{text}");
    assert!(text.contains("x-request-id: "), "{text}");
    let counted = r#"sederunt_requests_total{dialect="test",operation="GET /{x}",status="500"} 1"#;
    assert!(metrics.render(0).contains(counted), "{}", metrics.render(0));
}

#[tokio::test]
async fn a_request_keeps_the_id_that_it_brings() {
    let server = run(Router::new().route("/", get(|| async { "fine" })).layer(edge().layer()), limits());
    let with = |id: &str| CLOSING.replace("host: x", &format!("host: x\r\nx-request-id: {id}"));
    assert!(rest(send(server.at, &with("mine-1")).await).await.contains("x-request-id: mine-1\r\n"));
    let overlong = "y".repeat(65);
    assert!(!rest(send(server.at, &with(&overlong)).await).await.contains(&overlong));
}

#[tokio::test]
async fn over_the_rate_is_429_before_any_handler_and_a_stream_counts_until_it_ends() {
    let (parts, receiver) = mpsc::channel::<Result<Bytes, Broken>>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let handler = move || async move {
        let receiver = receiver.lock().await.take().expect("a second request must not come here");
        stream_body(stream::unfold(receiver, |mut r| async { r.recv().await.map(|part| (part, r)) }).boxed())
    };
    let mut edge = edge();
    edge.limiter = Rates { per_minute: 0, at_once: 1 }.limiter();
    let server = run(Router::new().route("/", get(handler)).layer(edge.layer()), limits());
    let with_key = |text: &str| text.replace("host: x", "host: x\r\nx-api-key: k");
    let mut streaming = send(server.at, &with_key(GET)).await;
    until(&mut streaming, "200 OK").await;
    let refused = rest(send(server.at, &with_key(CLOSING)).await).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n") && refused.ends_with("\r\n\r\n"), "{refused}");
    drop(parts);
    until(&mut streaming, "0\r\n\r\n").await;
}
