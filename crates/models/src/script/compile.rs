//! From a script's text to rules: everything that can be wrong with a script is found here, before it answers anybody.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;

use regex::Regex;
use sederunt_core::error::ModelFault;
use sederunt_core::model::Stop;
use serde_json::Value;

use super::ScriptError;
use super::file::{Chunks, ContextFile, File, RuleFile, StopFile, ToolFile};
use super::matching::Condition;
use super::nearest::nearest;
use super::rule::{ContextText, Fault, Reply, Rule, Tool, Tree};
use super::template::{Flaw, Templates, Text};
use crate::glob::Glob;

/// Collects the rules of one or more scripts.
#[derive(Default)]
pub struct Compiler {
    rules: Vec<Rule>,
    templates: Templates,
}

impl Compiler {
    /// Adds the rules of `text`; says whether the built-in ones shall follow.
    pub fn add(&mut self, text: &str, origin: &str) -> Result<bool, ScriptError> {
        let file: File = toml::from_str(text).map_err(|error| unreadable(origin, text, &error))?;
        for rule in file.rule {
            let line = line_of(text, rule.span().start);
            let index = self.rules.len();
            let rule = self.rule(index, rule.into_inner()).map_err(|(message, suggestion)| ScriptError {
                suggestion,
                ..ScriptError::new(origin, Some(line), format!("in this rule: {message}"))
            })?;
            self.rules.push(rule);
        }
        Ok(file.builtin)
    }

    /// All of them.
    pub fn finish(self) -> (Vec<Rule>, Templates) {
        (self.rules, self.templates)
    }

    fn rule(&mut self, index: usize, file: RuleFile) -> Result<Rule, Flaw> {
        let reply = self.reply(&file)?;
        let refuses = file.refusal.is_some();
        let groups = self.groups(file.tools)?;
        if file.repeat_tools && !groups.iter().flatten().any(|tool| tool.result.is_none()) {
            return Err(flaw("repeat_tools needs a tool without result and error, which the agent must run"));
        }
        Ok(Rule {
            index,
            condition: Condition {
                agent: file.agent.as_deref().map(agent).transpose()?,
                text: file.text.as_deref().map(|text| Regex::new(text).map_err(text_flaw)).transpose()?,
                turn: file.turn,
                iteration: file.iteration,
                output: file.output.as_deref().map(|output| Regex::new(output).map_err(output_flaw)).transpose()?,
                left: file.times.map(AtomicU32::new),
            },
            first_delay: file.first_delay.unwrap_or_default().0,
            delay: file.delay.unwrap_or_default().0,
            reasoning: file.reasoning.map(|text| self.text("reasoning", &text)).transpose()?,
            groups,
            repeat_tools: file.repeat_tools,
            reply,
            refuses,
            usage: file.usage,
            contexts: file
                .contexts
                .map(|list| list.into_iter().map(|context| self.context(context)).collect::<Result<_, _>>())
                .transpose()?,
            parameters: self.table("parameters", file.parameters)?,
            stop: match file.stop {
                None | Some(StopFile::Done) => Stop::Done,
                Some(StopFile::Length) => Stop::Length,
                Some(StopFile::Filtered) => Stop::Filtered,
            },
            fault: file.fault.map(|file| Fault {
                fault: file.kind.kind().map(|kind| ModelFault {
                    kind,
                    message: file.message.unwrap_or_else(|| kind.to_string()),
                    detail: file.detail.unwrap_or_else(|| "as the script says".into()),
                }),
                after: file.after,
            }),
        })
    }

    fn reply(&mut self, file: &RuleFile) -> Result<Reply, Flaw> {
        let by = file.chunks.clone();
        match (&file.reply, &file.json, &file.refusal, by) {
            (None, None, None, Some(Chunks::List(texts))) => {
                texts.iter().map(|text| self.text("chunks", text)).collect::<Result<_, _>>().map(Reply::Listed)
            }
            (None, None, None, _) if file.tools.is_empty() && file.fault.is_none() => {
                Err(flaw("it does nothing: give it a reply, json, a refusal, tools or a fault"))
            }
            (_, _, _, Some(Chunks::List(_))) => {
                Err(flaw("write reply, json or refusal, or a list of chunks, not both"))
            }
            (None, Some(value), None, by) => {
                Ok(Reply::Json(self.tree("json", value.clone())?, by.unwrap_or(Chunks::Word)))
            }
            (reply, None, None, by) | (None, None, reply, by) => {
                let text = self.text("reply", reply.as_deref().unwrap_or_default())?;
                Ok(Reply::Whole(text, by.unwrap_or(Chunks::Word)))
            }
            _ => Err(flaw("write one of reply, json and refusal")),
        }
    }

    fn groups(&mut self, files: Vec<ToolFile>) -> Result<Vec<Vec<Tool>>, Flaw> {
        let mut groups: BTreeMap<u32, Vec<Tool>> = BTreeMap::new();
        for file in files {
            let result = match (file.result, file.error) {
                (Some(_), Some(_)) => return Err(flaw("a tool has a result or an error, not both")),
                (Some(value), None) => Some(Ok(self.tree("result", value)?)),
                (None, Some(text)) => Some(Err(self.text("error", &text)?)),
                (None, None) => None,
            };
            let tool = Tool {
                name: file.name,
                kind: file.kind,
                thought: file.thought.map(|text| self.text("thought", &text)).transpose()?,
                arguments: self.table("arguments", file.arguments)?,
                result,
                delay: file.delay.unwrap_or_default().0,
            };
            groups.entry(file.group).or_default().push(tool);
        }
        Ok(groups.into_values().collect())
    }

    fn context(&mut self, file: ContextFile) -> Result<ContextText, Flaw> {
        match file {
            ContextFile { objects: Some(objects), properties, source: None, version: None, text: None } => {
                Ok(ContextText::Objects {
                    objects: objects.iter().map(|text| self.text("objects", text)).collect::<Result<_, _>>()?,
                    properties: properties.unwrap_or_default(),
                })
            }
            ContextFile { objects: None, properties: None, source: Some(source), version, text: Some(text) } => {
                Ok(ContextText::Passage {
                    source: self.text("source", &source)?,
                    version: self.text("version", version.as_deref().unwrap_or_default())?,
                    text: self.text("text", &text)?,
                })
            }
            _ => Err(flaw("a context is { objects, properties } or { source, version, text }")),
        }
    }

    fn text(&mut self, field: &str, source: &str) -> Result<Text, Flaw> {
        self.templates.add(source).map_err(|(message, hint)| (format!("{field}: {message}"), hint))
    }

    fn table(&mut self, field: &str, table: toml::Table) -> Result<Vec<(String, Tree)>, Flaw> {
        table.into_iter().map(|(name, value)| Ok((name, self.tree(field, value)?))).collect()
    }

    fn tree(&mut self, field: &str, value: toml::Value) -> Result<Tree, Flaw> {
        Ok(match value {
            toml::Value::String(text) => Tree::Text(self.text(field, &text)?),
            toml::Value::Array(items) => {
                Tree::List(items.into_iter().map(|item| self.tree(field, item)).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => Tree::Table(self.table(field, table)?),
            toml::Value::Integer(number) => Tree::Leaf(number.into()),
            toml::Value::Float(number) => Tree::Leaf(number.into()),
            toml::Value::Boolean(yes) => Tree::Leaf(yes.into()),
            toml::Value::Datetime(time) => Tree::Leaf(Value::String(time.to_string())),
        })
    }
}

fn flaw(message: &str) -> Flaw {
    (message.to_owned(), None)
}

fn text_flaw(error: regex::Error) -> Flaw {
    (format!("text: {error}"), None)
}

fn output_flaw(error: regex::Error) -> Flaw {
    (format!("output: {error}"), None)
}

/// The whole key, with `*` for any run of characters and `?` for any one.
fn agent(pattern: &str) -> Result<Glob, Flaw> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*' | '?');
    if pattern.is_empty() || !pattern.chars().all(legal) {
        return Err((format!("agent: '{pattern}' is no key; '*' and '?' may stand for characters of one"), None));
    }
    Glob::new(pattern).map_err(|error| (format!("agent: {error}"), None))
}

fn unreadable(origin: &str, text: &str, error: &toml::de::Error) -> ScriptError {
    let message = error.message();
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with("unknown"));
    ScriptError {
        suggestion: unknown.and_then(|unknown| nearest(unknown, names)),
        ..ScriptError::new(origin, error.span().map(|span| line_of(text, span.start)), message)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
