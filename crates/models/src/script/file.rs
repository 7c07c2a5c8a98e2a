//! The shapes of a script file, exactly as written. Every text that says so is a template.

use std::time::Duration;

use sederunt_core::error::FaultKind;
use sederunt_core::item::ToolKind;
use serde::Deserialize;
use serde::de::Error as _;
use toml::{Spanned, Table, Value};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Whether the built-in rules follow.
    #[serde(default = "yes")]
    pub builtin: bool,
    /// The rules; the first that fits answers.
    #[serde(default)]
    pub rule: Vec<Spanned<RuleFile>>,
}

fn yes() -> bool {
    true
}

/// One `[[rule]]`: its conditions (all must hold), then what it does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The agent's key; `*` stands for any run of characters, `?` for any one.
    pub agent: Option<String>,
    /// A regular expression that must match somewhere in the input.
    pub text: Option<String>,
    /// Which turn of the session, from 1.
    pub turn: Option<u32>,
    /// How often the model was asked before in this turn, from 0.
    pub iteration: Option<u32>,
    /// A regular expression that must match somewhere in an output that the caller brings for a tool.
    pub output: Option<String>,
    /// How often the rule answers before it no longer fits; counted over all sessions.
    pub times: Option<u32>,
    /// The answer: a template.
    pub reply: Option<String>,
    /// The answer as JSON: any value; texts in it are templates.
    pub json: Option<Value>,
    /// What is said in place of an answer: a template.
    pub refusal: Option<String>,
    /// How the answer is cut.
    pub chunks: Option<Chunks>,
    /// The wait before anything.
    pub first_delay: Option<Span>,
    /// The wait before each chunk but the first.
    pub delay: Option<Span>,
    /// Thinking aloud, before all else: a template.
    pub reasoning: Option<String>,
    /// Tool calls, before the reply.
    #[serde(default)]
    pub tools: Vec<ToolFile>,
    /// Whether the tools are called again and again, and the reply is never reached.
    #[serde(default)]
    pub repeat_tools: bool,
    /// Token counts.
    pub usage: Option<Counts>,
    /// What retrieval finds; absent means that nothing looks.
    pub contexts: Option<Vec<ContextFile>>,
    /// Parameters that the agent changes, after the reply: a text is a template, anything else is data.
    #[serde(default)]
    pub parameters: Table,
    /// Why the answer ends, if not because it is done.
    pub stop: Option<StopFile>,
    /// How it fails.
    pub fault: Option<FaultFile>,
}

/// One `[[rule.tools]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolFile {
    /// The tool's name.
    pub name: String,
    /// What sort of tool.
    #[serde(default)]
    pub kind: ToolKind,
    /// Why it is called: a template.
    pub thought: Option<String>,
    /// The arguments; texts in them are templates.
    #[serde(default)]
    pub arguments: Table,
    /// What it answers; texts in it are templates. Without this and `error`, the tool itself is run.
    pub result: Option<Value>,
    /// What went wrong: a template.
    pub error: Option<String>,
    /// The wait before its result.
    pub delay: Option<Span>,
    /// Calls of one group are made at once; groups follow each other in rising order.
    #[serde(default)]
    pub group: u32,
}

/// One entry of `contexts`: either `objects` (and `properties`) or `source`, `version` and `text`, templates all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextFile {
    /// Data that is referred to.
    pub objects: Option<Vec<String>>,
    /// Their properties that matter.
    pub properties: Option<Vec<String>>,
    /// Where the passage is from.
    pub source: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The passage.
    pub text: Option<String>,
}

/// `fault = { … }`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// Which.
    pub kind: FaultName,
    /// After how many chunks of the reply; absent means before anything at all.
    pub after: Option<usize>,
    /// What may be told; the kind's own words if absent.
    pub message: Option<String>,
    /// What only the log sees.
    pub detail: Option<String>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the fault kind of that name")]
pub enum FaultName {
    ContextTooLarge,
    Iterations,
    RateLimited,
    RetriesUsedUp,
    DeadlinePassed,
    Refused,
    Unavailable,
    BrokenStream,
    Failed,
    /// It neither goes on nor ends.
    Hang,
}

impl FaultName {
    /// The kind; `None` for a hang, which is the absence of a fault.
    pub fn kind(self) -> Option<FaultKind> {
        Some(match self {
            Self::ContextTooLarge => FaultKind::ContextTooLarge,
            Self::Iterations => FaultKind::Iterations,
            Self::RateLimited => FaultKind::RateLimited,
            Self::RetriesUsedUp => FaultKind::RetriesUsedUp,
            Self::DeadlinePassed => FaultKind::DeadlinePassed,
            Self::Refused => FaultKind::Refused,
            Self::Unavailable => FaultKind::Unavailable,
            Self::BrokenStream => FaultKind::BrokenStream,
            Self::Failed => FaultKind::Failed,
            Self::Hang => return None,
        })
    }
}

/// `stop = …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopFile {
    /// It is done; the same as leaving it out.
    Done,
    /// Cut at the length limit.
    Length,
    /// Cut by a content filter.
    Filtered,
}

/// How a reply is cut. Joined again, the chunks are the reply, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Chunks {
    /// A word with the blanks after it.
    Word,
    /// A character.
    Char,
    /// So many characters.
    Chars(usize),
    /// As listed: templates, in the place of `reply`.
    List(Vec<String>),
}

impl TryFrom<Value> for Chunks {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        const SHAPE: &str = "chunks: write \"word\", \"char\", a number of characters from 1, or a list of texts";
        match value {
            Value::String(name) if name == "word" => Ok(Self::Word),
            Value::String(name) if name == "char" => Ok(Self::Char),
            Value::Integer(n) => usize::try_from(n).ok().filter(|n| *n > 0).map(Self::Chars).ok_or(SHAPE.into()),
            Value::Array(items) => {
                let text = |item| if let Value::String(text) = item { Ok(text) } else { Err(SHAPE.to_owned()) };
                items.into_iter().map(text).collect::<Result<_, _>>().map(Self::List)
            }
            _ => Err(SHAPE.into()),
        }
    }
}

/// Token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Counts {
    /// Words of the input and of what is said.
    Words,
    /// These.
    Fixed(sederunt_core::turn::Usage),
}

impl TryFrom<Value> for Counts {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[derive(Default)]
        struct Fixed {
            input: u64,
            cached: u64,
            output: u64,
            reasoning: u64,
        }
        match value {
            Value::String(name) if name == "words" => Ok(Self::Words),
            Value::Table(table) => {
                let Fixed { input, cached, output, reasoning } =
                    table.try_into().map_err(|error: toml::de::Error| format!("usage: {}", error.message()))?;
                Ok(Self::Fixed(sederunt_core::turn::Usage { input, cached, output, reasoning }))
            }
            _ => Err("usage: write \"words\" or { input = 12, output = 34 }".into()),
        }
    }
}

/// A length of time, written `50ms`, `2s`, `1m` or `1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let millis = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        millis
            .and_then(|unit: u64| number.parse::<u64>().ok()?.checked_mul(unit))
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| {
                D::Error::custom(format!("'{text}' is no duration: write \"50ms\", \"2s\", \"1m\" or \"1h\""))
            })
    }
}
