//! Which server a command speaks to, and as whom: what flags and environment say, a ready file, and, for a server on this
//! machine, what `dev` always uses.

use std::path::PathBuf;

use reqwest::Url;

use crate::commands::client::Client;
use crate::demo::TOKEN;
use crate::fault::Fault;
use crate::ready::Ready;
use crate::root::state_directory;

/// The server that `dev` runs where nothing else is said.
const SERVER: &str = "http://127.0.0.1:7080";
/// The same over TLS.
const TLS_SERVER: &str = "https://localhost:7443";

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
    /// The tenant that is meant, if not the token's own.
    pub tenant: Option<String>,
}

impl Connection {
    /// Fills in what was not said.
    pub fn target(&self) -> Result<Target, Fault> {
        self.fill_in(SERVER, |ready| ready.http.clone().or_else(|| ready.https.clone()))
    }

    /// Fills in what was not said, for clients that want TLS.
    pub fn tls_target(&self) -> Result<Target, Fault> {
        self.fill_in(TLS_SERVER, |ready| ready.https.clone().or_else(|| ready.http.clone()))
    }

    fn fill_in(&self, default: &str, announced: impl Fn(&Ready) -> Option<String>) -> Result<Target, Fault> {
        let ready = self.ready_file.as_ref().map(read_ready).transpose()?;
        let announced = ready.as_ref().and_then(announced);
        let server = self.server.clone().or(announced).unwrap_or_else(|| default.into());
        let server: Url = server.parse().ok().filter(is_http).ok_or_else(|| {
            Fault::config(format!("'{server}' is no server"), "not an HTTP URL", format!("write it such as {SERVER}"))
        })?;
        let local = is_local(&server);
        let first_user = ready.as_ref().and_then(|ready| ready.users.first()).map(|user| user.token.clone());
        let token = self.token.clone().or(first_user).or_else(|| local.then(|| TOKEN.to_owned()));
        let kept = || Some(state_directory().join("root.pem")).filter(|file| local && file.exists());
        let ca = self.ca.clone().or_else(|| ready.as_ref().and_then(|ready| ready.ca.clone())).or_else(kept);
        Ok(Target { server, token, ca, tenant: self.tenant.clone() })
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

/// Whether a server is on this machine.
pub fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}
