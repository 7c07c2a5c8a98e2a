//! Two thousand malformed requests over raw sockets: each is answered in the vendor's shape where an answer is due,
//! within its time, without a panic, and without leaving anything behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::dice::Dice;
use crate::harness::House;

const REQUESTS: u64 = 2_000;

/// What the server gives a head or a body to arrive, and what a test waits beyond that.
const TIME: &str = "1s";
const LIMIT: Duration = Duration::from_secs(15);

/// A request as it goes over the wire.
struct Sent {
    kind: &'static str,
    bytes: Vec<u8>,
    due: Due,
    /// Whether the client says that nothing more will come; else it stays silent.
    closes: bool,
}

/// What must come back.
#[derive(Clone, Copy, PartialEq)]
enum Due {
    /// An answer of the API.
    Answer,
    /// An answer, or the end of the connection: what was sent is not HTTP.
    AnswerOrEnd,
    /// An answer, which may be that the time was over.
    AnswerInTime,
    /// The answer to a sound request, whatever follows it.
    First,
}

/// What requests are made of.
struct Parts {
    token: String,
    agent: String,
    session: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_malformed_requests_are_each_answered_and_leave_nothing_behind() {
    let panics = count_panics();
    let settings = [("http.head_time", TIME), ("http.body_time", TIME), ("http.body_size", "1MiB")];
    let house = settings.iter().fold(House::new(), |plan, (key, value)| plan.set(key, value)).start().await;
    let at: SocketAddr = house.server().http.unwrap();
    let alice = house.alice();
    let agent = house.agent("echo").rid.clone();
    let sessions = format!("/api/v2/aipAgents/agents/{agent}/sessions");
    let session = alice.post(&format!("{sessions}?preview=true"), json!({})).await.json(200);
    let session = session["rid"].as_str().unwrap().to_owned();
    let parts = Parts { token: house.ready.users[0].token.clone(), agent, session: session.clone() };

    let tries = (0..REQUESTS).map(|seed| {
        let sent = malformed(&parts, &mut Dice::new(seed));
        async move { (seed, check(seed, sent, at).await) }
    });
    let mut tries = stream::iter(tries).buffer_unordered(48);
    let (mut seen, mut half) = (std::collections::BTreeMap::<_, u32>::new(), 0);
    let mut done = 0;
    while let Some((_, answered)) = tries.next().await {
        *seen.entry(answered).or_default() += 1;
        done += 1;
        if done == REQUESTS / 2 {
            half = resident();
        }
    }
    let grown = resident().saturating_sub(half);
    // Other tests run in this process meanwhile: this finds what is kept of every request, not a page here or there.
    assert!(grown < 96 << 20, "{} MiB more than after half of them", grown >> 20);
    assert_eq!(panics.load(Ordering::SeqCst), 0, "the server panicked");
    for status in [400, 401, 404, 405, 415, 422, 431] {
        assert!(seen.contains_key(&status), "no {status} among {seen:?}");
    }

    // It still serves.
    assert_eq!(house.app().running_turns(), 0);
    let path = format!("{sessions}/{session}/blockingContinue?preview=true");
    let reply = alice.post(&path, json!({"userInput": {"text": "still there?"}})).await.json(200);
    assert_eq!(reply["agentMarkdownResponse"], "still there?");
    house.stop().await;
}

/// Sends it, and holds what comes back against what is due. The status, or 0 if the connection ended.
async fn check(seed: u64, sent: Sent, at: SocketAddr) -> u16 {
    let what = format!("seed {seed}, {}", sent.kind);
    let told = tokio::time::timeout(LIMIT, exchange(&sent, at)).await;
    let told = told.unwrap_or_else(|_| panic!("{what}: neither answer nor end"));
    let Some((status, head, body)) = parse(&told) else {
        assert!(sent.due == Due::AnswerOrEnd, "{what}: no answer but {:?}", String::from_utf8_lossy(&told));
        return 0;
    };
    if sent.due == Due::First {
        assert_eq!(status, 200, "{what}");
        return status;
    }
    let timed_out = sent.due == Due::AnswerInTime && body.contains("Default:Timeout");
    assert!(status < 500 || timed_out, "{what}: {status} {body}");
    if status >= 400 && !body.is_empty() {
        assert!(head.contains("content-type: application/json"), "{what}: {head}");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{what}: {e}: {body}"));
        for field in ["errorCode", "errorName", "errorInstanceId", "parameters"] {
            assert!(body.get(field).is_some(), "{what}: no {field} in {body}");
        }
    } else if status >= 400 {
        // What is no endpoint, or no HTTP at all.
        assert!(matches!(status, 400 | 404 | 405 | 414 | 431), "{what}: {status} without a body");
    }
    status
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

fn malformed(parts: &Parts, dice: &mut Dice) -> Sent {
    let kinds: [fn(&Parts, &mut Dice) -> Sent; 11] =
        [paths, queries, bodies, mutated, deep, headers, tokens, content_types, chunks, lines, pipelined];
    // Silence costs the server's time, and ours: it is rare.
    match dice.below(50) {
        0 => silence(parts, dice),
        _ => dice.pick(&kinds)(parts, dice),
    }
}

/// A whole request. The connection ends after its answer.
fn request(parts: &Parts, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let Parts { token, .. } = parts;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(headers.as_bytes());
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn sent(kind: &'static str, bytes: Vec<u8>, due: Due) -> Sent {
    Sent { kind, bytes, due, closes: false }
}

/// An operation that takes a body.
fn operation(parts: &Parts, dice: &mut Dice) -> (&'static str, String) {
    let Parts { agent, session, .. } = parts;
    let sessions = format!("/api/v2/aipAgents/agents/{agent}/sessions");
    let (method, rest) = *dice.pick(&[
        ("POST", ""),
        ("POST", "/blockingContinue"),
        ("POST", "/streamingContinue"),
        ("POST", "/cancel"),
        ("PUT", "/ragContext"),
        ("PUT", "/updateTitle"),
    ]);
    let path = if rest.is_empty() { sessions } else { format!("{sessions}/{session}{rest}") };
    (method, format!("{path}?preview=true"))
}

/// A segment that is longer than any identifier.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const JSON: &str = "content-type: application/json\r\n";

fn paths(parts: &Parts, dice: &mut Dice) -> Sent {
    let pieces =
        ["%ff", "%00", "%", "%zz", "%2e%2e", "..", "//", "%2f", "agents", "sessions", "ri.aip-agents..agent.x"];
    let more = ["allSessions", "content", "cancel", &parts.agent, &parts.session, "\u{e9}", "%F0%9F%99%82", LONG];
    let all: Vec<&str> = pieces.iter().chain(&more).copied().collect();
    let path: Vec<_> = (0..1 + dice.below(6)).map(|_| *dice.pick(&all)).collect();
    let root = *dice.pick(&["/api/v2/aipAgents/agents/", "/api/v2/aipAgents/", "/multipass/api/oauth2/", "/"]);
    let method = *dice.pick(&["GET", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"]);
    let path = format!("{root}{}?preview=true", path.join("/"));
    // A raw byte beyond ASCII in the target is not HTTP.
    let due = if path.is_ascii() { Due::Answer } else { Due::AnswerOrEnd };
    sent("path", request(parts, method, &path, "", b""), due)
}

fn queries(parts: &Parts, dice: &mut Dice) -> Sent {
    let values = ["", "true", "TRUE", "%ff", "%", "-9999999999999999999", "1e9", "0", "v1.AAAA", "&&==", "a=b", "%00"];
    let names = ["preview", "pageSize", "pageToken", "version", "%ff", ""];
    let pair = |dice: &mut Dice| format!("{}={}", dice.pick(&names), dice.pick(&values));
    let query: Vec<_> = (0..dice.below(6)).map(|_| pair(dice)).collect();
    let rest = *dice.pick(&["/sessions", "", "/agentVersions"]);
    let path = format!("/api/v2/aipAgents/agents/{}{rest}?{}", parts.agent, query.join("&"));
    sent("query", request(parts, "GET", &path, "", b""), Due::Answer)
}

fn bodies(parts: &Parts, dice: &mut Dice) -> Sent {
    let body: Vec<u8> = (0..dice.below(300)).map(|_| dice.next() as u8).collect();
    let (method, path) = operation(parts, dice);
    sent("random body", request(parts, method, &path, JSON, &body), Due::Answer)
}

/// A sound body with something wrong about it.
fn mutated(parts: &Parts, dice: &mut Dice) -> Sent {
    let sound = json!({
        "userInput": {"text": "hi"},
        "parameterInputs": {"x": {"type": "string", "value": "y"}},
        "contextsOverride": [{"type": "objectContext", "objectRids": [], "propertyTypeRids": []}],
        "messageId": "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00",
        "title": "t",
        "agentVersion": "1.0",
    });
    let mut body = sound.to_string().into_bytes();
    for _ in 0..1 + dice.below(4) {
        let place = dice.below(body.len());
        match dice.below(4) {
            0 => body.truncate(place.max(1)),
            1 => body[place] = dice.next() as u8,
            2 => body.insert(place, *dice.pick(b"{}[]\",:0n\\\xff")),
            _ => _ = body.remove(place),
        }
        if body.is_empty() {
            body.push(b'{');
        }
    }
    let (method, path) = operation(parts, dice);
    sent("mutated body", request(parts, method, &path, JSON, &body), Due::Answer)
}

fn deep(parts: &Parts, dice: &mut Dice) -> Sent {
    let depth = 1 << (5 + dice.below(13));
    let body = match dice.below(4) {
        0 => "[".repeat(depth),
        1 => format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        2 => "{\"userInput\":".repeat(depth / 8),
        _ => format!("{{\"userInput\":{{\"text\":\"{}", "\\u00e9".repeat(depth / 4)),
    };
    let (method, path) = operation(parts, dice);
    sent("deep body", request(parts, method, &path, JSON, body.as_bytes()), Due::Answer)
}

fn headers(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let (headers, due) = match dice.below(7) {
        0 => ("x: y\r\n".repeat(50 + dice.below(200)), Due::Answer),
        1 => (format!("x: {}\r\n", "y".repeat(1 << (10 + dice.below(8)))), Due::AnswerOrEnd),
        2 => ("content-length: 5\r\n".into(), Due::AnswerOrEnd),
        3 => ("transfer-encoding: gzip, chunked, identity\r\n".into(), Due::AnswerOrEnd),
        4 => ("bad header line without a colon\r\n".into(), Due::AnswerOrEnd),
        5 => ("x\0y: z\r\n".into(), Due::AnswerOrEnd),
        _ => ("authorization: Bearer another\r\nx-request-id: \t \r\nidempotency-key: \r\n".into(), Due::Answer),
    };
    sent("headers", request(parts, "GET", &path, &headers, b""), due)
}

fn tokens(parts: &Parts, dice: &mut Dice) -> Sent {
    let token: String = (0..dice.below(60)).map(|_| char::from(32 + dice.below(95) as u8)).collect();
    let word = *dice.pick(&["Bearer ", "bearer", "Basic ", "", "Bearer\t"]);
    let parts = Parts { token: String::new(), agent: parts.agent.clone(), session: String::new() };
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let bytes = String::from_utf8(request(&parts, "GET", &path, "", b"")).unwrap();
    sent("token", bytes.replace("Bearer ", &format!("{word}{token}")).into_bytes(), Due::Answer)
}

fn content_types(parts: &Parts, dice: &mut Dice) -> Sent {
    let kind = *dice.pick(&[
        "text/plain",
        "application/xml",
        "",
        "application/jso",
        "json",
        "multipart/form-data; boundary=x",
    ]);
    let (method, path) = operation(parts, dice);
    let header = format!("content-type: {kind}\r\n");
    sent("content type", request(parts, method, &path, &header, b"{\"title\":\"x\"}"), Due::Answer)
}

fn chunks(parts: &Parts, dice: &mut Dice) -> Sent {
    let Parts { token, .. } = parts;
    let (method, path) = operation(parts, dice);
    let body = *dice.pick(&[
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
        "7fffffffffffffff\r\n{}",
        "2\r\n{}XX0\r\n\r\n",
        "2\r\n{",
        "2;a=\"b\r\n{}\r\n0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
        "0\r\n\r\n",
    ]);
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         {JSON}transfer-encoding: chunked\r\n\r\n{body}"
    );
    Sent { kind: "chunks", bytes: text.into_bytes(), due: Due::AnswerOrEnd, closes: true }
}

/// First lines that are not HTTP/1.1.
fn lines(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let line = match dice.below(8) {
        0 => format!("get {path} HTTP/1.1"),
        1 => format!("GET {path} HTTP/9.9"),
        2 => format!("GET {path}"),
        3 => format!("GET  {path}  HTTP/1.1"),
        4 => format!("{} {path} HTTP/1.1", "M".repeat(1 + dice.below(3_000))),
        5 => format!("GET {path}{} HTTP/1.1", "x".repeat(1 << (8 + dice.below(10)))),
        6 => "PRI * HTTP/2.0".into(),
        _ => (0..dice.below(80)).map(|_| char::from(dice.below(128) as u8)).collect(),
    };
    let bytes = format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes();
    Sent { kind: "first line", bytes, due: Due::AnswerOrEnd, closes: true }
}

fn pipelined(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let mut bytes = request(parts, "GET", &path, "", b"");
    let text = String::from_utf8(bytes).unwrap().replace("connection: close\r\n", "");
    bytes = text.into_bytes();
    bytes.extend((0..1 + dice.below(200)).map(|_| dice.next() as u8));
    Sent { kind: "pipelined", bytes, due: Due::First, closes: true }
}

/// A head or a body that stops in the middle, and a client that stays.
fn silence(parts: &Parts, dice: &mut Dice) -> Sent {
    let (method, path) = operation(parts, dice);
    let whole = request(parts, method, &path, JSON, b"{\"userInput\":{\"text\":\"hi\"}}");
    let body = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let end = 1 + dice.below(whole.len() - 1);
    let due = if end < body { Due::AnswerOrEnd } else { Due::AnswerInTime };
    sent("silence", whole[..end].to_vec(), due)
}

/// Counts panics of the server, whatever thread they are on; those of tests are theirs.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, before) = (count.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        if info.location().is_none_or(|at| !at.file().contains("tests/it")) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
    count
}

/// How much memory this process holds, in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kib.map_or(0, |kib| kib << 10)
}
