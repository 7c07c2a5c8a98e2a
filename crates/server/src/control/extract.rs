//! What handlers take in: who asks, and the request's path, query and body, each refused in the control API's shape.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use sederunt_core::caller::{Caller, Grants};
use sederunt_core::error::Error;
use sederunt_core::id::{Key, TenantId};
use sederunt_web::{authenticate, read_body};
use serde::de::DeserializeOwned;

use super::Control;
use super::error::Refusal;

/// The header by which an administrator names the tenant that is meant; their own if absent.
const TENANT: &str = "sederunt-tenant";

/// Someone whose credential may administer. Within the control API that is leave to do everything, in any tenant: who
/// may make keys could give themselves each grant anyway.
#[derive(Debug)]
pub(super) struct Admin(pub Caller);

impl FromRequestParts<Control> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Refusal> {
        let identity = &control.app().ports().identity;
        let mut caller = Caller::clone(&*authenticate(&**identity, &parts.headers).await?);
        caller.may_administer()?;
        if let Some(named) = parts.headers.get(TENANT) {
            let key: Result<Key, Error> = named.to_str().unwrap_or_default().parse();
            let key = key.map_err(|_| Error::malformed("Sederunt-Tenant", "1 to 128 letters, digits, '_' or '-'"))?;
            caller.tenant = TenantId::from(key.as_str());
        }
        caller.grants = Grants::all();
        Ok(Self(caller))
    }
}

/// The one name in a path.
#[derive(Debug)]
pub(super) struct Named(pub String);

impl FromRequestParts<Control> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, control).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(why) => Err(Refusal::invalid("path", why, "percent-encode the path as UTF-8")),
        }
    }
}

/// The query's parameters; unknown ones are refused by `T`.
#[derive(Debug)]
pub(super) struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Control> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Control) -> Result<Self, Refusal> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(why) => {
                use std::error::Error as _;
                let why = why.source().map_or_else(|| why.to_string(), ToString::to_string);
                Err(Refusal::invalid("query", why, "docs/control-api.md lists the parameters"))
            }
        }
    }
}

/// The body's JSON; an empty body is `{}`, unknown fields are refused by `T`.
#[derive(Debug)]
pub(super) struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Control> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, control: &Control) -> Result<Self, Refusal> {
        json(&bytes(request.into_body(), control).await?).map(Self)
    }
}

/// The body as it came.
pub(super) async fn bytes(body: Body, control: &Control) -> Result<Bytes, Refusal> {
    let limits = control.0.limits;
    Ok(read_body(body, limits.body_size, limits.body_time).await?)
}

/// What the body says.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let text = if body.is_empty() { b"{}" } else { body };
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|wrong| {
        let path = wrong.path().to_string();
        (if path == "." { "body".to_owned() } else { path }, wrong.into_inner().to_string())
    });
    let read = read.and_then(|sent| json.end().map(|()| sent).map_err(|e| ("body".to_owned(), e.to_string())));
    read.map_err(|(param, why)| Refusal::invalid(&param, why, "docs/control-api.md shows the body"))
}

/// How many rows a list returns: 1 to 500, 50 unless told.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Refusal> {
    match asked.unwrap_or(50) {
        fits @ 1..=500 => Ok(fits),
        other => Err(Refusal::invalid("limit", format!("{other} is not 1 to 500"), "ask for more pages")),
    }
}
