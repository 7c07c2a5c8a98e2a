//! Layers of settings: defaults, file, environment, command line. Every value remembers where it came from; a key that
//! does not exist is an error that names the nearest one that does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::fault::Fault;
use crate::nearest::nearest;

/// The defaults, which are also the list of what can be set.
pub const DEFAULTS: &str = include_str!("../../../../config.default.toml");

/// Environment variables that begin like settings but are the command line's own.
const NOT_SETTINGS: [&str; 6] =
    ["SEDERUNT_CONFIG", "SEDERUNT_SERVER", "SEDERUNT_TOKEN", "SEDERUNT_TENANT", "SEDERUNT_CA", "SEDERUNT_READY_FILE"];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `config.default.toml`.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One value and its origin.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Settings by their dotted keys.
#[derive(Clone, Debug)]
pub struct Layers {
    known: BTreeMap<String, Value>,
    settings: BTreeMap<String, Setting>,
}

impl Layers {
    /// The defaults alone.
    pub fn defaults() -> Result<Self, Fault> {
        let table = parse(DEFAULTS, "the defaults")?;
        let mut known = BTreeMap::new();
        flatten("", Value::Table(table), &mut known);
        let settings = known
            .iter()
            .map(|(key, value)| (key.clone(), Setting { value: value.clone(), origin: Origin::Default }))
            .collect();
        Ok(Self { known, settings })
    }

    /// Puts a file's settings over what there is.
    pub fn file(&mut self, path: &Path) -> Result<(), Fault> {
        let named = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Fault::config(format!("cannot read the configuration {named}"), e, "check the path given with --config")
        })?;
        let mut leaves = BTreeMap::new();
        flatten("", Value::Table(parse(&text, &named)?), &mut leaves);
        leaves.into_iter().try_for_each(|(key, value)| self.put(&key, value, Origin::File(path.to_owned())))
    }

    /// Puts the environment over what there is.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<(), Fault> {
        let mut unknown = Vec::new();
        for (name, text) in variables {
            if !name.starts_with("SEDERUNT_") || NOT_SETTINGS.contains(&name.as_str()) {
                continue;
            }
            match self.key_of(&name) {
                Some(key) => self.put_text(&key, &text, Origin::Environment(name))?,
                None => unknown.push(name),
            }
        }
        // A model's key may be kept in a variable of any name, one of ours included.
        let named = |name: &String| self.settings.values().any(|s| s.value.as_str() == Some(name));
        match unknown.iter().find(|name| !named(name)) {
            None => Ok(()),
            Some(name) => {
                let variables: Vec<String> = self.settings.keys().map(|key| variable(key)).collect();
                Err(unknown_name("environment variable", name, variables.iter().map(String::as_str)))
            }
        }
    }

    /// Puts one value from the command line over what there is.
    pub fn flag(&mut self, key: &str, text: &str, flag: impl Into<String>) -> Result<(), Fault> {
        self.put_text(key, text, Origin::Flag(flag.into()))
    }

    /// Every setting by its key.
    pub fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.settings
    }

    /// All settings as one table, and those alone of the defaults and `only`.
    pub(super) fn table(&self, only: Option<&str>) -> Table {
        let mut table = Table::new();
        for (key, setting) in &self.settings {
            let value = match (only, template(key).and_then(|key| self.known.get(&key))) {
                (Some(only), Some(default)) if only != key => default,
                _ => &setting.value,
            };
            insert(&mut table, key, value.clone());
        }
        table
    }

    fn put_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), Fault> {
        let default = template(key).and_then(|key| self.known.get(&key));
        let wrong = |kind: &str| {
            Fault::config(format!("{key} cannot be set to '{text}'"), format!("from {origin}: not {kind}"), fix_of(key))
        };
        let value = match default {
            Some(Value::Boolean(_)) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
            Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
            Some(Value::Array(_)) if text.trim_start().starts_with('[') => {
                let array = format!("it = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("it"));
                array.filter(Value::is_array).ok_or_else(|| wrong("a list"))?
            }
            Some(Value::Array(_)) => {
                Value::Array(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Value::from).collect())
            }
            Some(Value::Table(_)) => {
                let table = format!("it = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("it"));
                table.filter(Value::is_table).ok_or_else(|| wrong("an inline table such as { temperature = 0.2 }"))?
            }
            _ => Value::from(text),
        };
        self.put(key, value, origin)
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), Fault> {
        if template(key).is_none_or(|key| !self.known.contains_key(&key)) {
            let mut fault = unknown_name("setting", key, self.settings.keys().map(String::as_str));
            fault.why = format!("{} (from {origin})", fault.why);
            return Err(fault);
        }
        // A model's section is complete as soon as one of its keys is named.
        if let Some(section) = key.strip_prefix("models.").and_then(|rest| rest.split_once('.')).map(|(name, _)| name) {
            for (known, default) in &self.known {
                if let Some(field) = known.strip_prefix("models.default.") {
                    self.settings
                        .entry(format!("models.{section}.{field}"))
                        .or_insert_with(|| Setting { value: default.clone(), origin: Origin::Default });
                }
            }
        }
        self.settings.insert(key.to_owned(), Setting { value, origin });
        Ok(())
    }

    /// The key that an environment variable sets.
    fn key_of(&self, name: &str) -> Option<String> {
        if let Some(key) = self.settings.keys().find(|key| variable(key) == *name) {
            return Some(key.clone());
        }
        let rest = name.strip_prefix("SEDERUNT_MODELS_")?;
        let fields = self.known.keys().filter_map(|key| key.strip_prefix("models.default."));
        fields
            .filter_map(|field| Some((rest.strip_suffix(&field.to_uppercase())?.strip_suffix('_')?, field)))
            // The longest field wins: of `X_API_KEY_FILE`, `api_key_file` and not `file`.
            .max_by_key(|(_, field)| field.len())
            .filter(|(model, _)| !model.is_empty())
            .map(|(model, field)| format!("models.{}.{field}", model.to_lowercase()))
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("SEDERUNT_{}", key.replace('.', "_").to_uppercase())
}

/// Where to read about a key.
pub(super) fn fix_of(key: &str) -> String {
    format!("see {key} in docs/configuration.md")
}

/// The key under which the defaults know `key`: `models.any.file` is known as `models.default.file`.
fn template(key: &str) -> Option<String> {
    match key.strip_prefix("models.") {
        None => Some(key.to_owned()),
        Some(rest) => {
            let (name, field) = rest.split_once('.')?;
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            (!name.is_empty() && name.bytes().all(legal)).then(|| format!("models.default.{field}"))
        }
    }
}

/// Whether the key holds a table whose names are not ours to know.
fn is_free(key: &str) -> bool {
    template(key).is_some_and(|key| key == "models.default.body")
}

fn parse(text: &str, named: &str) -> Result<Table, Fault> {
    text.parse::<Table>().map_err(|e| {
        Fault::config(
            format!("{named} is not TOML"),
            e.to_string().trim_end().replace('\n', "\n       "),
            "correct the line shown",
        )
    })
}

fn flatten(prefix: &str, value: Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) if !is_free(prefix) => {
            for (name, value) in table {
                let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(&key, value, into);
            }
        }
        leaf => {
            into.insert(prefix.to_owned(), leaf);
        }
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let below = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(below) = below {
                insert(below, rest, value);
            }
        }
    }
}

fn unknown_name<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Fault {
    let fix = match nearest(name, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "`sederunt config show` lists every setting".to_owned(),
    };
    Fault::config(format!("unknown {kind} {name}"), "nothing reads it, so it would do nothing", fix)
}
