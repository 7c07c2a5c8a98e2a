//! Agents and their versions. The mutable part (enabled, opaque endpoint configuration) is on the agent; what runs is a
//! [`Definition`] inside an immutable version.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Time;
use crate::error::{Error, Kind, Reason, Result};
use crate::id::{AgentId, Key, TenantId};
use crate::item::ToolKind;

/// What a dialect keeps that the core has no word for: an opaque value under the dialect's name, returned as it came.
pub type Opaque = BTreeMap<String, Value>;

/// A named assistant. Unique by key in its tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// The id, from which dialects make theirs.
    pub id: AgentId,
    /// The name in paths and on the command line.
    pub key: Key,
    /// A disabled agent takes no new sessions and no new turns.
    pub enabled: bool,
    /// When it was made.
    pub created: Time,
    /// When it or its versions last changed.
    pub updated: Time,
    /// The highest ordinal given to a version so far; never reused.
    pub ordinal: u32,
    /// The newest version that is not a draft.
    pub latest: Option<u32>,
    /// The newest published version.
    pub published: Option<u32>,
    /// Counts changes to this row; a change names the revision that it read.
    pub revision: i64,
    /// What dialects keep.
    pub extra: Opaque,
}

/// One immutable revision of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentVersion {
    /// The isolation boundary.
    pub tenant: TenantId,
    /// Whose version.
    pub agent: AgentId,
    /// 1, 2, 3…; never reused.
    pub ordinal: u32,
    /// `major.minor`: a save adds a minor, a publish a major.
    pub label: Label,
    /// Whether it came from a publish.
    pub published: bool,
    /// A draft is neither the latest nor ever chosen unless named.
    pub draft: bool,
    /// When it was made.
    pub created: Time,
    /// What runs.
    pub definition: Definition,
}

/// A version's `major.minor` label. Ordered by major, then minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Grows with every publish.
    pub major: u32,
    /// Grows with every save, from 0 at each publish.
    pub minor: u32,
}

impl Label {
    /// The label after this one: `M+1.0` for a publish, `M.n+1` for a save.
    pub fn next(last: Option<Self>, publish: bool) -> Self {
        let last = last.unwrap_or(Self { major: 0, minor: 0 });
        if publish {
            Self { major: last.major + 1, minor: 0 }
        } else {
            Self { major: last.major, minor: last.minor + 1 }
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Label {
    type Err = Error;
    /// Reads `1.0`; refuses `1`, `01.0`, `v1.0`, `+1.0`.
    fn from_str(text: &str) -> Result<Self> {
        let number = |part: &str| {
            let canonical =
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if canonical { part.parse().ok() } else { None }
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: number(major)?, minor: number(minor)? }))
            .ok_or_else(|| Error::malformed("version", "a version is written major.minor, such as 1.0"))
    }
}

impl Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// The one with this ordinal.
    Ordinal(u32),
    /// The one with this label.
    Label(Label),
    /// The newest published one.
    Published,
    /// The newest that is not a draft.
    Latest,
}

/// What a version runs. Read from TOML by `agent create` and kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Definition {
    /// The name that people read.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hint in an empty input field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Inputs that a user interface may offer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
    /// What the model is told before all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Named values that a turn may bring and change.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// Which configured model answers; if absent, the one that the configuration's rules choose by `wants`, else the
    /// default model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the agent's maker wanted to be served by, where that is not a name of ours.
    #[serde(skip_serializing_if = "Wants::is_empty")]
    pub wants: Wants,
    /// How the model shall answer.
    #[serde(skip_serializing_if = "ModelOptions::is_empty")]
    pub options: ModelOptions,
    /// Tools that the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// How long a session lives after its last turn; the dialect's default if absent.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub session_ttl: Option<Duration>,
    /// What happens to input that finds the session busy; the dialect's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_busy: Option<WhenBusy>,
    /// What one turn may use.
    pub limits: Limits,
    /// What dialects keep.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: Opaque,
}

/// What an agent's maker wanted to be served by: names that rules of the configuration turn into a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wants {
    /// A model's name elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Wants {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a model shall answer. What is absent is left to the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// From 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// From 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens of one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// How hard it shall think: a word that the model knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Whether it must, may or must not call tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several tools at the same point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The form of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AnswerFormat>,
}

impl ModelOptions {
    /// Whether all is left to the model.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, and where one is absent, the other's.
    pub fn or(self, other: &Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            max_output_tokens: self.max_output_tokens.or(other.max_output_tokens),
            reasoning_effort: self.reasoning_effort.or_else(|| other.reasoning_effort.clone()),
            tool_choice: self.tool_choice.or_else(|| other.tool_choice.clone()),
            parallel_tool_calls: self.parallel_tool_calls.or(other.parallel_tool_calls),
            format: self.format.or_else(|| other.format.clone()),
        }
    }
}

/// Whether a model must, may or must not call tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(String),
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerFormat {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema accepts. The engine holds the answer back until it is checked; one that fails is asked for
    /// once more, then the turn fails as [`WrongForm`](crate::error::FaultKind::WrongForm).
    JsonSchema {
        /// What the form is called.
        name: String,
        /// The JSON Schema.
        schema: Value,
        /// Whether the model is held to it while it writes, where it can be.
        #[serde(default)]
        strict: bool,
    },
}

/// What one turn may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The longest a turn may run.
    #[serde(with = "whole_seconds")]
    pub turn_timeout: Duration,
    /// How often the model may be asked in one turn.
    pub iterations: u32,
    /// The most tokens a turn may use, by the model's count; no limit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { turn_timeout: Duration::from_secs(600), iterations: 25, tokens: None }
    }
}

/// What happens to input that finds its lane taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// It is refused.
    Reject,
    /// It waits its turn, for a time.
    Queue,
    /// What runs is cancelled, then it runs.
    Interrupt,
    /// It joins what runs, at the loop's next step.
    Steer,
}

/// A named value that a turn may bring, and the agent may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Text, or a reference to data elsewhere.
    #[serde(flatten)]
    pub kind: ParameterKind,
    /// Whether the agent may change it.
    #[serde(default)]
    pub access: Access,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A parameter's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ParameterKind {
    /// A text.
    Text {
        /// The value of a turn that brings none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
    },
    /// A reference to data elsewhere, opaque to us.
    Data {
        /// The kinds of data it may refer to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        expects: Vec<String>,
    },
}

/// Whether the agent may change a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Only callers set it.
    #[default]
    Read,
    /// The agent may change it.
    ReadWrite,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A reference to data elsewhere, opaque to us.
    Data(Value),
}

impl ParameterValue {
    /// The type's name, as in a definition.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Data(_) => "data",
        }
    }
}

impl ParameterKind {
    /// The type's name, as in a definition.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Data { .. } => "data",
        }
    }
}

/// A turn's parameter values by name.
pub type Parameters = BTreeMap<String, ParameterValue>;

/// A tool as the model is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDefinition {
    /// The name by which the model calls it.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON Schema of its arguments.
    #[serde(default)]
    pub arguments: Value,
    /// What sort of tool it is.
    #[serde(default)]
    pub kind: ToolKind,
}

impl Definition {
    /// Checks what a turn brings against what is declared and fills in defaults. `Unknown` or `WrongType` name the
    /// offending parameter.
    pub fn bind(&self, given: Parameters) -> Result<Parameters> {
        for (name, value) in &given {
            match self.parameters.get(name) {
                None => return Err(Error::invalid(name, Reason::Unknown)),
                Some(declared) if declared.kind.type_name() != value.type_name() => {
                    return Err(Error::invalid(
                        name,
                        Reason::WrongType {
                            expected: declared.kind.type_name().into(),
                            received: value.type_name().into(),
                        },
                    ));
                }
                Some(_) => {}
            }
        }
        let mut bound = given;
        for (name, declared) in &self.parameters {
            if let ParameterKind::Text { default: Some(default) } = &declared.kind {
                bound.entry(name.clone()).or_insert_with(|| ParameterValue::Text(default.clone()));
            }
        }
        Ok(bound)
    }

    /// Whether the agent may change this parameter.
    pub fn may_change(&self, parameter: &str) -> bool {
        self.parameters.get(parameter).is_some_and(|p| p.access == Access::ReadWrite)
    }
}

impl Agent {
    /// The ordinal that `version` means here, if it can be told from the agent alone.
    pub fn resolve(&self, version: VersionRef) -> Result<Option<u32>> {
        match version {
            VersionRef::Ordinal(ordinal) => Ok(Some(ordinal)),
            VersionRef::Label(_) => Ok(None),
            VersionRef::Published => {
                self.published.map(Some).ok_or_else(|| Error::not_found(Kind::PublishedVersion, self.id))
            }
            VersionRef::Latest => self.latest.map(Some).ok_or_else(|| Error::not_found(Kind::Version, self.id)),
        }
    }
}

/// A duration as whole seconds.
mod whole_seconds {
    use super::{Deserialize, Duration};

    pub fn serialize<S: serde::Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(value.as_secs())
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_secs)
    }
}

/// An optional duration as whole seconds.
mod seconds {
    use super::{Deserialize, Duration};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub fn serialize<S: serde::Serializer>(value: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(d) => s.serialize_some(&d.as_secs()),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(d)?.map(Duration::from_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_save_adds_a_minor_and_a_publish_a_major() {
        let label = |major, minor| Label { major, minor };
        assert_eq!(Label::next(None, false), label(0, 1));
        assert_eq!(Label::next(None, true), label(1, 0));
        assert_eq!(Label::next(Some(label(1, 4)), false), label(1, 5));
        assert_eq!(Label::next(Some(label(1, 4)), true), label(2, 0));
    }

    #[test]
    fn labels_are_written_one_way_only() {
        assert_eq!("10.0".parse::<Label>().unwrap(), Label { major: 10, minor: 0 });
        for bad in ["1", "01.0", "1.00", "v1.0", "1.0.0", "+1.0", "1.", ".1", "", "99999999999.0"] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_checked_and_defaults_filled_in() {
        let definition: Definition = serde_json::from_value(serde_json::json!({
            "name": "x",
            "parameters": {"site": {"type": "text", "default": "North"}, "set": {"type": "data"}}
        }))
        .unwrap();
        let bound = definition.bind(Parameters::new()).unwrap();
        assert_eq!(bound["site"], ParameterValue::Text("North".into()));
        let one = |name: &str, value| definition.bind([(name.to_owned(), value)].into());
        assert!(matches!(
            one("nope", ParameterValue::Text("x".into())),
            Err(Error::Invalid { reason: Reason::Unknown, .. })
        ));
        assert!(matches!(
            one("set", ParameterValue::Text("x".into())),
            Err(Error::Invalid { reason: Reason::WrongType { .. }, .. })
        ));
    }
}
