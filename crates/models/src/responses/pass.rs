//! Requests that are passed on to a container as they stand, bodies streamed both ways.

use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::model::{Passage, Passed};
use tokio::time::timeout;

use super::request::passable;
use super::{Server, Servers};
use crate::upstream::address;
use crate::upstream::failure::told;

/// The largest body of a request that may have to go to several servers, in bytes.
const MAX_HELD: usize = 64 << 10;
/// The parameter of a request's query that names its session.
const SESSION: &str = "agent_session_id";
/// Headers of an answer that belong to one connection or to the server alone.
const NOT_TOLD: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Passes a request on. One that names its session goes to the session's server, any other from server to server until one
/// knows what it is about.
pub async fn pass(servers: &Servers, passage: Passage) -> Result<Passed, ModelFault> {
    let method = Method::from_bytes(passage.method.as_bytes()).map_err(|e| FaultKind::Failed.with(e.to_string()))?;
    let server = match session(&passage.path) {
        Some(session) => servers.of(&session),
        None if servers.others.is_empty() => &servers.first,
        None => return search(servers, method, passage).await,
    };
    let body = reqwest::Body::wrap_stream(passage.body);
    send(servers, server, method, &passage.path, &passage.headers, body).await
}

/// The session that a path names in its query.
fn session(path: &str) -> Option<String> {
    let url = reqwest::Url::parse("http://localhost").ok()?.join(path).ok()?;
    let (_, session) = url.query_pairs().find(|(name, _)| name == SESSION)?;
    (!session.is_empty()).then(|| session.into_owned())
}

async fn search(servers: &Servers, method: Method, mut passage: Passage) -> Result<Passed, ModelFault> {
    let mut held = Vec::new();
    while let Some(bytes) = passage.body.try_next().await? {
        held.extend_from_slice(&bytes);
        if held.len() > MAX_HELD {
            return Err(FaultKind::Failed.with("the body is too large for a request that names no session"));
        }
    }
    let held = Bytes::from(held);
    let send = |server| send(servers, server, method.clone(), &passage.path, &passage.headers, held.clone().into());
    let mut passed = send(&servers.first).await;
    for server in &servers.others {
        if passed.as_ref().is_ok_and(|passed| passed.status != 404) {
            break;
        }
        passed = send(server).await;
    }
    passed
}

async fn send(
    servers: &Servers,
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(String, String)],
    body: reqwest::Body,
) -> Result<Passed, ModelFault> {
    let url = address(&server.base_url, path).map_err(|error| FaultKind::Failed.with(error.to_string()))?;
    // An address that reads differently from how it was written leads elsewhere than was meant.
    let written = path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') || !url.path().ends_with(written) {
        return Err(FaultKind::Failed.with(format!("the path {path} cannot be passed on")));
    }
    let upstream = &servers.upstream;
    let kind = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
    let mut request = upstream.client.request(method, url).headers(passable(headers)).headers(upstream.headers.clone());
    for (name, value) in kind {
        request = request.header(name, value);
    }
    let unavailable = |why: String| FaultKind::Unavailable.with(why);
    let response = match timeout(upstream.patience.first_byte, request.body(body).send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(unavailable(told(error))),
        Err(_) => return Err(unavailable("no answer within the time allowed".into())),
    };
    let kept = response.headers().iter().filter(|(name, _)| !NOT_TOLD.contains(&name.as_str()));
    let headers = kept.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Ok(Passed {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: body_of(response, upstream.patience.idle),
    })
}

/// The body as it comes; a silence that is too long is a fault.
fn body_of(response: reqwest::Response, idle: Duration) -> BoxStream<'static, Result<Bytes, ModelFault>> {
    let read = move |response: Option<reqwest::Response>| async move {
        let mut response = response?;
        match timeout(idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => Some((Ok(bytes), Some(response))),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some((Err(FaultKind::BrokenStream.with(told(error))), None)),
            Err(_) => Some((Err(FaultKind::BrokenStream.with("the stream fell silent")), None)),
        }
    };
    futures_util::stream::unfold(Some(response), read).boxed()
}
