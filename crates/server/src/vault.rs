//! The vault's key: from the environment or a file; in a development server, one of its own beside the data.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sederunt_core::id::Ids;
use sederunt_core::vault::Vault;

use crate::config;
use crate::fault::Fault;

/// Where a development server keeps its own key, in the data directory.
const OWN: &str = "secrets.key";

/// What a server does that was given no key.
#[derive(Clone)]
pub enum OwnKey {
    /// Without one.
    None,
    /// With one of its own in this data directory, made if it is not there.
    In(PathBuf),
    /// With one that the nodes of its database share.
    Shared([u8; 32]),
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::In(_) => "In(..)",
            Self::Shared(_) => "Shared(..)",
        })
    }
}

/// The vault that `[secrets]` describes; without a key there, that of `own`.
pub fn vault(config: &config::Secrets, own: OwnKey, ids: &Ids) -> Result<Vault, Fault> {
    let text = match (&config.key_env, &config.key_file) {
        (Some(_), Some(_)) => {
            return Err(Fault::config(
                "secrets has two keys",
                "secrets.key_env and secrets.key_file are both set",
                "set one of them",
            ));
        }
        (Some(variable), None) => std::env::var(variable).map_err(|why| {
            Fault::config(format!("secrets.key_env cannot be {variable}"), why, format!("set {variable}"))
        })?,
        (None, Some(file)) => read(file)?,
        (None, None) => match own {
            OwnKey::In(directory) => own_key(&directory.join(OWN), ids)?,
            OwnKey::Shared(bytes) => hex(&bytes),
            OwnKey::None => return Ok(Vault::without_key()),
        },
    };
    Vault::new(text.trim_end()).ok_or_else(|| {
        let why = format!("it has fewer than {} characters", Vault::KEY_MIN);
        Fault::config("the key for secrets is too short", why, "make one with: openssl rand -hex 32")
    })
}

fn read(file: &Path) -> Result<String, Fault> {
    fs::read_to_string(file).map_err(|error| {
        let what = format!("the key for secrets cannot be read from {}", file.display());
        Fault::config(what, error, "put the key there, readable by this user")
    })
}

/// The key in this file, which is made if it is not there.
fn own_key(file: &Path, ids: &Ids) -> Result<String, Fault> {
    if file.exists() {
        return read(file);
    }
    let text = hex(&ids.secret());
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    match write() {
        Ok(()) => Ok(text),
        Err(error) => {
            let what = format!("the key for secrets cannot be written to {}", file.display());
            Err(Fault::unreachable(what, error, "give this user the right to write there"))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sederunt_core::id::SystemChance;

    use super::*;

    #[test]
    fn a_development_server_keeps_one_key_in_its_data_directory() {
        let directory = tempfile::tempdir().unwrap();
        let ids = Ids::new(Arc::new(SystemChance));
        let none = config::Secrets { key_env: None, key_file: None };
        let own = || OwnKey::In(directory.path().to_owned());
        let sealed = vault(&none, own(), &ids).unwrap().seal(&ids, "a", "b").unwrap();
        assert_eq!(vault(&none, own(), &ids).unwrap().open("a", &sealed).unwrap(), "b");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(directory.path().join(OWN)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(vault(&none, OwnKey::None, &ids).unwrap().seal(&ids, "a", "b").is_err());
    }
}
