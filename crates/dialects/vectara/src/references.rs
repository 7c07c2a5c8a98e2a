//! Dynamic values: `{"$ref": "session.metadata.x"}` in the place of a value stands for what is there when it is needed, and
//! `{"$$ref": …}` for a `$ref` that is meant literally.

use serde_json::{Map, Value};
use winnow::Parser as _;
use winnow::ascii::digit1;
use winnow::combinator::{alt, delimited, opt, preceded, repeat};
use winnow::token::take_while;

const REFERENCE: &str = "$ref";
const LITERAL: &str = "$$ref";

/// The longest path, in bytes; it also bounds how deep paths stand in each other.
const LONGEST: usize = 512;

/// The names that lead to a value.
type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member.
    Name(String),
    /// An element.
    At(usize),
    /// The member, or the element, that another value names.
    Of(Path),
}

/// What references cannot be resolved for: together they come to more than they may.
#[derive(Debug)]
pub(crate) struct TooMuch;

/// Whether a value has references in it.
pub(crate) fn is_dynamic(value: &Value) -> bool {
    any(value, &|_| true)
}

/// Whether a value has references in it that pass a member of this name.
pub(crate) fn mentions(value: &Value, name: &str) -> bool {
    any(value, &|text| path(text).is_some_and(|path| passes(&path, name)))
}

fn any(value: &Value, fits: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(map) => match reference(map) {
            Some(text) => fits(text),
            None => map.values().any(|member| any(member, fits)),
        },
        Value::Array(list) => list.iter().any(|element| any(element, fits)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A value with what its references lead to below `root`, null where they lead nowhere. What they lead to is taken off `left`,
/// in bytes.
pub(crate) fn resolved(value: &Value, root: &Value, left: &mut usize) -> Result<Value, TooMuch> {
    Ok(match value {
        Value::Object(map) => match (reference(map), map.get(LITERAL)) {
            (Some(text), _) => {
                let found = path(text).and_then(|path| lead(&path, root).cloned()).unwrap_or_default();
                *left = left.checked_sub(found.to_string().len()).ok_or(TooMuch)?;
                found
            }
            (None, Some(literal)) if map.len() == 1 => {
                Value::Object([(REFERENCE.to_owned(), literal.clone())].into_iter().collect())
            }
            (None, _) => {
                let members = map.iter().map(|(name, member)| Ok((name.clone(), resolved(member, root, left)?)));
                Value::Object(members.collect::<Result<_, TooMuch>>()?)
            }
        },
        Value::Array(list) => {
            list.iter().map(|element| resolved(element, root, left)).collect::<Result<Vec<_>, TooMuch>>()?.into()
        }
        plain => plain.clone(),
    })
}

/// The text of a reference.
fn reference(map: &Map<String, Value>) -> Option<&str> {
    if map.len() == 1 { map.get(REFERENCE).and_then(Value::as_str) } else { None }
}

fn passes(path: &[Step], name: &str) -> bool {
    path.iter().any(|step| match step {
        Step::Name(one) => one == name,
        Step::At(_) => false,
        Step::Of(path) => passes(path, name),
    })
}

fn lead<'a>(path: &[Step], root: &'a Value) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::At(index) => value.get(*index),
        Step::Of(path) => match lead(path, root)? {
            Value::String(name) => value.get(name),
            Value::Number(index) => value.get(usize::try_from(index.as_u64()?).ok()?),
            _ => None,
        },
    })
}

/// A path such as `agent.secrets[session.metadata.tenant]`; a dot or a dollar sign in front says nothing.
fn path(text: &str) -> Option<Path> {
    if text.len() > LONGEST { None } else { steps.parse(text.trim()).ok() }
}

fn steps(input: &mut &str) -> winnow::ModalResult<Path> {
    let (_, _, first) = (opt('$'), opt('.'), name).parse_next(input)?;
    let index = digit1.verify_map(|digits: &str| digits.parse().ok()).map(Step::At);
    let quoted = alt((
        delimited('\'', take_while(0.., |c| c != '\''), '\''),
        delimited('"', take_while(0.., |c| c != '"'), '"'),
    ));
    let quoted = quoted.map(|name: &str| Step::Name(name.to_owned()));
    let within = delimited('[', alt((index, quoted, steps.map(Step::Of))), ']');
    let rest: Vec<Step> = repeat(0.., alt((preceded('.', name), within))).parse_next(input)?;
    Ok([vec![first], rest].concat())
}

fn name(input: &mut &str) -> winnow::ModalResult<Step> {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '.' | '[' | ']' | '\'' | '"');
    take_while(1.., plain).map(|name: &str| Step::Name(name.to_owned())).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Value {
        let root = json!({
            "session": {"metadata": {"tenant": "acme", "which": 1, "a.b": "dotted"}, "secrets": {}},
            "agent": {"secrets": {"acme": "s3cret"}, "metadata": {"list": ["zero", "one"]}},
        });
        resolved(&json!({ "$ref": text }), &root, &mut 1_000).unwrap()
    }

    #[test]
    fn a_reference_leads_to_what_is_there() {
        for (text, value) in [
            ("session.metadata.tenant", json!("acme")),
            (".session.metadata.tenant", json!("acme")),
            ("$.session.metadata.tenant", json!("acme")),
            ("$session.metadata['a.b']", json!("dotted")),
            ("agent.secrets[session.metadata.tenant]", json!("s3cret")),
            ("agent.metadata.list[1]", json!("one")),
            ("agent.metadata.list[session.metadata.which]", json!("one")),
            ("agent.secrets", json!({"acme": "s3cret"})),
            ("agent.secrets[session.metadata.nobody]", Value::Null),
            ("agent.metadata.list[7]", Value::Null),
            ("agent..secrets", Value::Null),
            ("", Value::Null),
        ] {
            assert_eq!(at(text), value, "{text}");
        }
        assert_eq!(at(&format!("{}x{}", "a[".repeat(200), "]".repeat(200))), Value::Null);
    }

    #[test]
    fn references_are_found_wherever_they_stand_and_literal_ones_are_left() {
        let value = json!({"a": [{"$ref": "x.y"}], "b": {"$$ref": "x.y"}, "c": {"$ref": "x.y", "more": 1}});
        let root = json!({"x": {"y": 7}});
        let found = resolved(&value, &root, &mut 100).unwrap();
        assert_eq!(found, json!({"a": [7], "b": {"$ref": "x.y"}, "c": {"$ref": "x.y", "more": 1}}));
        assert!(is_dynamic(&value) && mentions(&value, "y") && !mentions(&value, "z"));
        assert!(!is_dynamic(&json!({"b": {"$$ref": "x.y"}})));
    }

    #[test]
    fn references_come_to_no_more_than_they_may() {
        let root = json!({"long": "x".repeat(50)});
        assert!(resolved(&json!([{"$ref": "long"}, {"$ref": "long"}]), &root, &mut 100).is_err());
    }
}
