//! What a rule does once it is chosen.

use std::time::Duration;

use sederunt_core::agent::ParameterValue;
use sederunt_core::error::ModelFault;
use sederunt_core::item::{Context, ToolCall, ToolKind, ToolResult};
use sederunt_core::model::{ModelEvent, Stop};
use sederunt_core::turn::Usage;
use serde_json::{Map, Value};

use super::file::{Chunks, Counts};
use super::matching::{CallId, Condition, Step, calls};
use super::play::{Chunked, Move, Moves};
use super::template::{Templates, Text, Variables};

/// One rule, ready to use.
#[derive(Debug)]
pub struct Rule {
    pub index: usize,
    pub condition: Condition,
    pub first_delay: Duration,
    pub delay: Duration,
    pub reasoning: Option<Text>,
    pub groups: Vec<Vec<Tool>>,
    pub repeat_tools: bool,
    pub reply: Reply,
    /// Whether the reply is a refusal.
    pub refuses: bool,
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
    Json(Tree, Chunks),
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

impl Rule {
    /// Whether it looks at what an earlier turn said or did: a caller may bring outputs for its calls, or it waits for
    /// such outputs itself.
    pub fn may_go_on(&self) -> bool {
        self.condition.output.is_some() || self.groups.iter().flatten().any(|tool| tool.result.is_none())
    }

    /// Whether the calls of `step` may be this rule's: ids of another model's calls can look like ours.
    pub fn called(&self, step: &Step<'_>) -> bool {
        let mut tools = self.groups.iter().flatten();
        calls(&step.so_far).next().is_some_and(|call| tools.any(|tool| tool.name == call.tool))
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
        let begun = calls(&step.so_far).count();
        if let Some(reasoning) = self.reasoning.as_ref().filter(|_| begun == 0) {
            let text = templates.fill(reasoning, &with)?;
            said += words(&text);
            moves.push(Move::Say(ModelEvent::Reasoning(text)));
        }

        let mut number = step.calls;
        let mut done = if self.repeat_tools { 0 } else { begun };
        let mut made = 0;
        for group in &self.groups {
            if done >= group.len() {
                done -= group.len();
                continue;
            }
            let mut open = false;
            for tool in group {
                let call = tool.call(templates, &with, CallId { rule: self.index, number }, made)?;
                number += 1;
                moves.push(Move::Say(ModelEvent::ToolCall(call.clone())));
                match tool.result(templates, &with, &call)? {
                    Some(result) => {
                        variables.found(Some(&call), &result);
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
            Reply::Json(tree, by) => Chunked::cut(tree.fill(templates, &with)?.to_string(), by),
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
        let say = if self.refuses { ModelEvent::Refusal } else { ModelEvent::Text };
        let told = chunks.take(most).enumerate().flat_map(move |(at, chunk)| {
            let wait = Move::Wait(if at == 0 { Duration::ZERO } else { delay });
            [wait, Move::Say(say(chunk))]
        });
        Ok(Box::new(moves.into_iter().chain(told).chain(ending)))
    }

    fn variables<'a>(&self, step: &Step<'a>) -> Variables<'a> {
        Variables::new(step.request, step.input, &step.so_far, self.condition.captures(step.input))
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
        call: CallId,
        group: u32,
    ) -> Result<ToolCall, ModelFault> {
        Ok(ToolCall {
            call: call.to_string(),
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

/// How many words a text has.
pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
