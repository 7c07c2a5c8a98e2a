//! Conditions on free data: what a list of sessions can be narrowed by. Logic has three values, as in SQL: what compares
//! with something that is not there is neither true nor false, and only what is true is shown.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// A condition on an object of free data.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them.
    And(Vec<Condition>),
    /// At least one of them.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A field compared with a value. Values of different types are never equal and have no order.
    Compare {
        /// The field.
        field: Field,
        /// How.
        operator: Operator,
        /// With what.
        value: Scalar,
    },
    /// A text field like a pattern: `%` is any run of characters, `_` any one.
    Like {
        /// The field.
        field: Field,
        /// The pattern.
        pattern: String,
    },
    /// A field equal to one of these.
    In {
        /// The field.
        field: Field,
        /// The values.
        values: Vec<Scalar>,
    },
    /// A list field that holds a value.
    Holds {
        /// The field.
        field: Field,
        /// The value.
        value: Scalar,
    },
    /// A field that is not there, or null.
    IsNull {
        /// The field.
        field: Field,
    },
}

/// A field: the names that lead to it, one object within another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field(pub Vec<String>);

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the comparison it names")]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number; whole numbers are compared exactly.
    Number(Number),
    /// Yes or no.
    Flag(bool),
}

impl Condition {
    /// Whether the data meets it; `None` if that cannot be said for want of a field.
    pub fn meets(&self, data: &Map<String, Value>) -> Option<bool> {
        match self {
            Self::And(all) => all.iter().map(|each| each.meets(data)).fold(Some(true), and),
            Self::Or(any) => any.iter().map(|each| each.meets(data)).fold(Some(false), or),
            Self::Not(other) => other.meets(data).map(|met| !met),
            Self::Compare { field, operator, value } => compare(field.of(data)?, *operator, value),
            Self::Like { field, pattern } => match field.of(data)? {
                Value::String(text) => Some(like(text, pattern)),
                _ => Some(false),
            },
            Self::In { field, values } => {
                let found = field.of(data)?;
                Some(values.iter().any(|value| compare(found, Operator::Equal, value) == Some(true)))
            }
            Self::Holds { field, value } => match field.of(data)? {
                Value::Array(items) => {
                    Some(items.iter().any(|item| compare(item, Operator::Equal, value) == Some(true)))
                }
                _ => Some(false),
            },
            Self::IsNull { field } => Some(field.of(data).is_none()),
        }
    }
}

impl Field {
    /// The value; `None` if it is not there or null.
    fn of<'a>(&self, data: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        let found = rest.iter().try_fold(data.get(first)?, |value, name| value.as_object()?.get(name))?;
        Some(found).filter(|value| !value.is_null())
    }
}

fn and(one: Option<bool>, two: Option<bool>) -> Option<bool> {
    match (one, two) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(one: Option<bool>, two: Option<bool>) -> Option<bool> {
    and(one.map(|met| !met), two.map(|met| !met)).map(|neither| !neither)
}

fn compare(found: &Value, operator: Operator, value: &Scalar) -> Option<bool> {
    let order = match (found, value) {
        (Value::String(found), Scalar::Text(value)) => Some(found.as_str().cmp(value.as_str())),
        (Value::Bool(found), Scalar::Flag(value)) => Some(found.cmp(value)),
        (Value::Number(found), Scalar::Number(value)) => number_order(found, value),
        _ => None,
    };
    Some(match (operator, order) {
        (Operator::NotEqual, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (Operator::Equal, Some(order)) => order.is_eq(),
        (Operator::Less, Some(order)) => order.is_lt(),
        (Operator::LessOrEqual, Some(order)) => order.is_le(),
        (Operator::Greater, Some(order)) => order.is_gt(),
        (Operator::GreaterOrEqual, Some(order)) => order.is_ge(),
    })
}

/// Whole numbers exactly, others as doubles.
fn number_order(one: &Number, two: &Number) -> Option<Ordering> {
    match (one.as_i64(), two.as_i64()) {
        (Some(one), Some(two)) => Some(one.cmp(&two)),
        _ => one.as_f64()?.partial_cmp(&two.as_f64()?),
    }
}

/// `%` is any run of characters, `_` any one. Steps back to the last `%` only, so that it takes at most the product of
/// both lengths.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut in_pattern) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('%') => {
                back = Some((in_pattern + 1, at));
                in_pattern += 1;
            }
            Some(wanted) if *wanted == '_' || text.get(at) == Some(wanted) => {
                at += 1;
                in_pattern += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    in_pattern = after;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(in_pattern..).unwrap_or_default().iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(path: &str) -> Field {
        Field(path.split('.').map(str::to_owned).collect())
    }

    fn equal(path: &str, value: Scalar) -> Condition {
        Condition::Compare { field: field(path), operator: Operator::Equal, value }
    }

    #[test]
    fn what_is_missing_is_neither_true_nor_false() {
        let data = json!({"tier": "gold", "none": null, "n": {"x": 1}});
        let meets = |condition: &Condition| condition.meets(data.as_object().unwrap());
        let missing = equal("absent", Scalar::Flag(true));
        assert_eq!(meets(&missing), None);
        assert_eq!(meets(&Condition::Not(Box::new(missing.clone()))), None);
        assert_eq!(
            meets(&Condition::Or(vec![missing.clone(), equal("tier", Scalar::Text("gold".into()))])),
            Some(true)
        );
        assert_eq!(meets(&Condition::And(vec![missing, equal("tier", Scalar::Text("tin".into()))])), Some(false));
        assert_eq!(meets(&Condition::IsNull { field: field("none") }), Some(true));
        assert_eq!(meets(&equal("n.x", Scalar::Number(1.into()))), Some(true));
        assert_eq!(meets(&equal("n.x", Scalar::Text("1".into()))), Some(false));
    }

    #[test]
    fn patterns_match_runs_and_single_characters() {
        for (text, pattern, fits) in [
            ("gold", "g%", true),
            ("gold", "%ol_", true),
            ("gold", "g_d", false),
            ("", "%", true),
            ("", "_", false),
            ("a%b", "a%b", true),
            ("añb", "a_b", true),
            ("aaaaab", "%a%a%b", true),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} like {pattern}");
        }
    }
}
