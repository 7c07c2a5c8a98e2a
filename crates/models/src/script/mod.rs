//! The `script` model: a TOML file of rules, of which the first that fits answers. No chance and no clock: the same
//! requests in the same order get the same answers. The file's shapes are in [`file`], `docs/scripts.md` explains them.

mod compile;
pub mod file;
mod matching;
mod nearest;
mod play;
mod rule;
mod template;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::item::Context;
use sederunt_core::model::{Model, ModelEvent, ModelRequest};

use matching::Step;
use rule::Rule;
use template::Templates;

/// The rules that come with the program: the agent `echo`, a closing rule that names itself.
const BUILTIN: &str = include_str!("../../samples/builtin.toml");
/// The sample that answers for the agent `support`.
const SUPPORT: &str = include_str!("../../samples/support.toml");
/// The definition of the agent that the sample is written for, as TOML: it declares the parameter that the sample changes.
pub const SUPPORT_AGENT: &str = include_str!("../../samples/support-agent.toml");
/// The largest script file, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// A script, ready to answer. Cheap to clone; clones share the counts of `times`.
#[derive(Clone, Debug)]
pub struct Script(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    rules: Vec<Rule>,
    templates: Templates,
    wants_line: bool,
}

impl Script {
    /// Reads a script; `origin` is what errors call it. The built-in rules follow its own, unless it says
    /// `builtin = false`.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ScriptError> {
        let mut compiler = compile::Compiler::default();
        if compiler.add(text, origin)? {
            compiler.add(SUPPORT, "built-in support script")?;
            compiler.add(BUILTIN, "built-in script")?;
        }
        let (rules, templates) = compiler.finish();
        let wants_line = templates.uses_history() || rules.iter().any(Rule::may_go_on);
        Ok(Self(Arc::new(Rules { rules, templates, wants_line })))
    }

    /// Reads a script from a file of at most 8 MiB.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let origin = path.display().to_string();
        let unreadable = |error: std::io::Error| ScriptError::new(&origin, None, format!("cannot be read: {error}"));
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_FILE {
            return Err(ScriptError::new(&origin, None, format!("{size} bytes; a script has at most {MAX_FILE}")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?, &origin)
    }

    /// The script without a file: `echo` answers with its input, `support` shows what scripts can do, every other agent
    /// is told who answers.
    pub fn builtin() -> Self {
        #[expect(clippy::expect_used, reason = "the text is part of the program, and a test reads it")]
        Self::parse("", "built-in script").expect("the built-in script reads")
    }
}

impl Rules {
    /// The rule for `step`, if one fits: one that is about an output that the caller brings, else the one that called the
    /// tools, else the first. Only an answer uses up one of a rule's `times`.
    fn choose(&self, step: &Step<'_>, uses: bool) -> Result<&Rule, ModelFault> {
        let fits = |rule: &&Rule| rule.condition.fits(step) && rule.condition.available(uses);
        let began = || self.rules.get(step.begun_by?.rule).filter(|rule| rule.called(step));
        let about_output = || self.rules.iter().filter(|rule| rule.condition.output.is_some()).find(fits);
        let chosen = about_output().or_else(began).or_else(|| self.rules.iter().find(fits));
        chosen.ok_or_else(|| ModelFault {
            kind: FaultKind::Failed,
            message: "no rule of the script fits this input".into(),
            detail: format!("agent {}, turn {}", step.request.agent, step.request.turn),
        })
    }
}

#[async_trait]
impl Model for Script {
    fn wants_line(&self) -> bool {
        self.0.wants_line
    }

    async fn retrieve(&self, request: &ModelRequest) -> Result<Option<Vec<Context>>, ModelFault> {
        let step = Step::of(request);
        match self.0.choose(&step, false) {
            Ok(rule) => rule.contexts(&self.0.templates, &step),
            // The answer will say so.
            Err(_) => Ok(None),
        }
    }

    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        let rules = self.0.clone();
        let play = async move {
            let step = Step::of(&request);
            rules.choose(&step, true).and_then(|rule| rule.perform(&rules.templates, &step))
        };
        futures_util::stream::once(play)
            .flat_map(|play| match play {
                Ok(moves) => play::stream(moves),
                Err(fault) => futures_util::stream::iter([Err(fault)]).boxed(),
            })
            .boxed()
    }
}

/// Why a script cannot be used: where, what, and what may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScriptError {
    /// The file, or what stands for it.
    pub origin: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl ScriptError {
    fn new(origin: &str, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { origin: origin.to_owned(), line, message: message.into(), suggestion: None }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean '{suggestion}'?)"),
            None => Ok(()),
        }
    }
}
