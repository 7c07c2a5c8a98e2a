//! Bodies with something wrong at any of their members: each is refused or understood, and nothing else happens.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use super::{Hall, Operation, fault_of};
use crate::azure::at;
use crate::azure::talk::openai;
use crate::dice::Dice;
use crate::harness::{Reply, START};

/// How many requests, each with one or two members exchanged.
const REQUESTS: u64 = 1_500;

/// What stands where something else should.
fn wrong(dice: &mut Dice) -> Value {
    let plain = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.5),
        json!(1e308),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("a\0b"),
        json!("\u{202e}\u{1f642}\u{fffd}"),
        json!("line\r\nx-evil: 1"),
        json!("../.."),
        json!("%2e%2e%00"),
        json!("{{ x }}{% for a in range(9) %}"),
        json!([]),
        json!([[]]),
        json!([null, 1, "x"]),
        json!({}),
        json!({"": null}),
        json!({"type": "nonsense"}),
        json!({"type": 5, "id": [], "name": {}}),
    ];
    match dice.below(plain.len() + 2) {
        0 => Value::from("x".repeat(1 << (4 + dice.below(12)))),
        1 => (0..dice.below(60)).fold(json!("deep"), |value, _| json!({ "a": [value] })),
        at => plain[at - 2].clone(),
    }
}

/// Where something can be exchanged: every member and every entry.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), into)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), into)),
        _ => {}
    }
}

fn spoilt(body: &Value, dice: &mut Dice) -> Value {
    let mut body = body.clone();
    for _ in 0..1 + dice.below(2) {
        let mut all = Vec::new();
        places(&body, "", &mut all);
        let place = dice.pick(&all).clone();
        if let Some(value) = body.pointer_mut(&place) {
            *value = wrong(dice);
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_at_a_member_is_refused_or_understood() {
    let hall = Hall::new().await;
    let operations: Vec<Operation> = hall.operations().into_iter().filter(|(_, _, body)| body.is_some()).collect();
    let requests = (0..REQUESTS).map(|seed| {
        let mut dice = Dice::new(seed);
        let (method, path, body) = dice.pick(&operations).clone();
        let body = body.map(|body| spoilt(&body, &mut dice));
        let hall = &hall;
        async move {
            let operation = (method, path, body);
            let reply = hall.send(&operation).await;
            (seed, operation, reply)
        }
    });
    let mut replies = stream::iter(requests).buffer_unordered(16);
    let mut seen = BTreeMap::<u16, u32>::new();
    let mut faults = Vec::new();
    while let Some((seed, (method, path, body), reply)) = replies.next().await {
        *seen.entry(reply.status.as_u16()).or_default() += 1;
        let fault = match reply.status.is_success() {
            true => reply.headers.contains_key("x-evil").then(|| "a header of the client's".to_owned()),
            false => fault_of(&reply),
        };
        faults.extend(fault.map(|fault| format!("seed {seed}: {method} {path} {}: {fault}", body.unwrap_or_default())));
    }
    assert!(faults.is_empty(), "{} of them: {}", faults.len(), faults[..faults.len().min(5)].join("\n"));
    let statuses: BTreeSet<u16> = seen.keys().copied().collect();
    assert!([200, 400, 404, 501].iter().all(|status| statuses.contains(status)), "too tame: {seen:?}");
    // Alice's own response in the background still runs, and nothing else does.
    assert_eq!(hall.running_turns().await, 1);
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_wherever_a_body_is_read() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 14] = [
        b"{",
        b"nonsense",
        b"[]",
        b"5",
        b"null",
        b"\"text\"",
        b"{\"a\":1}}",
        b"{\"input\":1e999}",
        b"{\"input\":\"\\ud800\"}",
        b"{\"input\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"\xfe\xff\0{\0}",
        b"--b\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{}",
        deep.as_bytes(),
    ];
    // Containers may be sent anything, and what is not implemented is said before the body is read.
    let reads = |operation: &&Operation| {
        let (_, path, body) = operation;
        body.is_some() && !["invocations", "compact", ":import"].iter().any(|word| path.contains(word))
    };
    for (method, path, _) in hall.operations().iter().filter(reads) {
        for body in bodies {
            let request = hall.desk.alice.request(method.clone(), path).header("content-type", "application/json");
            let reply = Reply::of(request.body(body.to_vec())).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(reply.status.as_u16(), 400, "{method} {path} {shown}: {reply:?}");
            assert_eq!(fault_of(&reply), None, "{method} {path} {shown}");
        }
    }
    assert_eq!(hall.inventory().await, before, "at {START}");
}

#[tokio::test]
async fn a_form_of_several_parts_is_refused_even_if_it_is_broken() {
    let hall = Hall::new().await;
    for kind in ["multipart/form-data", "multipart/form-data; boundary=b", "Multipart/Mixed; boundary=\"", "multipart/"]
    {
        for path in [at("/agents"), at("/agents/clerk/versions"), at("/agents/new/versions")] {
            let request = hall.desk.alice.request(Method::POST, &path).header("content-type", kind);
            let reply = Reply::of(request.body("--b\r\ncontent-disposition: form-data; name=\"code\"\r\n\r\nPK")).await;
            assert_eq!((reply.status.as_u16(), fault_of(&reply)), (501, None), "{path} {kind}");
        }
    }
    // Where no form is taken, its type makes no difference: the content is what it is.
    let request = hall.desk.alice.request(Method::POST, &openai("clerk", "/responses"));
    let reply = Reply::of(request.header("content-type", "multipart/form-data; boundary=b").body("--b--")).await;
    assert_eq!((reply.status.as_u16(), fault_of(&reply)), (400, None));
}

#[tokio::test]
async fn a_refused_request_for_a_response_leaves_nothing_behind() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    let unknown = format!("caresp_{}", "0".repeat(50));
    for (body, status) in [
        (json!({"input": 5}), 400),
        (json!({"background": true, "store": false}), 400),
        (json!({"stream_options": {}}), 400),
        (json!({"metadata": {"k": "v".repeat(513)}}), 400),
        (json!({"agent_session_id": "with blank"}), 400),
        (json!({"agent_session_id": "seven77"}), 400),
        (json!({"agent_session_id": "new-session", "previous_response_id": unknown}), 404),
        (json!({"agent_session_id": "new-session", "previous_response_id": hall.running}), 400),
        (json!({"agent_session_id": "new-session", "conversation": "nowhere"}), 404),
        (
            json!({"agent_session_id": "new-session", "conversation": hall.conversation, "previous_response_id": unknown}),
            400,
        ),
        (json!({"agent_session_id": "new-session", "input": [{"type": "item_reference", "id": unknown}]}), 404),
        (json!({"agent_session_id": "new-session", "input": [{"type": "nonsense"}]}), 400),
        (json!({"agent_session_id": "new-session", "agent_reference": {"name": "clerk", "version": "9"}}), 404),
        (json!({"agent_session_id": "new-session", "agent_reference": {"name": "scribe"}}), 400),
        (
            json!({"agent_session_id": "new-session", "text": {"format": {"type": "json_schema", "name": "n",
            "schema": {"$ref": "http://192.0.2.1/schema"}}}}),
            400,
        ),
        (json!({"agent_session_id": "new-session", "tools": [{"type": "function"}]}), 400),
    ] {
        let reply = hall.desk.ask(body.clone()).await;
        assert_eq!((reply.status.as_u16(), fault_of(&reply)), (status, None), "{body}: {reply:?}");
    }
    assert_eq!(hall.inventory().await, before);
    assert_eq!(hall.running_turns().await, 1);
}
