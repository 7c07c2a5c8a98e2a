//! The form of a token request, and which application sends it: in the form (the Python SDK) or by HTTP Basic (the
//! TypeScript SDK), whose two halves are form-encoded before they are joined.

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use sederunt_core::identity::Application;
use sederunt_web::read_body;

use super::error::OauthError;
use crate::Dialect;

/// The largest form.
const FORM_LIMIT: usize = 64 << 10;

/// The fields of a form; each may come once.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form from a query or a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, OauthError> {
        let fields: Vec<_> = form_urlencoded::parse(bytes).into_owned().collect();
        let repeated = |(at, (name, _)): (usize, &(String, String))| fields.iter().skip(at + 1).any(|(n, _)| n == name);
        if fields.iter().enumerate().any(repeated) {
            return Err(OauthError::request("a parameter is repeated"));
        }
        Ok(Self(fields))
    }

    /// Reads a request's form.
    pub async fn read(dialect: &Dialect, request: Request) -> Result<(HeaderMap, Self), OauthError> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE).map(|v| v.as_bytes().to_ascii_lowercase());
        if !content_type.is_some_and(|t| t.starts_with(b"application/x-www-form-urlencoded")) {
            return Err(OauthError::request("the body must be application/x-www-form-urlencoded"));
        }
        let bytes = read_body(body, FORM_LIMIT, dialect.settings.body_timeout).await;
        let bytes = bytes.map_err(|_| OauthError::request("the body is too large or did not arrive"))?;
        Ok((parts.headers, Self::parse(&bytes)?))
    }

    /// A field; an empty one is absent (RFC 6749, 3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// A field that must be there.
    pub fn required(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name).ok_or_else(|| OauthError::request(format!("'{name}' is missing")))
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The application that sends a request, proven by its secret if it has one.
pub(super) async fn application(
    dialect: &Dialect,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Application, OauthError> {
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let (id, secret) = basic(value.as_bytes()).ok_or_else(OauthError::client)?;
            (id, Some(secret))
        }
        None => (form.required("client_id")?.to_owned(), form.get("client_secret").map(str::to_owned)),
    };
    Ok(dialect.app.tokens().authenticate(&id, secret.as_deref()).await?)
}

fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decoded(id), decoded(secret)))
}

/// One form-encoded value.
fn decoded(text: &str) -> String {
    let pair = format!("v={}", text.replace('&', "%26").replace('=', "%3D"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_basic_are_form_encoded() {
        let header = format!("Basic {}", STANDARD.encode("cid%26+x:s%3Dt"));
        assert_eq!(basic(header.as_bytes()), Some(("cid& x".into(), "s=t".into())));
        assert_eq!(basic(b"Bearer abc"), None);
        assert_eq!(basic(b"Basic %%%"), None);
    }
}
