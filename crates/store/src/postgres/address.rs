//! The address of a database: one URL with any number of hosts, read into one connection's settings for each of them.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::DatabaseError;

/// How long one host may take until it has accepted a connection, unless the URL says.
const CONNECT: Duration = Duration::from_secs(2);

/// How long the network may keep silent about what was sent before the connection counts as lost, unless the URL says.
const SILENCE: Duration = Duration::from_secs(10);

/// How far the server's certificate is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// There is no TLS.
    Plain,
    /// TLS with whoever answers.
    Anyone,
    /// The certificate is signed by a known authority.
    Authority,
    /// It is, and it names the host.
    Name,
}

/// The files that TLS needs.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    /// The authorities' certificates; the system's if none.
    pub(super) root: Option<PathBuf>,
    /// The client's certificate.
    pub(super) certificate: Option<PathBuf>,
    /// The client's key.
    pub(super) key: Option<PathBuf>,
}

/// Where a database is and how it is talked to.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The hosts in the order of the URL, each with its name for people.
    pub(super) hosts: Vec<(String, Config)>,
    pub(super) trust: Trust,
    pub(super) files: TlsFiles,
    pub(super) connect: Duration,
}

impl Address {
    /// Reads `postgres://user@host1:port1,host2/database?sslmode=…`.
    pub(super) fn parse(url: &str) -> Result<Self, DatabaseError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("it does not begin with postgres://"));
        }
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        if !place.contains('@') && query.contains('@') {
            // What follows may be the rest of a password, which no error is to quote.
            return Err(wrong("a question mark or an @ that means itself is written %3F or %40"));
        }
        let mut files = TlsFiles::default();
        let mut mode = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a parameter has no value"))?;
            let value = || decoded(value).ok_or_else(|| wrong(format!("the value of {name} is not escaped rightly")));
            match name {
                "sslmode" => mode = Some(value()?),
                "sslrootcert" => files.root = Some(value()?).filter(|value| value != "system").map(PathBuf::from),
                "sslcert" => files.certificate = Some(value()?.into()),
                "sslkey" => files.key = Some(value()?.into()),
                "target_session_attrs" if value()? != "read-write" => {
                    return Err(wrong("target_session_attrs can only be read-write: every node writes"));
                }
                _ => rest.push(pair),
            }
        }
        let read: Config = format!("{place}?{}", rest.join("&")).parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            wrong(why)
        })?;
        let (ssl, trust) = match mode.as_deref() {
            None if files.root.is_some() => (SslMode::Require, Trust::Name),
            Some("disable") => (SslMode::Disable, Trust::Plain),
            None | Some("prefer") => (SslMode::Prefer, Trust::Anyone),
            Some("require") if files.root.is_some() => (SslMode::Require, Trust::Authority),
            Some("require") => (SslMode::Require, Trust::Anyone),
            Some("verify-ca") => (SslMode::Require, Trust::Authority),
            Some("verify-full") => (SslMode::Require, Trust::Name),
            Some(_) => return Err(wrong("sslmode is one of disable, prefer, require, verify-ca, verify-full")),
        };
        if read.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        let connect = read.get_connect_timeout().copied().unwrap_or(CONNECT);
        let hosts = (0..read.get_hosts().len()).filter_map(|at| host(&read, at, ssl)).collect();
        Ok(Self { hosts, trust, files, connect })
    }

    /// The hosts for people to read.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

/// The settings for one host among those that were read together.
fn host(read: &Config, at: usize, ssl: SslMode) -> Option<(String, Config)> {
    let mut config = Config::new();
    let ports = read.get_ports();
    let port = ports.get(at).or(ports.first().filter(|_| ports.len() == 1)).copied().unwrap_or(5432);
    let name = match read.get_hosts().get(at)? {
        Host::Tcp(name) => {
            config.host(name);
            format!("{name}:{port}")
        }
        Host::Unix(path) => {
            config.host_path(path);
            format!("{}:{port}", path.display())
        }
    };
    config.port(port);
    if let Some(address) = read.get_hostaddrs().get(at) {
        config.hostaddr(*address);
    }
    read.get_user().map(|user| config.user(user));
    read.get_password().map(|password| config.password(password));
    read.get_dbname().map(|name| config.dbname(name));
    read.get_options().map(|options| config.options(options));
    config.application_name(read.get_application_name().unwrap_or("sederunt"));
    config.ssl_mode(ssl).ssl_negotiation(read.get_ssl_negotiation()).channel_binding(read.get_channel_binding());
    config.connect_timeout(read.get_connect_timeout().copied().unwrap_or(CONNECT));
    config.tcp_user_timeout(read.get_tcp_user_timeout().copied().unwrap_or(SILENCE));
    config.keepalives(read.get_keepalives());
    config.keepalives_idle(read.get_keepalives_idle().min(SILENCE / 2));
    config.keepalives_interval(read.get_keepalives_interval().unwrap_or(Duration::from_secs(2)));
    config.keepalives_retries(read.get_keepalives_retries().unwrap_or(3));
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Some((name, config))
}

fn wrong(why: impl Into<String>) -> DatabaseError {
    DatabaseError::Url { why: why.into() }
}

/// A value of the query, less its percent escapes.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_settings_of_its_own() {
        let url =
            "postgres://ann:secret@one,two:6000/talk?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=3";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.names(), "one:5432, two:6000");
        assert_eq!((address.trust, address.connect), (Trust::Name, Duration::from_secs(3)));
        assert_eq!(address.files.root, Some(PathBuf::from("/etc/ca.pem")));
        for (_, config) in &address.hosts {
            assert_eq!(config.get_hosts().len(), 1);
            assert_eq!(config.get_password(), Some(b"secret".as_slice()));
            assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in [
            "mysql://x",
            "postgres://ann:hunter2@/?sslmode=maybe",
            "postgres://ann:hunter2@h/d?nothing=1",
            "postgres://ann:hunter2@h/d?sslcert=%zz",
            "postgres://ann:hunter2@h/d?target_session_attrs=any",
            "postgres://ann:hunter2@h:port/d",
            "postgres://ann:?hunter2@h/d?a=b",
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.len() > 30, "{error}");
        }
    }
}
