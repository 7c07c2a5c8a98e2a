//! What is not quite HTTP: headers, chunks, first lines and requests that stop.

use super::Due;
use super::Shape::Vendor;
use super::requests::{JSON, Parts, Sent, operation, request, sent};
use crate::dice::Dice;

pub fn headers(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let (kind, headers, due) = match dice.below(7) {
        0 => ("many headers", "x: y\r\n".repeat(110 + dice.below(200)), Due::one_of(&[431], Vendor)),
        1 => (
            "long header",
            format!("x: {}\r\n", "y".repeat(1 << (10 + dice.below(8)))),
            Due::one_of(&[200, 431], Vendor),
        ),
        2 => ("two lengths", "content-length: 5\r\n".into(), Due::one_of(&[400], Vendor)),
        3 => {
            ("unknown encodings", "transfer-encoding: gzip, chunked, identity\r\n".into(), Due::one_of(&[400], Vendor))
        }
        4 => ("header without a colon", "bad header line\r\n".into(), Due::one_of(&[400], Vendor)),
        5 => ("header with a zero", "x\0y: z\r\n".into(), Due::one_of(&[400], Vendor)),
        _ => (
            "two credentials",
            "authorization: Bearer another\r\nx-request-id: \t \r\n".into(),
            Due::one_of(&[401], Vendor),
        ),
    };
    sent(kind, request(parts, "GET", &path, &headers, b""), due)
}

/// Chunks that are none, and a list, which no operation takes.
pub fn chunks(parts: &Parts, dice: &mut Dice) -> Sent {
    let Parts { token, .. } = parts;
    let (method, path, _) = operation(parts, dice);
    let (body, due) = *dice.pick::<(&str, &[u16])>(&[
        ("zz\r\n{}\r\n0\r\n\r\n", &[400]),
        ("-1\r\n{}\r\n0\r\n\r\n", &[400]),
        ("ffffffffffffffffff\r\n{}\r\n", &[400]),
        ("7fffffffffffffff\r\n{}", &[400]),
        ("2\r\n{}XX0\r\n\r\n", &[400]),
        ("2\r\n{", &[400]),
        ("2;a=\"b\r\n[]\r\n0\r\n\r\n", &[422]),
        ("2\r\n[]\r\n0\r\nx: y\r\n\r\n", &[422]),
        ("2\r\n[]\r\n0\r\n\r\n", &[422]),
    ]);
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         {JSON}transfer-encoding: chunked\r\n\r\n{body}"
    );
    Sent { kind: "chunks", bytes: text.into_bytes(), due: Due::or_end(due), closes: true }
}

/// First lines that are not HTTP/1.1.
pub fn lines(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let (kind, line, due): (_, _, &[u16]) = match dice.below(8) {
        0 => ("method in small letters", format!("get {path} HTTP/1.1"), &[405]),
        1 => ("version of HTTP", format!("GET {path} HTTP/9.9"), &[400]),
        2 => ("no version of HTTP", format!("GET {path}"), &[400]),
        3 => ("two blanks", format!("GET  {path}  HTTP/1.1"), &[400]),
        4 => ("long method", format!("{} {path} HTTP/1.1", "M".repeat(1 + dice.below(3_000))), &[400, 405]),
        5 => (
            "long target",
            format!("GET {path}{} HTTP/1.1", "x".repeat(1 << (8 + dice.below(10)))),
            &[400, 401, 414, 431],
        ),
        6 => ("another protocol", "PRI * HTTP/2.0".into(), &[400]),
        _ => ("noise", (0..dice.below(80)).map(|_| char::from(dice.below(128) as u8)).collect(), &[400]),
    };
    let bytes = format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes();
    sent(kind, bytes, Due::one_of(due, Vendor))
}

/// A sound request, and then noise.
pub fn pipelined(parts: &Parts, dice: &mut Dice) -> Sent {
    let path = format!("/api/v2/aipAgents/agents/{}?preview=true", parts.agent);
    let text = String::from_utf8(request(parts, "GET", &path, "", b"")).unwrap();
    let mut bytes = text.replace("connection: close\r\n", "").into_bytes();
    bytes.extend((0..1 + dice.below(200)).map(|_| dice.next() as u8));
    Sent { kind: "noise after a request", bytes, due: Due::one_of(&[200], Vendor), closes: true }
}

/// A head or a body that stops in the middle, and a client that stays.
pub fn silence(parts: &Parts, dice: &mut Dice) -> Sent {
    let (method, path, _) = operation(parts, dice);
    let whole = request(parts, method, &path, JSON, b"{\"userInput\":{\"text\":\"hi\"}}");
    let body = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let end = 1 + dice.below(whole.len() - 1);
    let (kind, due) = match end < body {
        true => ("head that stops", Due::or_end(&[408])),
        false => ("body that stops", Due::one_of(&[500], Vendor)),
    };
    sent(kind, whole[..end].to_vec(), due)
}
