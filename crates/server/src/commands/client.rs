//! How commands speak to a running server: over its control API, as whoever the token names. Every refusal comes back as
//! a [`Fault`] in three parts.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use http::StatusCode;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::commands::connection::{Target, is_local};
use crate::control::PREFIX;
use crate::fault::{Exit, Fault};
use crate::wiring::chain;

/// The longest that anything but a turn may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// A client of the control API.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// A client of the server at `target`.
    pub fn new(target: Target) -> Result<Self, Fault> {
        // Fails only if another thread was first, with the same provider: there is no other in this program.
        _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5));
        if is_local(&target.server) {
            builder = builder.no_proxy();
        }
        if target.server.scheme() == "http" {
            // Without TLS the system's roots do not matter: a machine that has none can still speak plain HTTP.
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = &target.ca {
            let what = format!("the root {} cannot be used", path.display());
            let fix = "name a PEM file with --ca";
            let pem = std::fs::read(path).map_err(|e| Fault::config(&what, e, fix))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| Fault::config(&what, e, fix))?;
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder.build().map_err(|e| Fault::failed("HTTP cannot be spoken", chain(&e), "see the reason"))?;
        Ok(Self { http, target })
    }

    /// Reads something. `what` says what cannot be done if it fails.
    pub async fn get(&self, what: &str, path: &[&str], query: &[(&str, String)]) -> Result<Value, Fault> {
        self.ask(what, Method::GET, path, query, None).await
    }

    /// Sends something.
    pub async fn post(&self, what: &str, path: &[&str], body: Value) -> Result<Value, Fault> {
        self.ask(what, Method::POST, path, &[], Some(body)).await
    }

    /// Reads a list page by page, up to `most` rows of `field`; true if there are more. Pages go on from `next` as
    /// `after`.
    pub async fn list(
        &self,
        what: &str,
        path: &[&str],
        field: &str,
        query: Vec<(&'static str, String)>,
        most: u32,
    ) -> Result<(Vec<Value>, bool), Fault> {
        self.pages(what, path, (field, "after"), query, most).await
    }

    /// As [`Client::list`], for a list whose pages go on from `next` as `from`.
    pub async fn list_from(
        &self,
        what: &str,
        path: &[&str],
        field: &str,
        most: u32,
    ) -> Result<(Vec<Value>, bool), Fault> {
        self.pages(what, path, (field, "from"), vec![], most).await
    }

    async fn pages(
        &self,
        what: &str,
        path: &[&str],
        (field, cursor): (&str, &'static str),
        query: Vec<(&'static str, String)>,
        most: u32,
    ) -> Result<(Vec<Value>, bool), Fault> {
        let most = most as usize;
        let mut rows: Vec<Value> = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = query.clone();
            query.push(("limit", (most - rows.len()).clamp(1, 500).to_string()));
            query.extend(next.map(|next| (cursor, next)));
            let mut page = self.get(what, path, &query).await?;
            if let Some(Value::Array(more)) = page.get_mut(field).map(Value::take) {
                rows.extend(more);
            }
            next = match &page["next"] {
                Value::Null => return Ok((rows, false)),
                Value::String(text) => Some(text.clone()),
                number => Some(number.to_string()),
            };
            if rows.len() >= most {
                return Ok((rows, true));
            }
        }
    }

    /// Asks and reads the answer's JSON; null if it has no body.
    pub async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Value, Fault> {
        let request = self.request(method, path, query, body).timeout(PATIENCE);
        let answer = async { self.read(what, self.send(what, request).await?).await };
        let bytes = tokio::select! {
            answer = answer => answer?,
            never = self.tell_of_waiting() => match never {},
        };
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|e| self.not_ours(what, e))
    }

    /// Says once a second at a terminal that the server has not answered, for as long as it is polled.
    async fn tell_of_waiting(&self) -> Infallible {
        for second in 1_u64.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if std::io::stderr().is_terminal() {
                // Nobody is left to be told that nobody can be told.
                _ = writeln!(std::io::stderr(), "waiting for {}: {second} s", self.target.server);
            }
        }
        std::future::pending().await
    }

    /// Sends something and returns the answer as it comes; it may take as long as it takes.
    pub async fn open(
        &self,
        what: &str,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Response, Fault> {
        self.send(what, self.request(method, path, &[], body)).await
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> reqwest::RequestBuilder {
        let mut url = self.target.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(PREFIX.split('/').filter(|s| !s.is_empty())).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.target.token {
            request = request.bearer_auth(token);
        }
        if let Some(tenant) = &self.target.tenant {
            request = request.header("sederunt-tenant", tenant);
        }
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    async fn send(&self, what: &str, request: reqwest::RequestBuilder) -> Result<Response, Fault> {
        let response = request.send().await.map_err(|e| self.unreachable(what, &e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = self.read(what, response).await?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Err(match body.pointer("/error/message").and_then(Value::as_str) {
            Some(message) => refused(what, status, &body, message),
            None => self.not_ours(what, format!("it answered {status}")),
        })
    }

    async fn read(&self, what: &str, mut response: Response) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(what, &e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err(self.not_ours(what, "its answer is too large"));
            }
        }
        Ok(bytes)
    }

    /// The server could not be asked, or broke off.
    pub fn unreachable(&self, what: &str, error: &reqwest::Error) -> Fault {
        let server = &self.target.server;
        Fault::unreachable(
            what,
            format!("{server} cannot be reached: {}", innermost(error)),
            "start it with `sederunt dev`, or name another with --server URL",
        )
    }

    fn not_ours(&self, what: &str, why: impl std::fmt::Display) -> Fault {
        let why = format!("{} does not speak the control API: {why}", self.target.server);
        Fault::unreachable(what, why, "name a Sederunt server of this version with --server URL")
    }
}

/// The server's refusal, with a fix in the words of the command line where it has them.
fn refused(what: &str, status: StatusCode, body: &Value, message: &str) -> Fault {
    let told = body.pointer("/error/hint").and_then(Value::as_str).unwrap_or("see the server's log");
    let code = body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
    let fix = match code {
        "unauthenticated" => "give a key of this server with --token TOKEN or in SEDERUNT_TOKEN",
        "forbidden" => "use a key that was made with --grant admin",
        "disabled" => "`sederunt agent enable KEY` switches it on",
        "not_found" if message.starts_with("agent") => "`sederunt agent list` shows what there is",
        "not_found" if message.starts_with("session") => "`sederunt sessions list` shows what there is",
        "not_found" if message.starts_with("credential") => "`sederunt key list` shows what there is",
        _ => told,
    };
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Refused,
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::SERVICE_UNAVAILABLE => Exit::Unreachable,
        _ => Exit::Failed,
    };
    Fault { exit, ..Fault::failed(what, message, fix) }
}

/// The cause at the bottom, which says most.
fn innermost(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
