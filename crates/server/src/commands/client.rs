//! How commands speak to a running server: over its control API, as whoever the token names. Every refusal comes back as
//! a [`Fault`] in three parts.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::control::PREFIX;
use crate::demo::TOKEN;
use crate::fault::{Exit, Fault};
use crate::ready::Ready;
use crate::root::state_directory;

/// The server that `dev` runs where nothing else is said.
const SERVER: &str = "http://127.0.0.1:7080";
/// The longest that anything but a turn may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// Which server, and as whom.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// The server [default: the ready file's, else http://127.0.0.1:7080]
    #[arg(long, env = "SEDERUNT_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The token of who asks [default: the ready file's, else that of dev's first user on this machine]
    #[arg(long, env = "SEDERUNT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The ready file of the server, with its address, its root and its users
    #[arg(long, env = "SEDERUNT_READY_FILE", value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// The tenant that is meant [default: the token's own]
    #[arg(long, env = "SEDERUNT_TENANT", value_name = "NAME")]
    pub tenant: Option<String>,
    /// A PEM file with a root to trust over TLS [default: dev's own on this machine]
    #[arg(long, env = "SEDERUNT_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Where a server is and what proves who asks, with every default filled in.
#[derive(Clone, Debug)]
pub struct Target {
    /// The base URL.
    pub server: Url,
    /// The token; none if none was given and the server is not on this machine.
    pub token: Option<String>,
    /// The root to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// What the ready file says, if one was named.
    pub ready: Option<Ready>,
    tenant: Option<String>,
}

impl Connection {
    /// Fills in what was not said.
    pub fn target(&self) -> Result<Target, Fault> {
        let ready = self.ready_file.as_ref().map(read_ready).transpose()?;
        let announced = ready.as_ref().and_then(|ready| ready.http.clone().or_else(|| ready.https.clone()));
        let server = self.server.clone().or(announced).unwrap_or_else(|| SERVER.into());
        let server: Url = server.parse().ok().filter(is_http).ok_or_else(|| {
            Fault::config(format!("'{server}' is no server"), "not an HTTP URL", format!("write it such as {SERVER}"))
        })?;
        let local = is_local(&server);
        let first_user = ready.as_ref().and_then(|ready| ready.users.first()).map(|user| user.token.clone());
        let token = self.token.clone().or(first_user).or_else(|| local.then(|| TOKEN.to_owned()));
        let kept = || Some(state_directory().join("root.pem")).filter(|file| local && file.exists());
        let ca = self.ca.clone().or_else(|| ready.as_ref().and_then(|ready| ready.ca.clone())).or_else(kept);
        Ok(Target { server, token, ca, ready, tenant: self.tenant.clone() })
    }

    /// A client of that server.
    pub fn client(&self) -> Result<Client, Fault> {
        Client::new(self.target()?)
    }
}

fn read_ready(path: &PathBuf) -> Result<Ready, Fault> {
    let what = format!("the ready file {} cannot be used", path.display());
    let fix = "name the file that the server was given with --ready-file, once it is ready";
    let text = std::fs::read(path).map_err(|e| Fault::unreachable(&what, e, fix))?;
    serde_json::from_slice(&text).map_err(|e| Fault::config(what, e, fix))
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// A client of the control API.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    fn new(target: Target) -> Result<Self, Fault> {
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
        most: usize,
    ) -> Result<(Vec<Value>, bool), Fault> {
        self.pages(what, path, (field, "after"), query, most).await
    }

    /// As [`Client::list`], for a list whose pages go on from `next` as `from`.
    pub async fn list_from(
        &self,
        what: &str,
        path: &[&str],
        field: &str,
        most: usize,
    ) -> Result<(Vec<Value>, bool), Fault> {
        self.pages(what, path, (field, "from"), vec![], most).await
    }

    async fn pages(
        &self,
        what: &str,
        path: &[&str],
        (field, cursor): (&str, &'static str),
        query: Vec<(&'static str, String)>,
        most: usize,
    ) -> Result<(Vec<Value>, bool), Fault> {
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
        let response = self.send(what, request).await?;
        let bytes = self.read(what, response).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|e| self.not_ours(what, e))
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

fn chain(error: &reqwest::Error) -> String {
    crate::wiring::chain(error)
}
