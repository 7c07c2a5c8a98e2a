//! A place in a template, and how deep one is in it.

use super::TemplateError;

/// How deep directives, expressions and texts in quotes may stand in each other. Bounds the stack.
const DEEPEST: usize = 64;

/// A place in a template.
pub(super) struct Cursor<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
    /// The line of the source's beginning, for a text in quotes within another.
    first_line: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a str) -> Self {
        Self { source, at: 0, depth: 0, first_line: 1 }
    }

    /// A cursor for a text within, which ends where this one stands now.
    pub fn within<'b>(&self, source: &'b str) -> Cursor<'b> {
        Cursor { source, at: 0, depth: self.depth, first_line: self.line() }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to a place that [`Cursor::at`] told.
    pub fn go(&mut self, at: usize) {
        self.at = at;
    }

    pub fn source(&self) -> &'a str {
        self.source
    }

    pub fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// This place and its depth, for [`Cursor::reset`].
    pub fn mark(&self) -> (usize, usize) {
        (self.at, self.depth)
    }

    /// Goes back to where one was, whatever was read since.
    pub fn reset(&mut self, (at, depth): (usize, usize)) {
        self.at = at;
        self.depth = depth;
    }

    /// What stands between a place before and this one.
    pub fn since(&self, from: usize) -> &'a str {
        self.source.get(from..self.at).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Goes past this text if it stands here.
    pub fn eat(&mut self, text: &str) -> bool {
        let is_here = self.rest().starts_with(text);
        if is_here {
            self.at += text.len();
        }
        is_here
    }

    /// Goes past this text; refused if it does not stand here.
    pub fn expect(&mut self, text: &str) -> Result<(), TemplateError> {
        if self.eat(text) { Ok(()) } else { Err(self.refuse(format!("expected '{text}'"))) }
    }

    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    /// The name that stands here: a letter or `_`, then letters, digits and `_`.
    pub fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !rest.starts_with(is_first) {
            return None;
        }
        let end = rest.find(|c: char| !is_first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end)
    }

    /// Goes one deeper; [`Cursor::rise`] comes back.
    pub fn sink(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(self.refuse("it is nested too deeply")) } else { Ok(()) }
    }

    pub fn rise(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn line(&self) -> usize {
        self.first_line + self.since(0).matches('\n').count()
    }

    pub fn refuse(&self, what: impl Into<String>) -> TemplateError {
        TemplateError::Syntax { line: self.line(), what: what.into() }
    }
}
