//! What is sent: requests with something wrong about them, drawn by seed, and what each must come to.

use serde_json::{Value, json};

use super::Shape::{Control, OAuth, Vendor};
use super::wire::{chunks, headers, lines, pipelined, silence};
use super::{BODY, Due};
use crate::dice::Dice;

/// A request as it goes over the wire.
pub struct Sent {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    pub due: Due,
    /// Whether the client says that nothing more will come; else it stays silent.
    pub closes: bool,
}

/// What requests are made of.
pub struct Parts {
    pub token: String,
    pub agent: String,
    pub session: String,
}

/// One of them.
pub fn malformed(parts: &Parts, dice: &mut Dice) -> Sent {
    let kinds: [fn(&Parts, &mut Dice) -> Sent; 15] = [
        paths,
        queries,
        bodies,
        mutated,
        deep,
        headers,
        tokens,
        content_types,
        chunks,
        lines,
        pipelined,
        control_bodies,
        control_mutated,
        forms,
        forms,
    ];
    // Silence costs the server's time, and ours: it is rare.
    match dice.below(50) {
        0 => silence(parts, dice),
        _ => dice.pick(&kinds)(parts, dice),
    }
}

/// A whole request. The connection ends after its answer.
pub fn request(parts: &Parts, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let Parts { token, .. } = parts;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(headers.as_bytes());
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub fn sent(kind: &'static str, bytes: Vec<u8>, due: Due) -> Sent {
    Sent { kind, bytes, due, closes: false }
}

/// An operation that takes a body, and a sound one.
pub fn operation(parts: &Parts, dice: &mut Dice) -> (&'static str, String, Value) {
    let Parts { agent, session, .. } = parts;
    let sessions = format!("/api/v2/aipAgents/agents/{agent}/sessions");
    let contexts = json!([{"type": "objectContext", "objectRids": [], "propertyTypeRids": []}]);
    let said = json!({
        "userInput": {"text": "hi"},
        "parameterInputs": {"x": {"type": "string", "value": "y"}},
        "contextsOverride": contexts,
        "sessionTraceId": TRACE,
    });
    let (method, rest, body) = dice
        .pick(&[
            ("POST", "", json!({"agentVersion": "1.0"})),
            ("POST", "/blockingContinue", said.clone()),
            ("POST", "/streamingContinue", said),
            ("POST", "/cancel", json!({"messageId": TRACE, "response": "stopped"})),
            ("PUT", "/ragContext", json!({"userInput": {"text": "hi"}, "parameterInputs": {}})),
            ("PUT", "/updateTitle", json!({"title": "t"})),
        ])
        .clone();
    let path = if rest.is_empty() { sessions } else { format!("{sessions}/{session}{rest}") };
    (method, format!("{path}?preview=true"), body)
}

const TRACE: &str = "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00";

/// An operation of the control API that takes a body, and a sound one.
fn control_operation(parts: &Parts, dice: &mut Dice) -> (&'static str, String, Value) {
    let session = format!("/sessions/{}/turns", parts.session);
    let (method, path, body) = dice
        .pick(&[
            ("POST", "/agents", json!({"key": "made", "definition": {"name": "Made"}, "publish": true})),
            ("POST", "/agents/echo/versions", json!({"definition": {"name": "Echo"}, "publish": false})),
            ("PATCH", "/agents/echo", json!({"enabled": true})),
            ("POST", "/agents/echo/sessions", json!({"key": "k", "title": "t", "metadata": {"a": "b"}, "ttl": "1h"})),
            ("POST", &session, json!({"text": "hi", "parameters": {}, "when_busy": "refuse", "stream": false})),
            ("POST", "/keys", json!({"user": "u", "name": "n", "grants": [{"action": "talk", "agent": "echo"}]})),
            ("POST", "/applications", json!({"name": "n", "redirect_uris": ["https://a.example/b"], "public": true})),
        ])
        .clone();
    (method, format!("/control/v1{path}"), body)
}

/// A segment that is longer than any identifier.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub const JSON: &str = "content-type: application/json\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// Segments that are no part of any path, among such as are.
fn paths(parts: &Parts, dice: &mut Dice) -> Sent {
    let wrong = [
        "%ff",
        "%00",
        "%",
        "%zz",
        "%2e%2e",
        "..",
        "//",
        "%2f",
        "ri.aip-agents..agent.x",
        "\u{e9}",
        "%F0%9F%99%82",
        LONG,
    ];
    let right = ["agents", "sessions", "allSessions", "content", "cancel", &parts.agent, &parts.session];
    let all: Vec<&str> = wrong.iter().chain(&right).copied().collect();
    let mut path: Vec<_> = (0..dice.below(6)).map(|_| *dice.pick(&all)).collect();
    let place = dice.below(path.len() + 1);
    path.insert(place, *dice.pick(&wrong));
    let root =
        *dice.pick(&["/api/v2/aipAgents/agents/", "/api/v2/aipAgents/", "/multipass/api/oauth2/", "/control/v1/", "/"]);
    let method = *dice.pick(&["GET", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"]);
    let path = format!("{root}{}?preview=true", path.join("/"));
    let shape = if root == "/control/v1/" { Control } else { Vendor };
    // A raw byte beyond ASCII in the target is not HTTP.
    let due = if path.is_ascii() {
        Due::one_of(&[400, 404, 405], shape)
    } else {
        Due { shape, ..Due::or_end(&[400, 404, 405]) }
    };
    sent("path", request(parts, method, &path, "", b""), due)
}

/// One parameter that cannot be read, among such as are not known.
fn queries(parts: &Parts, dice: &mut Dice) -> Sent {
    let Parts { agent, .. } = parts;
    let at = format!("/api/v2/aipAgents/agents/{agent}");
    let wrong = match dice.below(5) {
        0 => format!(
            "{at}/sessions?preview=true&pageSize={}",
            dice.pick(&["0", "-1", "-9999999999999999999", "1e9", "x", "%00"])
        ),
        1 => format!("{at}/agentVersions?preview=true&pageToken={}", dice.pick(&["v1.AAAA", "x", "%00", "%ff", "0"])),
        2 => format!("{at}?preview=true&version={}", dice.pick(&["x", "1", "%00", "01.0", "-1.0", "%f0%9f%99%82"])),
        3 => format!("{at}/sessions?preview={}", dice.pick(&["", "yes", "1", "%ff", "%", "%00"])),
        _ => format!(
            "/api/v2/aipAgents/agents/allSessions?preview=true&pageToken={}",
            dice.pick(&["x", "%", "%ff", "v1.x"])
        ),
    };
    let more = *dice.pick(&["", "&&==", "&%ff=%ff", "&a=b", "&=", "&%00"]);
    sent("query", request(parts, "GET", &format!("{wrong}{more}"), "", b""), Due::one_of(&[400], Vendor))
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..1 + dice.below(300)).map(|_| dice.next() as u8).collect()
}

fn bodies(parts: &Parts, dice: &mut Dice) -> Sent {
    let body = noise(dice);
    let (method, path, _) = operation(parts, dice);
    sent("random body", request(parts, method, &path, JSON, &body), Due::one_of(&[400], Vendor))
}

fn control_bodies(parts: &Parts, dice: &mut Dice) -> Sent {
    let body = noise(dice);
    let (method, path, _) = control_operation(parts, dice);
    sent("random control body", request(parts, method, &path, JSON, &body), Due::one_of(&[400], Control))
}

/// The text with some of its bytes cut, exchanged, added or taken.
fn mutate(text: String, dice: &mut Dice) -> Vec<u8> {
    let mut body = text.into_bytes();
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
    body
}

/// A sound body with something wrong about it. It may be JSON nevertheless, and even be sound.
fn mutated(parts: &Parts, dice: &mut Dice) -> Sent {
    let (method, path, sound) = operation(parts, dice);
    let body = mutate(sound.to_string(), dice);
    let (kind, due): (_, &[u16]) = match serde_json::from_slice::<Value>(&body) {
        Ok(_) => ("mutated body that is JSON", &[200, 204, 400, 404, 409, 422]),
        Err(_) => ("mutated body", &[400]),
    };
    sent(kind, request(parts, method, &path, JSON, &body), Due::one_of(due, Vendor))
}

fn control_mutated(parts: &Parts, dice: &mut Dice) -> Sent {
    let (method, path, sound) = control_operation(parts, dice);
    let body = mutate(sound.to_string(), dice);
    let (kind, due): (_, &[u16]) = match serde_json::from_slice::<Value>(&body) {
        Ok(_) => ("mutated control body that is JSON", &[200, 201, 400, 404, 409]),
        Err(_) => ("mutated control body", &[400]),
    };
    sent(kind, request(parts, method, &path, JSON, &body), Due::one_of(due, Control))
}

/// Forms for tokens that name no application, or say nothing that can be read.
fn forms(parts: &Parts, dice: &mut Dice) -> Sent {
    let grant = *dice.pick(&["client_credentials", "authorization_code", "refresh_token", "password", ""]);
    let sound =
        format!("grant_type={grant}&client_id=nobody&client_secret=%00&code=x&refresh_token=y&token=z&scope=%ff");
    let body = match dice.below(3) {
        0 => noise(dice),
        _ => mutate(sound, dice),
    };
    let path = format!("/multipass/api/oauth2/{}", dice.pick(&["token", "revoke_token"]));
    let header = *dice.pick(&[FORM, FORM, JSON, "", "content-type: text/plain\r\n"]);
    sent("form", request(parts, "POST", &path, header, &body), Due::one_of(&[400, 401], OAuth))
}

fn deep(parts: &Parts, dice: &mut Dice) -> Sent {
    let depth = 1 << (5 + dice.below(13));
    let body = match dice.below(4) {
        0 => "[".repeat(depth),
        1 => format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        2 => "{\"userInput\":".repeat(depth / 8),
        _ => format!("{{\"userInput\":{{\"text\":\"{}", "\\u00e9".repeat(depth / 4)),
    };
    let (method, path, _) = operation(parts, dice);
    let due = match serde_json::from_str::<Value>(&body) {
        // It is answered before it has been read, and what is still on its way may break the connection.
        _ if body.len() > BODY => Due::or_end(&[413]),
        Ok(_) => Due::one_of(&[422], Vendor),
        Err(_) => Due::one_of(&[400], Vendor),
    };
    sent("deep body", request(parts, method, &path, JSON, body.as_bytes()), due)
}

fn tokens(parts: &Parts, dice: &mut Dice) -> Sent {
    let token: String = (0..dice.below(60)).map(|_| char::from(32 + dice.below(95) as u8)).collect();
    let word = *dice.pick(&["Bearer ", "bearer", "Basic ", "", "Bearer\t"]);
    let parts = Parts { token: String::new(), agent: parts.agent.clone(), session: String::new() };
    let (path, shape) = match dice.below(2) {
        0 => (format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent), Vendor),
        _ => ("/control/v1/agents".to_owned(), Control),
    };
    let bytes = String::from_utf8(request(&parts, "GET", &path, "", b"")).unwrap();
    let bytes = bytes.replace("Bearer ", &format!("{word}{token}")).into_bytes();
    sent("token", bytes, Due::one_of(&[401], shape))
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
    let (method, path, _) = operation(parts, dice);
    let header = format!("content-type: {kind}\r\n");
    sent("content type", request(parts, method, &path, &header, b"{\"title\":\"x\"}"), Due::one_of(&[415], Vendor))
}
