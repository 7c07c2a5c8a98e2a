//! Two thousand malformed requests over raw sockets to a server in a process of its own: each gets a status that its
//! kind of fault is due, in the shape of the API that it was sent to and within its time, without a panic, and without
//! leaving memory behind.

mod requests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::requests::{Parts, Sent, malformed};
use crate::dice::Dice;
use crate::process::Process;

const REQUESTS: u64 = 2_000;

/// How many of them it takes until every cache, pool and thread that the server will ever have is there.
const WARM_UP: u64 = 500;

/// How much larger the process may be after the rest than after the first: 5.6 KB for each request. A body, a buffer or
/// a connection's task that stayed for each would be more; pages of the store's cache are less.
const GROWTH: u64 = 8 << 20;

/// The largest body that the server takes.
const BODY: usize = 64 << 10;

/// What the server gives a head or a body to arrive, and what a test waits beyond that.
const TIME: &str = "1s";
const LIMIT: Duration = Duration::from_secs(15);

/// What must come back.
#[derive(Clone, Copy)]
pub struct Due {
    /// One of these.
    statuses: &'static [u16],
    /// Or the end of the connection: what was sent is not HTTP.
    or_end: bool,
    shape: Shape,
}

impl Due {
    const fn one_of(statuses: &'static [u16], shape: Shape) -> Self {
        Self { statuses, or_end: false, shape }
    }

    const fn or_end(statuses: &'static [u16]) -> Self {
        Self { statuses, or_end: true, shape: Shape::Vendor }
    }
}

/// How an error looks.
#[derive(Clone, Copy)]
pub enum Shape {
    Vendor,
    Control,
    OAuth,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_malformed_requests_are_each_answered_as_they_must_and_leave_nothing_behind() {
    let body_size = format!("{}KiB", BODY >> 10);
    let server = Process::start(&[("HTTP_HEAD_TIME", TIME), ("HTTP_BODY_TIME", TIME), ("HTTP_BODY_SIZE", &body_size)]);
    let at: SocketAddr = server.ready.http.as_deref().unwrap().trim_start_matches("http://").parse().unwrap();
    let agent = server.ready.agents.iter().find(|agent| agent.key == "echo").unwrap().rid.clone();
    let sessions = format!("/api/v2/aipAgents/agents/{agent}/sessions");
    let session = server.ask(Method::POST, &format!("{sessions}?preview=true"), json!({})).await;
    let session = session["rid"].as_str().unwrap().to_owned();
    let parts = Parts { token: server.ready.users[0].token.clone(), agent, session: session.clone() };

    let (mut seen, mut wrong) = (BTreeMap::<_, BTreeMap<u16, u32>>::new(), Vec::new());
    let mut warm = 0;
    for seeds in [0..WARM_UP, WARM_UP..REQUESTS] {
        warm = server.resident();
        let tries = seeds.map(|seed| {
            let sent = malformed(&parts, &mut Dice::new(seed));
            async move { (seed, sent.kind, check(sent, at).await) }
        });
        let mut tries = stream::iter(tries).buffer_unordered(48);
        while let Some((seed, kind, result)) = tries.next().await {
            match result {
                Ok(status) => *seen.entry(kind).or_default().entry(status).or_default() += 1,
                Err(what) => wrong.push(format!("seed {seed}, {kind}: {what}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them, {}\n{seen:#?}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    let grown = server.resident().saturating_sub(warm);
    assert!(grown < GROWTH, "{} KiB more than after the first {WARM_UP}", grown >> 10);
    let statuses: BTreeSet<u16> = seen.values().flat_map(|statuses| statuses.keys().copied()).collect();
    let every = [400, 401, 404, 405, 413, 414, 415, 422, 431, 500];
    assert!(every.iter().all(|status| statuses.contains(status)), "the requests are too tame: {seen:#?}");
    assert!(!server.log().contains("panicked"), "{}", server.log());

    // It still serves.
    assert_eq!(server.ask(Method::GET, "/control/v1/status", json!({})).await["running_turns"], 0);
    let path = format!("{sessions}/{session}/blockingContinue?preview=true");
    let reply = server.ask(Method::POST, &path, json!({"userInput": {"text": "still there?"}})).await;
    assert_eq!(reply["agentMarkdownResponse"], "still there?");
}

/// Sends it, and holds what comes back against what is due. The status, or 0 if the connection ended; or what is wrong.
async fn check(sent: Sent, at: SocketAddr) -> Result<u16, String> {
    let told = tokio::time::timeout(LIMIT, exchange(&sent, at)).await;
    let told = told.map_err(|_| "neither answer nor end".to_owned())?;
    let Some((status, head, body)) = parse(&told) else {
        let end = sent.due.or_end && told.is_empty();
        return if end { Ok(0) } else { Err(format!("no answer but {:?}", String::from_utf8_lossy(&told))) };
    };
    if !sent.due.statuses.contains(&status) {
        return Err(format!(
            "{status} {body} to {:?}",
            String::from_utf8_lossy(&sent.bytes[..sent.bytes.len().min(600)])
        ));
    }
    if status < 400 {
        return Ok(status);
    }
    // What is no endpoint, or no HTTP at all, is answered without a body.
    if body.is_empty() && matches!(status, 400 | 404 | 405 | 414 | 431) {
        return Ok(status);
    }
    let json = head.contains("content-type: application/json");
    let body: Option<Value> = serde_json::from_str(body).ok().filter(|_| json);
    let body = body.ok_or_else(|| format!("{status} with {told:?}"))?;
    let whole = match sent.due.shape {
        Shape::Vendor => {
            ["errorCode", "errorName", "errorInstanceId", "parameters"].iter().all(|name| body.get(name).is_some())
        }
        Shape::Control => ["code", "message", "hint"].iter().all(|name| body["error"][name].is_string()),
        Shape::OAuth => body["error"].is_string(),
    };
    if whole { Ok(status) } else { Err(format!("{status} with {body}")) }
}

async fn exchange(sent: &Sent, at: SocketAddr) -> Vec<u8> {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut told = Vec::new();
    let write = async {
        // The server may have answered and hung up before it has read everything.
        _ = writer.write_all(&sent.bytes).await;
        if sent.closes {
            _ = writer.shutdown().await;
        }
    };
    let read = async {
        // A reset after the answer is one way of hanging up.
        _ = reader.read_to_end(&mut told).await;
    };
    tokio::join!(write, read);
    told
}

/// Status, head in lower case, and body of the first answer.
fn parse(told: &[u8]) -> Option<(u16, String, &str)> {
    let text = std::str::from_utf8(told).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_ascii_lowercase(), body))
}
