//! Which rule answers, and what it then does.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use regex::Regex;
use sederunt_core::agent::ParameterValue;
use sederunt_core::error::ModelFault;
use sederunt_core::item::{Context, ItemBody, ToolCall, ToolKind, ToolResult};
use sederunt_core::model::{ModelEvent, ModelRequest, Stop};
use sederunt_core::turn::Usage;
use serde_json::{Map, Value};

use super::file::{Chunks, Counts};
use super::play::{Chunked, Move, Moves};
use super::template::{Templates, Text, Variables};

/// One rule, ready to use.
#[derive(Debug)]
pub struct Rule {
    pub index: usize,
    pub agent: Option<Regex>,
    pub text: Option<Regex>,
    pub turn: Option<u32>,
    pub left: Option<AtomicU32>,
    pub first_delay: Duration,
    pub delay: Duration,
    pub reasoning: Option<Text>,
    pub groups: Vec<Vec<Tool>>,
    pub repeat_tools: bool,
    pub reply: Reply,
    pub usage: Option<Counts>,
    pub contexts: Option<Vec<ContextText>>,
    pub parameters: Vec<(String, Tree)>,
    pub stop: Stop,
    pub fault: Option<Fault>,
}

/// A tool call to make.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
    pub kind: ToolKind,
    pub thought: Option<Text>,
    pub arguments: Vec<(String, Tree)>,
    /// `None`: the engine runs the tool.
    pub result: Option<Result<Tree, Text>>,
    pub delay: Duration,
}

/// What is said, and how it is cut.
#[derive(Debug)]
pub enum Reply {
    Whole(Text, Chunks),
    Listed(Vec<Text>),
}

/// A value whose texts are templates.
#[derive(Debug)]
pub enum Tree {
    Text(Text),
    Leaf(Value),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

/// A piece of context to be filled in.
#[derive(Debug)]
pub enum ContextText {
    Objects { objects: Vec<Text>, properties: Vec<String> },
    Passage { source: Text, version: Text, text: Text },
}

/// How a rule fails. Without a fault it hangs; without `after`, before anything.
#[derive(Debug)]
pub struct Fault {
    pub fault: Option<ModelFault>,
    pub after: Option<usize>,
}

/// Where a turn stands when the model is asked: input that was steered in counts as the input, from there on.
#[derive(Debug)]
pub struct Step<'a> {
    pub request: &'a ModelRequest,
    pub input: &'a str,
    /// What was done about `input` so far.
    so_far: &'a [ItemBody],
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

fn calls(items: &[ItemBody]) -> impl Iterator<Item = &ToolCall> {
    items.iter().filter_map(|item| if let ItemBody::ToolCall(call) = item { Some(call) } else { None })
}

impl Rule {
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

    /// What retrieval finds.
    pub fn contexts(&self, templates: &Templates, step: &Step<'_>) -> Result<Option<Vec<Context>>, ModelFault> {
        let Some(contexts) = &self.contexts else { return Ok(None) };
        let with = self.variables(step).fill();
        let fill = |text: &Text| templates.fill(text, &with);
        let context = |context: &ContextText| {
            Ok(match context {
                ContextText::Objects { objects, properties } => Context::Objects {
                    objects: objects.iter().map(fill).collect::<Result<_, _>>()?,
                    properties: properties.clone(),
                },
                ContextText::Passage { source, version, text } => {
                    Context::Passage { source: fill(source)?, version: fill(version)?, text: fill(text)? }
                }
            })
        };
        contexts.iter().map(context).collect::<Result<_, _>>().map(Some)
    }

    /// What the rule does at this step: calls of the groups that are due, up to one whose results only the engine can
    /// give; after the last group, the reply.
    pub fn perform(&self, templates: &Templates, step: &Step<'_>) -> Result<Moves, ModelFault> {
        let mut moves = vec![Move::Wait(self.first_delay)];
        if let Some(Fault { fault, after: None }) = &self.fault {
            moves.push(fault.clone().map_or(Move::Hang, Move::Fail));
            return Ok(Box::new(moves.into_iter()));
        }

        let mut variables = self.variables(step);
        let mut with = variables.fill();
        let mut said = 0;
        let begun = calls(step.so_far).count();
        if let Some(reasoning) = self.reasoning.as_ref().filter(|_| begun == 0) {
            let text = templates.fill(reasoning, &with)?;
            said += words(&text);
            moves.push(Move::Say(ModelEvent::Reasoning(text)));
        }

        let mut number = calls(&step.request.so_far).count();
        let mut done = if self.repeat_tools { 0 } else { begun };
        let mut made = 0;
        for group in &self.groups {
            if done >= group.len() {
                done -= group.len();
                continue;
            }
            let mut open = false;
            for tool in group {
                let call = tool.call(templates, &with, format!("call_{}_{number}", self.index), made)?;
                number += 1;
                moves.push(Move::Say(ModelEvent::ToolCall(call.clone())));
                match tool.result(templates, &with, &call)? {
                    Some(result) => {
                        variables.found(&call, &result);
                        moves.extend([Move::Wait(tool.delay), Move::Say(ModelEvent::ToolResult(result))]);
                    }
                    None => open = true,
                }
            }
            if open {
                moves.extend(self.usage(step, said).map(Move::Say));
                moves.push(Move::Say(ModelEvent::Stop(Stop::Done)));
                return Ok(Box::new(moves.into_iter()));
            }
            with = variables.fill();
            made += 1;
        }

        let chunks = match &self.reply {
            Reply::Whole(text, by) => Chunked::cut(templates.fill(text, &with)?, by),
            Reply::Listed(texts) => {
                Chunked::list(texts.iter().map(|text| templates.fill(text, &with)).collect::<Result<_, _>>()?)
            }
        };
        let mut ending = Vec::new();
        for (name, value) in &self.parameters {
            let value = match value.fill(templates, &with)? {
                Value::String(text) => ParameterValue::Text(text),
                data => ParameterValue::Data(data),
            };
            ending.push(Move::Say(ModelEvent::ParameterUpdate { name: name.clone(), value }));
        }
        ending.extend(self.usage(step, said + chunks.words()).map(Move::Say));
        ending.push(Move::Say(ModelEvent::Stop(self.stop)));

        let most = match &self.fault {
            Some(Fault { fault, after: Some(after) }) => {
                ending = vec![Move::Wait(self.delay), fault.clone().map_or(Move::Hang, Move::Fail)];
                *after
            }
            _ => usize::MAX,
        };
        let delay = self.delay;
        let told = chunks.take(most).enumerate().flat_map(move |(at, chunk)| {
            let wait = Move::Wait(if at == 0 { Duration::ZERO } else { delay });
            [wait, Move::Say(ModelEvent::Text(chunk))]
        });
        Ok(Box::new(moves.into_iter().chain(told).chain(ending)))
    }

    fn variables<'a>(&self, step: &Step<'a>) -> Variables<'a> {
        Variables::new(step.request, step.input, step.so_far, captures(self.text.as_ref(), step.input))
    }

    fn usage(&self, step: &Step<'_>, said: u64) -> Option<ModelEvent> {
        self.usage.map(|counts| {
            ModelEvent::Usage(match counts {
                Counts::Words => Usage { input: words(step.input), output: said, ..Usage::default() },
                Counts::Fixed(usage) => usage,
            })
        })
    }
}

impl Tool {
    fn call(
        &self,
        templates: &Templates,
        with: &minijinja::Value,
        call: String,
        group: u32,
    ) -> Result<ToolCall, ModelFault> {
        Ok(ToolCall {
            call,
            tool: self.name.clone(),
            kind: self.kind,
            thought: self.thought.as_ref().map(|thought| templates.fill(thought, with)).transpose()?,
            arguments: fill_table(&self.arguments, templates, with)?,
            group,
        })
    }

    fn result(
        &self,
        templates: &Templates,
        with: &minijinja::Value,
        call: &ToolCall,
    ) -> Result<Option<ToolResult>, ModelFault> {
        let output = match &self.result {
            None => return Ok(None),
            Some(Ok(tree)) => Ok(tree.fill(templates, with)?),
            Some(Err(text)) => Err(templates.fill(text, with)?),
        };
        Ok(Some(ToolResult { call: call.call.clone(), output }))
    }
}

impl Tree {
    fn fill(&self, templates: &Templates, with: &minijinja::Value) -> Result<Value, ModelFault> {
        Ok(match self {
            Self::Text(text) => Value::String(templates.fill(text, with)?),
            Self::Leaf(value) => value.clone(),
            Self::List(items) => {
                Value::Array(items.iter().map(|item| item.fill(templates, with)).collect::<Result<_, _>>()?)
            }
            Self::Table(entries) => Value::Object(fill_table(entries, templates, with)?),
        })
    }
}

fn fill_table(
    entries: &[(String, Tree)],
    templates: &Templates,
    with: &minijinja::Value,
) -> Result<Map<String, Value>, ModelFault> {
    entries.iter().map(|(name, tree)| Ok((name.clone(), tree.fill(templates, with)?))).collect()
}

/// The groups of the match by number and name; a group that took no part is empty.
fn captures(text: Option<&Regex>, input: &str) -> minijinja::Value {
    type Pair = (minijinja::Value, minijinja::Value);
    let Some((regex, found)) = text.and_then(|regex| Some((regex, regex.captures(input)?))) else {
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

/// How many words a text has.
pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
