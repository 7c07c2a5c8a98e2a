//! An agent's TOML file: its key, what it runs, and, for an import, its RID and all its versions. What is wrong with it
//! is told with its line.

use std::path::Path;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::control::definition::{self, Wrong};
use crate::fault::Fault;
use crate::nearest::nearest;

/// What a file says beside a definition.
const OUTSIDE: [&str; 5] = ["key", "rid", "id", "publish", "versions"];

/// An agent's file.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentFile {
    /// Its key, if it says one.
    pub key: Option<String>,
    /// The RID or UUID that it is to have.
    pub id: Option<String>,
    /// Its versions, oldest first: one, unless the file lists them.
    pub versions: Vec<FileVersion>,
    /// Whether the file lists them.
    pub listed: bool,
}

/// A version in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileVersion {
    /// Whether it is published.
    pub publish: bool,
    /// What it runs, as it is sent.
    pub definition: Value,
}

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<AgentFile, Fault> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Fault::config(format!("cannot read {}", path.display()), e, "check the path"))?;
    parse(&text).map_err(|wrong| {
        let place = match wrong.path.is_empty() {
            true => String::new(),
            false => format!("line {}: {}: ", line_of(&text, &wrong.path), wrong.path.join(".")),
        };
        Fault::config(format!("{} cannot be used", path.display()), format!("{place}{}", wrong.why), wrong.fix)
    })
}

fn parse(text: &str) -> Result<AgentFile, Wrong> {
    let mut file: Map<String, Value> = toml::from_str(text).map_err(|e| {
        let why = e.to_string().trim_end().replace('\n', "\n       ");
        Wrong { path: Vec::new(), why, fix: "correct the line shown".into() }
    })?;
    let key = text_at(&mut file, "key")?;
    let id = match text_at(&mut file, "rid")? {
        Some(rid) => Some(rid),
        None => text_at(&mut file, "id")?,
    };
    let versions = file.remove("versions");
    let listed = versions.is_some();
    let versions = match versions {
        None => vec![version(file, &[])?],
        Some(Value::Array(versions)) => {
            if let Some(stray) = file.keys().next() {
                let fix = "move it into each of the [[versions]]";
                return Err(wrong(&[stray], "not beside a list of versions", fix));
            }
            let read = versions.into_iter().enumerate().map(|(at, value)| match value {
                Value::Object(fields) => version(fields, &["versions".into(), at.to_string()]),
                _ => Err(wrong(&["versions"], "not a list of tables", "write each as [[versions]]")),
            });
            read.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong(&["versions"], "not a list of tables", "write each as [[versions]]")),
    };
    Ok(AgentFile { key, id, versions, listed })
}

fn version(mut fields: Map<String, Value>, path: &[String]) -> Result<FileVersion, Wrong> {
    let at = |wrong: Wrong| Wrong { path: [path, &wrong.path].concat(), ..wrong };
    let publish = match fields.remove("publish") {
        None => false,
        Some(Value::Bool(publish)) => publish,
        Some(_) => return Err(at(wrong(&["publish"], "not true or false", "write publish = true"))),
    };
    let outside: &[&str] = if path.is_empty() { &OUTSIDE } else { &["publish"] };
    if let Some(stranger) = fields.keys().find(|key| !definition::KEYS.contains(&key.as_str())) {
        let known = outside.iter().chain(&definition::KEYS).copied();
        if let Some(meant) = nearest(stranger, known) {
            return Err(at(wrong(&[stranger], "unknown key", &format!("did you mean '{meant}'?"))));
        }
    }
    let definition = Value::Object(fields);
    // Read here too, though the server reads it again: only here are the lines known.
    definition::read(definition.clone()).map_err(at)?;
    Ok(FileVersion { publish, definition })
}

fn text_at(file: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Wrong> {
    match file.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(&[key], "not a text", "write it in quotes")),
    }
}

fn wrong(path: &[&str], why: &str, fix: &str) -> Wrong {
    Wrong { path: path.iter().map(|&p| p.to_owned()).collect(), why: why.into(), fix: fix.into() }
}

/// The line of what `path` leads to, or of the last thing on the way that is there. Lines count from 1.
fn line_of(text: &str, path: &[String]) -> usize {
    let mut at = 0;
    if let Ok(top) = DeTable::parse(text) {
        let mut here = DeValue::Table(top.into_inner());
        for segment in path {
            let next = match here {
                DeValue::Table(table) => {
                    let found = table.into_iter().find(|(key, _)| key.get_ref() == segment);
                    found.map(|(key, value)| (key.span().start, value))
                }
                DeValue::Array(list) => {
                    let found = segment.parse().ok().and_then(|index| list.into_iter().nth(index));
                    found.map(|value| (value.span().start, value))
                }
                _ => None,
            };
            let Some((start, value)) = next else { break };
            at = start;
            here = value.into_inner();
        }
    }
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_key_and_a_definition() {
        let file = parse("key = \"desk\"\nname = \"Desk\"\nsession_ttl = \"24h\"\n").unwrap();
        assert_eq!(file.key.as_deref(), Some("desk"));
        assert_eq!(file.versions.len(), 1);
        assert!(!file.listed && !file.versions[0].publish);
    }

    #[test]
    fn a_file_may_list_all_versions() {
        let text =
            "key = \"desk\"\nrid = \"r\"\n[[versions]]\nname = \"A\"\npublish = true\n[[versions]]\nname = \"B\"\n";
        let file = parse(text).unwrap();
        assert_eq!(file.versions.iter().map(|v| v.publish).collect::<Vec<_>>(), [true, false]);
        assert_eq!(file.id.as_deref(), Some("r"));
    }

    #[test]
    fn a_wrong_key_is_told_with_its_line_and_the_nearest_known_one() {
        let told = |text: &str| {
            let wrong = parse(text).unwrap_err();
            (line_of(text, &wrong.path), wrong.fix)
        };
        assert_eq!(told("kye = \"desk\"\nname = \"Desk\"\n"), (1, "did you mean 'key'?".into()));
        let nested = "name = \"x\"\n\n[parameters.site]\ntype = \"text\"\nacess = \"read\"\n";
        assert_eq!(told(nested), (5, "did you mean 'access'?".into()));
        let listed = "key = \"x\"\n[[versions]]\nname = \"a\"\n[[versions]]\nname = \"b\"\nsugestions = []\n";
        assert_eq!(told(listed), (6, "did you mean 'suggestions'?".into()));
        assert_eq!(told("name = \"x\"\n[limits]\niterations = \"many\"\n").0, 3);
    }
}
