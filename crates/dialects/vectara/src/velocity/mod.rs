//! The part of the Velocity Template Language that instructions are written in: references, `#if`, `#foreach`, `#set`,
//! comments, and what stands in them. References to what is not there stay as they are written.
//!
//! A template comes from a caller, so that each is bounded: in its depth, in the steps that it takes and in what it makes.

mod ast;
mod cursor;
mod evaluate;
mod expression;
mod methods;
mod parse;
mod values;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use thiserror::Error;

/// Why a template cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TemplateError {
    /// It is not written as templates are.
    #[error("line {line}: {what}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It takes more steps than are allowed.
    #[error("the template takes too many steps")]
    TooLong,
    /// It makes more text than is allowed.
    #[error("the template makes more than {0} bytes")]
    TooLarge(usize),
}

/// The text that a template makes of these variables.
pub(crate) fn render(template: &str, variables: &Map<String, Value>) -> Result<String, TemplateError> {
    evaluate::run(&parse::template(template)?, variables)
}
