//! Which rule answers.

use std::sync::atomic::{AtomicU32, Ordering};

use regex::Regex;
use sederunt_core::item::{ItemBody, ToolCall};
use sederunt_core::model::ModelRequest;

/// When a rule fits: all that is given must hold.
#[derive(Debug, Default)]
pub struct Condition {
    pub agent: Option<Regex>,
    pub text: Option<Regex>,
    pub turn: Option<u32>,
    /// How often it may still answer.
    pub left: Option<AtomicU32>,
}

/// Where a turn stands when the model is asked: input that was steered in counts as the input, from there on.
#[derive(Debug)]
pub struct Step<'a> {
    pub request: &'a ModelRequest,
    pub input: &'a str,
    /// What was done about `input` so far.
    pub so_far: &'a [ItemBody],
    /// The rule that began to answer it.
    pub rule: Option<usize>,
}

impl<'a> Step<'a> {
    pub fn of(request: &'a ModelRequest) -> Self {
        let steered = request.so_far.iter().enumerate().rev().find_map(|(at, item)| match item {
            ItemBody::UserMessage { text } => Some((at, text.as_str())),
            _ => None,
        });
        let (input, so_far) = match steered {
            Some((at, text)) => (text, request.so_far.get(at..).unwrap_or_default()),
            None => (request.text.as_str(), request.so_far.as_slice()),
        };
        // The first call's id names the rule, so that nothing has to be remembered between two questions of a turn.
        let rule = calls(so_far).next().and_then(|call| call.call.split('_').nth(1)?.parse().ok());
        Self { request, input, so_far, rule }
    }
}

/// The tool calls among `items`.
pub fn calls(items: &[ItemBody]) -> impl Iterator<Item = &ToolCall> {
    items.iter().filter_map(|item| if let ItemBody::ToolCall(call) = item { Some(call) } else { None })
}

impl Condition {
    /// Whether the conditions hold.
    pub fn fits(&self, step: &Step<'_>) -> bool {
        self.turn.is_none_or(|turn| turn == step.request.turn)
            && self.agent.as_ref().is_none_or(|agent| agent.is_match(step.request.agent.as_str()))
            && self.text.as_ref().is_none_or(|text| text.is_match(step.input))
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
