//! Secrets of agents and sessions: named texts that are kept sealed and never shown again.

use sederunt_core::App;
use serde_json::{Map, Value};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The longest secret, in characters.
const LONGEST: usize = 4_096;

/// The longest name of a secret, in bytes.
const LONGEST_NAME: usize = 255;

/// The most secrets of one agent or session.
const MOST: usize = 100;

/// What is said of secrets: by name the value, or `None` for one that shall go.
pub(crate) type Given<'a> = Vec<(&'a str, Option<&'a str>)>;

/// What a body says of secrets, if it does. `path` names the body's member.
pub(crate) fn read<'a>(body: &Fields<'a>, path: &str) -> Result<Option<Given<'a>>, Failure> {
    let Some(secrets) = body.object(path)? else { return Ok(None) };
    let mut read = Given::new();
    for (name, value) in secrets.map() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            return Err(Failure::invalid(
                path,
                format!("a secret's name has letters, digits, '_' or '-', not '{name}'"),
            ));
        }
        let at = secrets.path(name);
        match value {
            Value::Null => read.push((name.as_str(), None)),
            Value::String(text) if (1..=LONGEST).contains(&text.chars().count()) => {
                read.push((name.as_str(), Some(text.as_str())));
            }
            _ => return Err(must_be(&at, "a string of 1 to 4096 characters")),
        }
    }
    Ok(Some(read))
}

/// Sealed secrets by name, as they are kept, with what a body says of some of them. `owner` is whose they are, such as
/// `agent 0192…`.
pub(crate) fn merged(
    asked: &Asked,
    owner: &str,
    mut kept: Map<String, Value>,
    given: &[(&str, Option<&str>)],
) -> Result<Map<String, Value>, Failure> {
    let ports = asked.app().ports();
    for (name, value) in given {
        match value {
            None => {
                kept.shift_remove(*name);
            }
            Some(secret) => {
                let sealed = ports.vault.seal(&ports.ids, &about(owner, name), secret)?;
                kept.insert((*name).to_owned(), sealed.into());
            }
        }
    }
    if kept.len() > MOST {
        return Err(Failure::invalid("secrets", format!("there can be at most {MOST} secrets")));
    }
    Ok(kept)
}

/// The secrets as they were given.
pub(crate) fn opened(app: &App, owner: &str, kept: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let open = |(name, sealed): (&String, &Value)| {
        let about = about(owner, name);
        let secret = app.ports().vault.open(&about, sealed.as_str().unwrap_or_default())?;
        Ok((name.clone(), secret.into()))
    };
    kept.iter().map(open).collect()
}

/// What a secret is sealed as.
fn about(owner: &str, name: &str) -> String {
    format!("{owner}: {name}")
}

/// The secrets' names, with stars where their values would be.
pub(crate) fn masked(kept: &Map<String, Value>) -> Map<String, Value> {
    kept.keys().map(|name| (name.clone(), "****".into())).collect()
}
