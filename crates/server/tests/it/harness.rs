//! A server for a test: development users and agents, a clock and a source of chance that the test holds, a data
//! directory that outlives a restart. Tests speak to it over HTTP, as [`Persona`]s.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sederunt_core::app::App;
use sederunt_core::caller::Grants;
use sederunt_core::clock::{Clock, ClockSetting, MovableClock, SystemTimer, Time};
use sederunt_core::id::SeededChance;
use sederunt_core::tokens::NewKey;
use sederunt_server::commands::dev;
use sederunt_server::config::{Config, Layers};
use sederunt_server::ready::{Agent, Ready, User};
use sederunt_server::runtime::{Left, Listen, Server, Under};
use sederunt_server::wiring::Ground;
use sederunt_store::Durability;
use serde_json::Value;
use tempfile::TempDir;

/// When the clock of a test starts.
pub const START: &str = "2026-01-02T03:04:05Z";

/// A running development server. Build it with [`House::new`] and start it with [`Plan::start`].
pub struct House {
    server: Server,
    plan: Plan,
    pub ready: Ready,
    client: Client,
}

/// What a server is started from; kept for its restart.
pub struct Plan {
    settings: Vec<(String, String)>,
    script: Option<String>,
    https: bool,
    development: bool,
    folder: TempDir,
    /// The database that it keeps its data in, instead of the folder.
    database: Option<String>,
    clock: Arc<MovableClock>,
    seed: u64,
}

impl House {
    /// A plan: the built-in script, the clock running from [`START`], plain HTTP.
    #[expect(clippy::new_ret_no_self, reason = "a house begins as a plan")]
    pub fn new() -> Plan {
        Plan {
            settings: Vec::new(),
            script: None,
            https: false,
            development: true,
            folder: tempfile::tempdir().unwrap(),
            database: None,
            clock: Arc::new(MovableClock::new(Some(Time::parse(START).unwrap()))),
            seed: 1,
        }
    }

    /// A server with nothing special about it.
    pub async fn start() -> Self {
        Self::new().start().await
    }

    /// The application, for what no API tells.
    pub fn app(&self) -> &App {
        self.server.app()
    }

    /// The server's handle.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The agent with this key.
    pub fn agent(&self, key: &str) -> &Agent {
        self.ready.agents.iter().find(|agent| agent.key == key).unwrap()
    }

    /// The development user alice.
    pub fn alice(&self) -> Persona {
        self.user("alice")
    }

    /// The development user bob.
    pub fn bob(&self) -> Persona {
        self.user("bob")
    }

    /// Somebody without a credential.
    pub fn stranger(&self) -> Persona {
        self.bearing(None)
    }

    /// Whoever holds this secret.
    pub fn holder(&self, secret: &str) -> Persona {
        self.bearing(Some(secret.to_owned()))
    }

    fn user(&self, name: &str) -> Persona {
        let user = self.ready.users.iter().find(|user| user.name == name).unwrap();
        self.holder(&user.token)
    }

    fn bearing(&self, token: Option<String>) -> Persona {
        let base = self.ready.https.clone().or_else(|| self.ready.http.clone()).unwrap();
        Persona { client: self.client.clone(), base, token }
    }

    /// Moves the clock on, and sweeps what has expired by then.
    pub async fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_nanos()).unwrap();
        let to = match self.plan.clock.setting() {
            ClockSetting::Offset(offset) => ClockSetting::Offset(offset + by),
            ClockSetting::Held(at) => ClockSetting::Held(Time::from_nanos(at.nanos() + by)),
        };
        self.plan.clock.set(to).unwrap();
        self.app().sweep().await.unwrap();
    }

    /// Stops in order and starts again on the same data, with the same clock.
    pub async fn restart(self) -> Self {
        let Self { server, mut plan, .. } = self;
        server.stop().await;
        // A seed that began again would draw ids that are taken.
        plan.seed += 1;
        plan.start().await
    }

    /// Where its data is, as a setting.
    pub fn store_url(&self) -> String {
        self.plan.store_url()
    }

    /// Stops in order and keeps the data for as long as what is returned.
    pub async fn keep_data(self) -> TempDir {
        self.server.stop().await;
        self.plan.folder
    }

    /// Stops in order.
    pub async fn stop(self) -> Left {
        self.server.stop().await
    }
}

impl Plan {
    /// With this setting, as on the command line.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Answering from this script.
    pub fn script(mut self, text: &str) -> Self {
        self.script = Some(text.into());
        self
    }

    /// Over TLS, under its own root.
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// As `serve` runs it: nothing is there but alice's key, which may do everything.
    pub fn in_earnest(mut self) -> Self {
        self.development = false;
        self
    }

    /// With a clock that stands still until it is moved.
    pub fn held(self) -> Self {
        self.clock.set(ClockSetting::Held(Time::parse(START).unwrap())).unwrap();
        self
    }

    /// On this database, as the node of this number: others may be on it too.
    pub fn on(mut self, url: &str, number: u64) -> Self {
        self.database = Some(url.to_owned());
        self.seed = number * 1_000;
        self
    }

    fn store_url(&self) -> String {
        if let Some(url) = &self.database {
            return url.clone();
        }
        format!("sqlite:{}", self.folder.path().join("data").display())
    }

    /// The configuration that it comes to; the environment has no say.
    fn config(&self) -> Config {
        let mut layers = Layers::defaults().unwrap();
        let path = |name| self.folder.path().join(name).display().to_string();
        layers.flag("store.url", &self.store_url(), "test").unwrap();
        layers.flag("http.drain", "5s", "test").unwrap();
        if let Some(script) = &self.script {
            std::fs::write(path("script.toml"), script).unwrap();
            layers.flag("models.default.file", &path("script.toml"), "test").unwrap();
        }
        for (key, value) in &self.settings {
            layers.flag(key, value, "test").unwrap();
        }
        Config::read(&layers).unwrap()
    }

    /// Starts it on free ports.
    pub async fn start(self) -> House {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut listen = Listen { http: Some(any), ..Listen::default() };
        listen.internal = self.database.is_some().then_some(any);
        if self.https {
            listen.https = Some((any, Under::Root(self.folder.path().to_owned())));
        }
        let ground = Ground {
            clock: self.clock.clone(),
            timer: Arc::new(SystemTimer::default()),
            chance: Arc::new(SeededChance::new(self.seed)),
            durability: Durability::Off,
            development: self.development,
        };
        let server = Server::start(&self.config(), &ground, listen).await.unwrap();
        let ready = if self.development { dev::ready(&server).await.unwrap() } else { in_earnest(&server).await };
        let client = client(ready.ca.as_deref());
        House { server, plan: self, ready, client }
    }
}

/// What tests know of a server that development has put nothing in.
async fn in_earnest(server: &Server) -> Ready {
    let new = NewKey { user: "alice".into(), name: "first".into(), grants: Grants::all(), life: None };
    let (token, _) = server.app().tokens().first_key(&"default".into(), new).await.unwrap();
    Ready {
        http: server.http.map(|at| format!("http://{at}")),
        https: server.https.map(|at| format!("https://{at}")),
        ca: server.ca.clone(),
        console: None,
        pid: std::process::id(),
        version: String::new(),
        users: vec![User { name: "alice".into(), token }],
        agents: Vec::new(),
        oauth: None,
        internal: server.internal_url(),
    }
}

/// A client that trusts nothing, for plain HTTP.
pub fn plain_client() -> Client {
    client(None)
}

/// A client that trusts this root and nothing else.
pub fn client(ca: Option<&Path>) -> Client {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = ca {
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Where an answer sends one is for the test to see.
    Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none()).build().unwrap()
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Persona {
    client: Client,
    base: String,
    token: Option<String>,
}

impl Persona {
    /// A request to be completed and sent by the test itself: streams, odd headers.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        Reply::of(self.request(Method::PUT, path).json(&body)).await
    }
}

/// A whole answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// Sends a request and reads its answer whole.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The body as JSON, if the status is this one.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        self.expect(status);
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.body)
    }
}
