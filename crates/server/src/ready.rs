//! The ready file: where the server listens and what a client needs to use it, written once it can serve.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a test or a script needs to know of a running server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Base URL over plain HTTP, if it is served.
    pub http: Option<String>,
    /// Base URL over TLS, if it is served.
    pub https: Option<String>,
    /// The PEM file of the root that `https` is signed under, if it is ours.
    pub ca: Option<PathBuf>,
    /// The console's URL, if there is one.
    pub console: Option<String>,
    /// The process.
    pub pid: u32,
    /// The release.
    pub version: String,
    /// Development users.
    pub users: Vec<User>,
    /// Demonstration agents.
    pub agents: Vec<Agent>,
    /// The development application.
    pub oauth: Option<OAuth>,
    /// Base URL where other nodes are answered, and /metrics, if that is apart from the APIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<String>,
}

/// A development user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct User {
    pub name: String,
    pub token: String,
}

/// A demonstration agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct Agent {
    pub key: String,
    pub rid: String,
    pub name: String,
    pub versions: Vec<String>,
}

/// The development application.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct OAuth {
    pub client_id: String,
    pub client_secret: String,
    /// The application that has no secret and uses PKCE.
    pub public_client_id: String,
    /// One of the addresses to which both may send their users back.
    pub redirect_uri: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Ready {
    /// Writes the file in one step: whoever sees it sees all of it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        write_whole(path, &text)
    }
}

/// Writes a file in one step, beside its place first.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    let file = file.persist(path).map_err(|e| e.error)?;
    readable(&file)
}

/// Temporary files are made for their owner alone; this one is for everybody who may enter its folder.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}
