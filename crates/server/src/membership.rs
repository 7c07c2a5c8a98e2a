//! What makes this process a node of a cluster: where the others reach it, and what proves to them that it is one.

use std::net::SocketAddr;
use std::path::Path;

use crate::config;
use crate::fault::Fault;
use crate::peers::{PeerTls, Secret, TlsFiles};

/// How this process joins the others that share its store.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The base URL at which they reach it.
    pub address: String,
    /// What all of them share; without it, what the store keeps for them.
    pub secret: Option<Secret>,
    /// The certificate that it shows, and whom it takes.
    pub tls: Option<PeerTls>,
}

/// How a process joins that answers others at `internal`. Refused if others would not find it, or if strangers could read
/// what is said without anybody having meant that.
pub fn joining(node: &config::Node, internal: Option<SocketAddr>) -> Result<Joining, Fault> {
    let Some(internal) = internal else {
        return Err(Fault::config(
            "nodes that share a database must reach one another",
            "node.internal is empty",
            "set node.internal to an address that the other nodes reach, or to 127.0.0.1:7180 for a node alone",
        ));
    };
    if node.beat.is_zero() || node.dead_after < node.beat * 3 {
        return Err(Fault::config(
            "node.dead_after is too short",
            "a node that was only slow to show that it lives would be taken for dead",
            "make it at least three times node.beat",
        ));
    }
    let (secret, tls) = (secret(node)?, tls(node)?);
    if !internal.ip().is_loopback() && secret.is_none() && tls.is_none() {
        return Err(Fault::config(
            format!("{internal} is refused for other nodes without a secret"),
            "whoever reaches it could read what nodes tell one another, and nobody said that the network is to be trusted",
            "set node.tls.cert, node.tls.key and node.tls.ca; or node.secret_file on a network of your own",
        ));
    }
    Ok(Joining { address: address(node, internal, tls.is_some())?, secret, tls })
}

/// Where the others reach a node that answers at `internal`.
fn address(node: &config::Node, internal: SocketAddr, tls: bool) -> Result<String, Fault> {
    let scheme = if tls { "https" } else { "http" };
    let Some(given) = &node.address else {
        if internal.ip().is_unspecified() {
            return Err(Fault::config(
                "the other nodes could not reach this one",
                format!("node.internal is {internal}, which is no address to connect to, and node.address is empty"),
                format!("set node.address, such as \"{scheme}://10.0.0.5:{}\"", internal.port()),
            ));
        }
        return Ok(format!("{scheme}://{internal}"));
    };
    let unfit = |why: &str| {
        let fix = format!("write a base URL such as \"{scheme}://10.0.0.5:{}\"", internal.port());
        Fault::config(format!("node.address cannot be \"{given}\""), why, fix)
    };
    let url = reqwest::Url::parse(given).map_err(|error| unfit(&error.to_string()))?;
    match (url.scheme() == scheme, url.has_host(), url.path() == "/" && url.query().is_none()) {
        (false, ..) => Err(unfit(if tls { "with node.tls it begins with https://" } else { "it begins with http://" })),
        (_, true, true) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err(unfit("it is a host and a port, and nothing after them")),
    }
}

/// TLS between nodes, if it is set up.
pub fn tls(node: &config::Node) -> Result<Option<PeerTls>, Fault> {
    match (&node.tls.cert, &node.tls.key, &node.tls.ca) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(ca)) => PeerTls::from_files(TlsFiles { cert, key, ca }).map(Some),
        _ => Err(Fault::config(
            "TLS between nodes cannot be spoken",
            "not all of node.tls.cert, node.tls.key and node.tls.ca are set",
            "set all of them or none",
        )),
    }
}

fn secret(node: &config::Node) -> Result<Option<Secret>, Fault> {
    let text = match (&node.secret_env, &node.secret_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Fault::config(
                "the node has two secrets",
                "node.secret_env and node.secret_file are both set",
                "set one of them",
            ));
        }
        (Some(variable), None) => std::env::var(variable).map_err(|why| {
            Fault::config(format!("node.secret_env cannot be {variable}"), why, format!("set {variable}"))
        })?,
        (None, Some(file)) => read(file)?,
    };
    Secret::new(text.trim().as_bytes()).map(Some).ok_or_else(|| {
        let why = format!("it has fewer than {} characters", Secret::MIN);
        Fault::config("the node's secret is too short", why, "make one with: openssl rand -hex 32")
    })
}

fn read(file: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(file).map_err(|error| {
        let what = format!("the node's secret cannot be read from {}", file.display());
        Fault::config(what, error, "put the secret there, readable by this user")
    })
}
