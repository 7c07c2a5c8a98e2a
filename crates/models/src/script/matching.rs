//! Which rule answers.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use regex::Regex;
use sederunt_core::item::{ItemBody, ToolCall, ToolResult};
use sederunt_core::model::ModelRequest;
use serde_json::Value;

use crate::glob::Glob;

/// When a rule fits: all that is given must hold.
#[derive(Debug, Default)]
pub struct Condition {
    pub agent: Option<Glob>,
    pub text: Option<Regex>,
    pub turn: Option<u32>,
    pub iteration: Option<u32>,
    /// Must match an output that the caller brings.
    pub output: Option<Regex>,
    /// How often it may still answer.
    pub left: Option<AtomicU32>,
}

/// Where a turn stands when the model is asked. Input that was steered in counts as the input, from there on; in a turn
/// that brings outputs of tools and no text, the user's last words count, and what was done about them since.
#[derive(Debug)]
pub struct Step<'a> {
    pub request: &'a ModelRequest,
    pub input: &'a str,
    /// What was done about `input` so far.
    pub so_far: Vec<&'a ItemBody>,
    /// The outputs that the caller brings.
    pub brought: Vec<&'a ItemBody>,
    /// How many calls there have been; numbers the next.
    pub calls: usize,
    /// Of the rule that began to answer `input`, by the first call's id: so nothing has to be remembered between two
    /// questions.
    pub begun_by: Option<CallId>,
}

/// A call's id: the rule that made it, and how many calls there were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId {
    pub rule: usize,
    pub number: usize,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call_{}_{}", self.rule, self.number)
    }
}

impl CallId {
    /// Reads what [`Display`](fmt::Display) writes; anything else is nobody's or another model's.
    fn read(text: &str) -> Option<Self> {
        let (rule, number) = text.strip_prefix("call_")?.split_once('_')?;
        Some(Self { rule: rule.parse().ok()?, number: number.parse().ok()? })
    }
}

impl<'a> Step<'a> {
    pub fn of(request: &'a ModelRequest) -> Self {
        let answered = |item: &ItemBody| matches!(item, ItemBody::AgentMessage { .. } | ItemBody::Refusal { .. });
        let news = request.input.iter().rposition(answered).map_or(0, |at| at + 1);
        let brought: Vec<_> = request.input.iter().skip(news).filter(|item| result(item).is_some()).collect();
        let outputs_only = !brought.is_empty() && request.input.iter().all(|item| item.user_text().is_none());
        // The line is looked at only where a turn goes on with what an earlier one began.
        let line = if outputs_only { request.line.as_slice() } else { &[] };
        let all: Vec<_> = line.iter().chain(&request.input).chain(&request.so_far).collect();
        let steered = request.so_far.iter().rev().find_map(ItemBody::user_text);
        let last = all.iter().rposition(|item| item.user_text().is_some());
        let input = match (steered, last.and_then(|at| all.get(at))) {
            (Some(text), _) => text,
            (None, Some(item)) if outputs_only => item.user_text().unwrap_or_default(),
            _ => request.text.as_str(),
        };
        let since = all.get(last.map_or(0, |at| at + 1)..).unwrap_or_default();
        let missed = brought.iter().filter(|item| steered.is_none() && !since.iter().any(|i| std::ptr::eq(*i, **item)));
        let so_far: Vec<_> = missed.chain(since).copied().collect();
        let begun_by = calls(&so_far).next().and_then(|call| CallId::read(&call.call));
        Self { request, input, calls: calls(&all).count(), brought, begun_by, so_far }
    }
}

/// The tool calls among `items`.
pub fn calls<'a>(items: &[&'a ItemBody]) -> impl Iterator<Item = &'a ToolCall> {
    items.iter().filter_map(|item| if let ItemBody::ToolCall(call) = item { Some(call) } else { None })
}

fn result(item: &ItemBody) -> Option<&ToolResult> {
    if let ItemBody::ToolResult(result) = item { Some(result) } else { None }
}

impl Condition {
    /// Whether the conditions hold.
    pub fn fits(&self, step: &Step<'_>) -> bool {
        self.turn.is_none_or(|turn| turn == step.request.turn)
            && self.iteration.is_none_or(|iteration| iteration == step.request.iteration)
            && self.agent.as_ref().is_none_or(|agent| agent.fits(step.request.agent.as_str()))
            && self.text.as_ref().is_none_or(|text| text.is_match(step.input))
            && self
                .output
                .as_ref()
                .is_none_or(|output| step.brought.iter().copied().filter_map(result).any(|result| told(result, output)))
    }

    /// Whether `times` is not used up; `uses` takes one of them.
    pub fn available(&self, uses: bool) -> bool {
        match &self.left {
            None => true,
            Some(left) if uses => {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            }
            Some(left) => left.load(Ordering::Relaxed) > 0,
        }
    }

    /// The groups of the match by number and name; a group that took no part is empty.
    pub fn captures(&self, input: &str) -> minijinja::Value {
        type Pair = (minijinja::Value, minijinja::Value);
        let Some((regex, found)) = self.text.as_ref().and_then(|regex| Some((regex, regex.captures(input)?))) else {
            return minijinja::Value::from_pairs([(0, input)]);
        };
        let mut groups: Vec<Pair> = Vec::new();
        for (at, name) in regex.capture_names().enumerate() {
            let group = found.get(at).map_or("", |group| group.as_str());
            groups.push((at.into(), group.into()));
            groups.extend(name.map(|name| (name.into(), group.into())));
        }
        minijinja::Value::from_pairs(groups)
    }
}

fn told(result: &ToolResult, pattern: &Regex) -> bool {
    match &result.output {
        Ok(Value::String(text)) | Err(text) => pattern.is_match(text),
        Ok(value) => pattern.is_match(&value.to_string()),
    }
}
