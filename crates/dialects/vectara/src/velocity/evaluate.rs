//! From a template's pieces and the variables to text.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::TemplateError;
use super::ast::{Access, Expression, Node, Operator, Reference};
use super::methods::{call, part};
use super::values::{apply, is_true, shown, weight};

/// The most steps that a template takes. Copying a value counts by its size.
const MOST_STEPS: usize = 1_000_000;

/// The most that a template makes, in bytes.
const LARGEST: usize = 1 << 20;

/// The text that the pieces make of these variables.
pub(super) fn run(nodes: &[Node], variables: &Map<String, Value>) -> Result<String, TemplateError> {
    let mut rendering = Rendering { variables, set: Map::new(), steps: 0 };
    let mut text = String::new();
    rendering.nodes(nodes, &mut text)?;
    Ok(text)
}

struct Rendering<'a> {
    variables: &'a Map<String, Value>,
    /// What was set by the template itself, and hides variables.
    set: Map<String, Value>,
    steps: usize,
}

/// How it goes on behind a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Stop,
}

impl Rendering<'_> {
    fn step(&mut self, count: usize) -> Result<(), TemplateError> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > MOST_STEPS { Err(TemplateError::TooLong) } else { Ok(()) }
    }

    fn nodes(&mut self, nodes: &[Node], text: &mut String) -> Result<Flow, TemplateError> {
        for node in nodes {
            self.step(1)?;
            let flow = match node {
                Node::Text(verbatim) => put(text, verbatim)?,
                Node::Reference(reference) => self.show(reference, text)?,
                Node::If { branches, otherwise } => self.choose(branches, otherwise, text)?,
                Node::Foreach { variable, list, body } => self.repeat(variable, list, body, text)?,
                Node::Set { variable, value } => {
                    let value = self.value(value)?;
                    self.set.insert(variable.clone(), value);
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Stop => Flow::Stop,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn show(&mut self, reference: &Reference, text: &mut String) -> Result<Flow, TemplateError> {
        match self.resolve(reference)? {
            Some(value) => put(text, &shown(&value)),
            None if reference.is_quiet => Ok(Flow::On),
            None => put(text, &reference.written),
        }
    }

    fn choose(
        &mut self,
        branches: &[(Expression, Vec<Node>)],
        otherwise: &[Node],
        text: &mut String,
    ) -> Result<Flow, TemplateError> {
        for (condition, body) in branches {
            if is_true(&self.value(condition)?) {
                return self.nodes(body, text);
            }
        }
        self.nodes(otherwise, text)
    }

    fn repeat(
        &mut self,
        variable: &str,
        list: &Expression,
        body: &[Node],
        text: &mut String,
    ) -> Result<Flow, TemplateError> {
        let elements = match self.value(list)? {
            Value::Array(list) => list,
            Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        let names = [variable, "foreach"];
        let before = names.map(|name| self.set.get(name).cloned());
        let count = elements.len();
        let mut flow = Flow::On;
        for (index, element) in elements.into_iter().enumerate() {
            self.step(1)?;
            let has_next = index + 1 < count;
            let place = json!({
                "index": index,
                "count": index + 1,
                "first": index == 0,
                "last": !has_next,
                "hasNext": has_next,
            });
            self.set.insert(variable.to_owned(), element);
            self.set.insert("foreach".to_owned(), place);
            flow = self.nodes(body, text)?;
            if flow != Flow::On {
                break;
            }
        }
        for (name, before) in names.into_iter().zip(before) {
            match before {
                Some(value) => self.set.insert(name.to_owned(), value),
                None => self.set.shift_remove(name),
            };
        }
        Ok(if flow == Flow::Break { Flow::On } else { flow })
    }

    /// The value of an expression; null where there is none.
    fn value(&mut self, expression: &Expression) -> Result<Value, TemplateError> {
        self.step(1)?;
        Ok(match expression {
            Expression::Literal(value) => self.copy(value)?,
            Expression::Template(nodes) => {
                let mut text = String::new();
                self.nodes(nodes, &mut text)?;
                text.into()
            }
            Expression::List(all) => {
                let mut values = Vec::with_capacity(all.len());
                for one in all {
                    values.push(self.value(one)?);
                }
                values.into()
            }
            Expression::Range(first, last) => self.range(first, last)?,
            Expression::Reference(reference) => self.resolve(reference)?.unwrap_or_default(),
            Expression::Not(inner) => (!is_true(&self.value(inner)?)).into(),
            Expression::Binary(left, operator, right) => {
                let left = self.value(left)?;
                match operator {
                    Operator::Or if is_true(&left) => true.into(),
                    Operator::And if !is_true(&left) => false.into(),
                    _ => {
                        let made = apply(&left, *operator, &self.value(right)?);
                        self.check(made)?
                    }
                }
            }
        })
    }

    fn range(&mut self, first: &Expression, last: &Expression) -> Result<Value, TemplateError> {
        let ends = (self.value(first)?.as_i64(), self.value(last)?.as_i64());
        let (Some(first), Some(last)) = ends else { return Ok(Value::Null) };
        self.step(usize::try_from(first.abs_diff(last)).unwrap_or(usize::MAX))?;
        Ok(if first <= last { (first..=last).collect() } else { (last..=first).rev().collect() })
    }

    /// What a reference leads to; `None` if it leads nowhere or to null.
    fn resolve(&mut self, reference: &Reference) -> Result<Option<Value>, TemplateError> {
        let mut arguments = Vec::with_capacity(reference.path.len());
        for access in &reference.path {
            arguments.push(match access {
                Access::Member(name) => vec![name.as_str().into()],
                Access::Index(index) => vec![self.value(index)?],
                Access::Call(_, given) => {
                    let mut values = Vec::with_capacity(given.len());
                    for one in given {
                        values.push(self.value(one)?);
                    }
                    values
                }
            });
        }
        let name = reference.name.as_str();
        let root = self.set.get(name).or_else(|| self.variables.get(name));
        let found = root.and_then(|root| follow(root, &reference.path, &arguments)).filter(|found| !found.is_null());
        let (cost, found) = match found {
            Some(found) => (weight(&found), Some(found.into_owned())),
            None => (0, None),
        };
        self.step(cost)?;
        match (found, &reference.otherwise) {
            (None, Some(otherwise)) => Ok(Some(self.value(otherwise)?).filter(|value| !value.is_null())),
            (found, _) => Ok(found),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, TemplateError> {
        self.step(weight(value))?;
        Ok(value.clone())
    }

    /// A value just made: not larger than what may be shown, and counted.
    fn check(&mut self, value: Value) -> Result<Value, TemplateError> {
        self.step(weight(&value))?;
        match &value {
            Value::String(text) if text.len() > LARGEST => Err(TemplateError::TooLarge(LARGEST)),
            _ => Ok(value),
        }
    }
}

fn follow<'a>(root: &'a Value, path: &[Access], arguments: &[Vec<Value>]) -> Option<Cow<'a, Value>> {
    let mut value = Cow::Borrowed(root);
    for (access, arguments) in path.iter().zip(arguments) {
        value = match access {
            Access::Member(_) | Access::Index(_) => {
                let at = arguments.first()?;
                match value {
                    Cow::Borrowed(value) => Cow::Borrowed(part(value, at)?),
                    Cow::Owned(value) => Cow::Owned(part(&value, at)?.clone()),
                }
            }
            Access::Call(method, _) => Cow::Owned(call(&value, method, arguments)?),
        };
    }
    Some(value)
}

fn put(text: &mut String, more: &str) -> Result<Flow, TemplateError> {
    if text.len() + more.len() > LARGEST {
        return Err(TemplateError::TooLarge(LARGEST));
    }
    text.push_str(more);
    Ok(Flow::On)
}
