//! How values are shown, counted as true, compared and reckoned with.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::ast::Operator;

/// A value as text: texts as they are, lists and objects as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What counts as true: all but null, false, zero, and what is empty (Velocity 2).
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// How much work a value is to copy.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len() / 64,
        Value::Array(list) => 1 + list.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(|value| 1 + weight(value)).sum::<usize>(),
    }
}

/// What an operator makes of two values, but for those that look at the second one only if they must.
pub(super) fn apply(left: &Value, operator: Operator, right: &Value) -> Value {
    let order = |holds: fn(Ordering) -> bool| Value::Bool(compare(left, right).is_some_and(holds));
    match operator {
        Operator::Or => (is_true(left) || is_true(right)).into(),
        Operator::And => (is_true(left) && is_true(right)).into(),
        Operator::Equal => equal(left, right).into(),
        Operator::Unequal => (!equal(left, right)).into(),
        Operator::Less => order(Ordering::is_lt),
        Operator::LessOrEqual => order(Ordering::is_le),
        Operator::Greater => order(Ordering::is_gt),
        Operator::GreaterOrEqual => order(Ordering::is_ge),
        Operator::Plus if left.is_string() || right.is_string() => format!("{}{}", shown(left), shown(right)).into(),
        Operator::Plus => reckon(left, right, i64::checked_add, |a, b| a + b),
        Operator::Minus => reckon(left, right, i64::checked_sub, |a, b| a - b),
        Operator::Times => reckon(left, right, i64::checked_mul, |a, b| a * b),
        Operator::Over => reckon(left, right, i64::checked_div, |a, b| a / b),
        Operator::Modulo => reckon(left, right, i64::checked_rem, |a, b| a % b),
    }
}

/// Values of one kind are compared as such, of two kinds by what they look like.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => compare(left, right) == Some(Ordering::Equal),
        (Value::Null, _) | (_, Value::Null) => left == right,
        (Value::String(_), other) | (other, Value::String(_)) if !other.is_string() => shown(left) == shown(right),
        _ => left == right,
    }
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        _ => None,
    }
}

/// Null where there is no such number.
fn reckon(left: &Value, right: &Value, whole: fn(i64, i64) -> Option<i64>, broken: fn(f64, f64) -> f64) -> Value {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return whole(left, right).map_or(Value::Null, Value::from);
    }
    let numbers = left.as_f64().zip(right.as_f64());
    numbers.and_then(|(left, right)| Number::from_f64(broken(left, right))).map_or(Value::Null, Value::Number)
}
