//! The request for a token: a form or JSON, with or without `grant_type`, the client in the body or by HTTP Basic.

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use sederunt_web::read_body;
use serde_json::{Map, Value};

use super::failure::OauthFailure;
use crate::Dialect;

/// The largest body, in bytes.
const LARGEST: usize = 64 << 10;

/// The one grant that there is, which the SDK's asynchronous client does not even name.
const GRANT: &str = "client_credentials";

/// Who asks for a token.
#[derive(PartialEq, Eq)]
pub(super) struct Client {
    pub id: String,
    pub secret: String,
}

/// The client that a request names, if it asks for what there is.
pub(super) async fn read(dialect: &Dialect, request: Request) -> Result<Client, OauthFailure> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, LARGEST, dialect.settings.body_timeout).await;
    let body = body.map_err(|_| OauthFailure::request("the body is too large or did not arrive"))?;
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    let is_json = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
    let fields = if is_json { json(&body)? } else { form(&body)? };
    // The service's own tokens know no scopes; whatever is asked for, a token allows what its client may.
    if fields.get("grant_type").is_some_and(|grant| grant != GRANT) {
        return Err(OauthFailure::grant_type());
    }
    let authorization = parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if let Some(basic) = authorization.filter(|value| value.get(..6).is_some_and(|b| b.eq_ignore_ascii_case(b"basic ")))
    {
        return decoded(basic).ok_or_else(OauthFailure::client);
    }
    let required = |name: &str| match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(OauthFailure::request(format!("'{name}' is missing"))),
    };
    Ok(Client { id: required("client_id")?, secret: required("client_secret")? })
}

fn json(body: &[u8]) -> Result<Map<String, Value>, OauthFailure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| OauthFailure::request("the body is no JSON object"))
}

/// The fields of a form; each may come once (RFC 6749, 3.2).
fn form(body: &[u8]) -> Result<Map<String, Value>, OauthFailure> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned().into()).is_some() {
            return Err(OauthFailure::request("a parameter is repeated"));
        }
    }
    Ok(fields)
}

/// The client of HTTP Basic, whose two halves are form-encoded before they are joined (RFC 6749, 2.3.1).
fn decoded(value: &[u8]) -> Option<Client> {
    let (_, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some(Client { id: unescaped(id), secret: unescaped(secret) })
}

fn unescaped(text: &str) -> String {
    let pair = format!("v={}", text.replace('&', "%26").replace('=', "%3D"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_basic_are_form_encoded() {
        let header = format!("Basic {}", STANDARD.encode("cid%26+x:s%3Dt"));
        let client = decoded(header.as_bytes()).unwrap();
        assert_eq!((client.id.as_str(), client.secret.as_str()), ("cid& x", "s=t"));
        assert!(decoded(b"Basic %%%").is_none());
    }

    #[test]
    fn a_parameter_may_come_once() {
        assert_eq!(form(b"client_id=a%20b&grant_type=x").unwrap().get("client_id"), Some(&"a b".into()));
        assert!(form(b"client_id=a&client_id=b").is_err());
    }
}
