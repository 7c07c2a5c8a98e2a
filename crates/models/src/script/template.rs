//! Templates of a script: checked when it is read, bounded when they are filled in.

use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value as Filled};
use sederunt_core::agent::{ParameterValue, Parameters};
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::item::{Context, ItemBody, ToolCall, ToolResult};
use sederunt_core::model::ModelRequest;
use serde::Serialize;
use serde_json::{Map, Value};

/// How many steps one template may take.
const FUEL: u64 = 1_000_000;
/// The longest text that a template may become, in bytes.
const MAX_TEXT: usize = 16 << 20;
/// What a template may name.
pub const VARIABLES: [&str; 10] =
    ["input", "match", "agent", "turn", "iteration", "session", "parameters", "contexts", "results", "history"];

/// All templates of a script.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    count: usize,
    history: bool,
}

/// A text of a script.
#[derive(Clone, Debug)]
pub enum Text {
    /// Says itself.
    Plain(String),
    /// Is filled in; the name in the environment.
    Template(String),
}

/// What is wrong with a template: the message, and the name that may have been meant.
pub type Flaw = (String, Option<String>);

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        // The default markers always build; without this a listed chunk would lose its line end.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        Self { environment, count: 0, history: false }
    }
}

impl Templates {
    /// Checks `source` and keeps it.
    pub fn add(&mut self, source: &str) -> Result<Text, Flaw> {
        if !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            return Ok(Text::Plain(source.to_owned()));
        }
        let name = self.count.to_string();
        self.count += 1;
        let flaw = |error: minijinja::Error| (error.detail().map_or(error.to_string(), str::to_owned), None);
        self.environment.add_template_owned(name.clone(), source.to_owned()).map_err(flaw)?;
        let used = self.environment.get_template(&name).map_err(flaw)?.undeclared_variables(false);
        let global = |name: &str| self.environment.globals().any(|(global, _)| global == name);
        if let Some(unknown) = used.iter().find(|name| !VARIABLES.contains(&name.as_str()) && !global(name)) {
            return Err((format!("there is no variable '{unknown}'"), super::nearest::nearest(unknown, VARIABLES)));
        }
        self.history |= used.contains("history");
        Ok(Text::Template(name))
    }

    /// Whether any template looks at the line.
    pub fn uses_history(&self) -> bool {
        self.history
    }

    /// Fills in `text`. A template that cannot be filled in is a fault of the model.
    pub fn fill(&self, text: &Text, with: &Filled) -> Result<String, ModelFault> {
        let fault = |error: minijinja::Error| ModelFault {
            kind: FaultKind::Failed,
            message: "a template of the script cannot be filled in".into(),
            detail: error.to_string(),
        };
        match text {
            Text::Plain(text) => Ok(text.clone()),
            Text::Template(name) => {
                let mut out = Bounded(Vec::new());
                let template = self.environment.get_template(name).map_err(fault)?;
                template.render_captured_to(with, &mut out).map_err(fault)?;
                String::from_utf8(out.0).map_err(|error| FaultKind::Failed.with(error.to_string()))
            }
        }
    }
}

/// A buffer that refuses to grow past [`MAX_TEXT`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What templates see.
#[derive(Debug, Serialize)]
pub struct Variables<'a> {
    input: &'a str,
    r#match: Filled,
    agent: &'a str,
    turn: u32,
    iteration: u32,
    session: Session<'a>,
    parameters: Map<String, Value>,
    contexts: &'a [Context],
    results: Vec<Finding>,
    history: Vec<Said<'a>>,
}

#[derive(Debug, Serialize)]
struct Session<'a> {
    key: &'a str,
    title: &'a str,
    metadata: Option<&'a Map<String, Value>>,
}

/// A tool call with its outcome: `output`, or `error`; neither while it runs.
#[derive(Debug, Serialize)]
struct Finding {
    tool: String,
    arguments: Map<String, Value>,
    output: Option<Value>,
    error: Option<String>,
}

/// One message of the line.
#[derive(Debug, Serialize)]
struct Said<'a> {
    role: &'static str,
    text: &'a str,
}

impl<'a> Variables<'a> {
    /// What `request` offers; `so_far` is the part of its doings that belongs to `input`.
    pub fn new(request: &'a ModelRequest, input: &'a str, so_far: &[&ItemBody], captures: Filled) -> Self {
        let session = request.session.as_ref();
        let mut variables = Self {
            input,
            r#match: captures,
            agent: request.agent.as_str(),
            turn: request.turn,
            iteration: request.iteration,
            session: Session {
                key: session.map_or("", |s| &s.key),
                title: session.map_or("", |s| &s.title),
                metadata: session.map(|s| &s.metadata),
            },
            parameters: plain(&request.parameters),
            contexts: &request.contexts,
            results: Vec::new(),
            history: request.line.iter().filter_map(said).collect(),
        };
        let mut calls: Vec<&ToolCall> = Vec::new();
        for item in so_far {
            match item {
                ItemBody::ToolCall(call) => calls.push(call),
                ItemBody::ToolResult(result) => {
                    variables.found(calls.iter().find(|call| call.call == result.call).copied(), result);
                }
                _ => {}
            }
        }
        variables
    }

    /// Adds a tool's result; the call of one that the caller brings may be out of sight.
    pub fn found(&mut self, call: Option<&ToolCall>, result: &ToolResult) {
        self.results.push(Finding {
            tool: call.map(|call| call.tool.clone()).unwrap_or_default(),
            arguments: call.map(|call| call.arguments.clone()).unwrap_or_default(),
            output: result.output.as_ref().ok().cloned(),
            error: result.output.as_ref().err().cloned(),
        });
    }

    /// As the templates take it.
    pub fn fill(&self) -> Filled {
        Filled::from(Serde(self))
    }
}

fn plain(parameters: &Parameters) -> Map<String, Value> {
    let value = |value: &ParameterValue| match value {
        ParameterValue::Text(text) => Value::String(text.clone()),
        ParameterValue::Data(data) => data.clone(),
    };
    parameters.iter().map(|(name, given)| (name.clone(), value(given))).collect()
}

fn said(item: &ItemBody) -> Option<Said<'_>> {
    match item {
        ItemBody::UserMessage { text } | ItemBody::Artifacts { message: text, .. } => Some(Said { role: "user", text }),
        ItemBody::AgentMessage { text } => Some(Said { role: "agent", text }),
        ItemBody::Compaction { summary, .. } => Some(Said { role: "summary", text: summary }),
        _ => None,
    }
}
