//! Conditions on sessions' metadata as SQL over its side table, as far as SQL says the same everywhere. The text of a
//! statement is made of fixed pieces; what comes from a request is bound.

use std::fmt::Write as _;

use sederunt_core::condition::{Condition, Field, Operator, Scalar};

use crate::driver::{Params, Value};
use crate::session_metadata::{exact_number, flag, path, text};

/// The most comparisons that become SQL: more are evaluated on what is read.
const COMPARISONS: usize = 64;

/// The most values of one list that become SQL.
const VALUES: usize = 256;

/// A statement that is put together of pieces. Its first parameter is the tenant, its sessions are `s`.
pub(crate) struct Statement {
    text: String,
    params: Params,
}

impl Statement {
    pub(crate) fn new(text: &'static str, params: Params) -> Self {
        Self { text: text.to_owned(), params }
    }

    /// A fixed piece.
    pub(crate) fn push(&mut self, piece: &'static str) {
        self.text.push_str(piece);
    }

    /// A parameter.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) {
        self.params.push(value.into());
        #[expect(clippy::let_underscore_must_use, reason = "writing to a string does not fail")]
        let _ = write!(self.text, "${}", self.params.len());
    }

    pub(crate) fn finish(self) -> (String, Params) {
        (self.text, self.params)
    }

    /// ` and `, then that the condition is true. It must be [`expressible`].
    pub(crate) fn and_meets(&mut self, condition: &Condition) {
        self.push(" and ");
        self.is(condition, true);
    }

    /// That the condition is true, or that it is false: neither holds of one for which a field is missing.
    fn is(&mut self, condition: &Condition, wanted: bool) {
        match condition {
            Condition::And(all) => self.group(all, wanted, wanted),
            Condition::Or(any) => self.group(any, wanted, !wanted),
            Condition::Not(other) => self.is(other, !wanted),
            Condition::IsNull { field } => {
                self.push(if wanted { "not " } else { "" });
                self.field(field);
                self.push(")");
            }
            Condition::Compare { field, operator, value } => {
                self.field(field);
                self.compare(*operator, value, wanted);
                self.push(")");
            }
            Condition::In { field, values } => {
                self.field(field);
                self.push(if wanted { " and m.value in (" } else { " and m.value not in (" });
                for (at, value) in values.iter().enumerate() {
                    self.push(if at == 0 { "" } else { ", " });
                    self.bind(encoded(value).unwrap_or_default());
                }
                self.push("))");
            }
            // Not expressible: never asked for.
            Condition::Like { .. } | Condition::Holds { .. } => self.push("1 = 0"),
        }
    }

    fn group(&mut self, conditions: &[Condition], wanted: bool, all: bool) {
        if conditions.is_empty() {
            self.push(if all { "1 = 1" } else { "1 = 0" });
            return;
        }
        self.push("(");
        for (at, condition) in conditions.iter().enumerate() {
            self.push(match (at, all) {
                (0, _) => "",
                (_, true) => " and ",
                (_, false) => " or ",
            });
            self.is(condition, wanted);
        }
        self.push(")");
    }

    /// The session's row of a field, its end left open.
    fn field(&mut self, field: &Field) {
        self.push("exists (select 1 from session_metadata m where m.tenant = $1 and m.session = s.id and m.path = ");
        self.bind(path(&field.0).unwrap_or_default());
    }

    fn compare(&mut self, operator: Operator, value: &Scalar, wanted: bool) {
        let (from, until) = kind(value);
        let value = encoded(value).unwrap_or_default();
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        // The order holds within one kind; values of other kinds lie outside its bounds, and are in no order with it.
        let (outer, bound, inner): (&'static str, &'static str, &'static str) = match (operator, wanted) {
            (Equal, true) | (NotEqual, false) => ("", "", " and m.value = "),
            (Equal, false) | (NotEqual, true) => ("", "", " and m.value <> "),
            (Less, true) => (" and m.value >= ", from, " and m.value < "),
            (LessOrEqual, true) => (" and m.value >= ", from, " and m.value <= "),
            (Greater, true) => (" and m.value < ", until, " and m.value > "),
            (GreaterOrEqual, true) => (" and m.value < ", until, " and m.value >= "),
            (Less, false) => (" and (m.value < ", from, " or m.value >= "),
            (LessOrEqual, false) => (" and (m.value < ", from, " or m.value > "),
            (Greater, false) => (" and (m.value >= ", until, " or m.value <= "),
            (GreaterOrEqual, false) => (" and (m.value >= ", until, " or m.value < "),
        };
        if !outer.is_empty() {
            self.push(outer);
            self.bind(bound);
        }
        self.push(inner);
        self.bind(value);
        let ordered = !matches!(operator, Equal | NotEqual);
        self.push(if ordered && !wanted { ")" } else { "" });
    }
}

/// What a condition comes to, of which only sessions are listed that meet it all.
#[derive(Default)]
pub(crate) struct Split<'a> {
    /// A field that equals a value: by this the side table is read.
    pub(crate) leads: Option<(String, String)>,
    /// What else SQL can say.
    pub(crate) said: Vec<&'a Condition>,
    /// What is evaluated on what is read.
    pub(crate) left: Vec<&'a Condition>,
}

impl<'a> Split<'a> {
    pub(crate) fn of(condition: Option<&'a Condition>) -> Self {
        let mut split = Self::default();
        let mut room = COMPARISONS;
        if let Some(condition) = condition {
            split.add(condition, &mut room);
        }
        split
    }

    fn add(&mut self, condition: &'a Condition, room: &mut usize) {
        if let Condition::And(all) = condition {
            all.iter().for_each(|each| self.add(each, room));
            return;
        }
        let needed = comparisons(condition);
        if !expressible(condition) || needed > *room {
            self.left.push(condition);
            return;
        }
        *room -= needed;
        match condition {
            Condition::Compare { field, operator: Operator::Equal, value } if self.leads.is_none() => {
                self.leads = path(&field.0).zip(encoded(value));
            }
            _ => self.said.push(condition),
        }
    }

    /// Whether there is nothing beyond the equality that leads.
    pub(crate) fn is_simple(&self) -> bool {
        self.said.is_empty() && self.left.is_empty()
    }
}

fn comparisons(condition: &Condition) -> usize {
    match condition {
        Condition::And(each) | Condition::Or(each) => each.iter().map(comparisons).sum(),
        Condition::Not(other) => comparisons(other),
        _ => 1,
    }
}

/// Whether SQL over the side table says the same as the condition itself.
fn expressible(condition: &Condition) -> bool {
    match condition {
        Condition::And(each) | Condition::Or(each) => each.iter().all(expressible),
        Condition::Not(other) => expressible(other),
        Condition::Compare { field, value, .. } => path(&field.0).is_some() && encoded(value).is_some(),
        Condition::In { field, values } => {
            let some = !values.is_empty() && values.len() <= VALUES;
            some && path(&field.0).is_some() && values.iter().all(|value| encoded(value).is_some())
        }
        Condition::IsNull { field } => path(&field.0).is_some(),
        // Patterns differ between databases, and elements of lists have no rows.
        Condition::Like { .. } | Condition::Holds { .. } => false,
    }
}

fn encoded(value: &Scalar) -> Option<String> {
    match value {
        Scalar::Text(value) => text(value),
        Scalar::Number(number) => exact_number(number),
        Scalar::Flag(value) => Some(flag(*value)),
    }
}

/// The bounds of all values of one kind: the second is no longer one.
fn kind(value: &Scalar) -> (&'static str, &'static str) {
    match value {
        Scalar::Text(_) => ("t", "u"),
        Scalar::Number(_) => ("n", "o"),
        Scalar::Flag(_) => ("f", "g"),
    }
}
