//! The side table of sessions' metadata: one row a field, its value as text that sorts as the values of its kind do.
//! Objects and lists have rows that only say that they are there; the members of an object have rows of their own, the
//! elements of a list have none.

use sederunt_core::session::Session;
use serde_json::{Map, Number, Value};

use crate::driver::{Step, params};

/// The longest path that has a row, in bytes.
const PATH_MAX: usize = 256;

/// How much of a text a row has, in bytes, cut at a character.
const TEXT_KEPT: usize = 256;

/// The longest text that can be compared with what rows have: shorter than what they keep of any longer one, so that the
/// order of the two is that of the whole texts.
const TEXT_COMPARED: usize = 200;

/// Up to here every whole number is a double of its own.
const EXACT: u64 = 1 << 53;

const ADD: &str = "insert into session_metadata (tenant, session, path, agent, owner, key, value) \
     select s.tenant, s.id, $3, s.agent, s.owner, s.key, $4 from sessions s where s.tenant = $1 and s.id = $2 \
     on conflict do nothing";
const REMOVE: &str = "delete from session_metadata where tenant = $1 and session = $2";

/// The steps that add the rows of a session that was just added.
pub(crate) fn added(session: &Session) -> Vec<Step> {
    rows(session.tenant.as_str(), &session.id.to_string(), &session.metadata)
}

/// The steps that put the rows of new metadata in place of the old.
pub(crate) fn replaced(tenant: &str, session: &str, metadata: &Map<String, Value>) -> Vec<Step> {
    let mut steps = vec![removed(tenant, session)];
    steps.extend(rows(tenant, session, metadata));
    steps
}

/// The step that removes the rows of a session that is not listed any more.
pub(crate) fn removed(tenant: &str, session: &str) -> Step {
    Step::any(REMOVE, params![tenant, session])
}

/// The steps that add the rows of a session that is there; rows that are there stay.
pub(crate) fn rows(tenant: &str, session: &str, metadata: &Map<String, Value>) -> Vec<Step> {
    let mut found = Vec::new();
    collect(&mut Vec::new(), metadata, &mut found);
    let step = |(path, value): (String, String)| Step::any(ADD, params![tenant, session, path, value]);
    found.into_iter().map(step).collect()
}

fn collect<'a>(names: &mut Vec<&'a str>, members: &'a Map<String, Value>, found: &mut Vec<(String, String)>) {
    for (name, value) in members {
        names.push(name);
        // Below a path that is too long all are.
        if let (Some(path), Some(text)) = (path(names), encoded(value)) {
            found.push((path, text));
            if let Value::Object(members) = value {
                collect(names, members, found);
            }
        }
        names.pop();
    }
}

/// The path of a field, if fields of that path have rows.
pub(crate) fn path<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&names).ok().filter(|path| path.len() <= PATH_MAX)
}

/// A value's row; null is as good as absent.
fn encoded(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => self::flag(*flag),
        Value::Number(number) => self::number(number)?,
        Value::String(text) => {
            let end = (0..=TEXT_KEPT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
            format!("t{}", text.get(..end.unwrap_or(0)).unwrap_or_default())
        }
        Value::Array(_) => "l".to_owned(),
        Value::Object(_) => "o".to_owned(),
    })
}

/// The row of a text that is compared with; `None` if it is too long for that.
pub(crate) fn text(text: &str) -> Option<String> {
    (text.len() <= TEXT_COMPARED).then(|| format!("t{text}"))
}

/// The row of a flag.
pub(crate) fn flag(flag: bool) -> String {
    if flag { "f1" } else { "f0" }.to_owned()
}

/// The row of a number that is compared with; `None` for a whole one that shares its double with others.
pub(crate) fn exact_number(number: &Number) -> Option<String> {
    if number.as_i64().is_some_and(|whole| whole.unsigned_abs() >= EXACT) || number.as_u64().is_some_and(|n| n >= EXACT)
    {
        return None;
    }
    self::number(number)
}

/// A number's double, its bits turned so that they sort as the numbers do.
fn number(number: &Number) -> Option<String> {
    // Adding zero makes one zero of the two that there are.
    let bits = (number.as_f64()? + 0.0).to_bits();
    let sortable = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    Some(format!("n{sortable:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_sort_as_text() {
        let sorted = [json!(-1e300), json!(-2), json!(-0.5), json!(0), json!(1e-9), json!(1), json!(u64::MAX)];
        let rows: Vec<_> = sorted.iter().map(|n| encoded(n).unwrap()).collect();
        assert!(rows.is_sorted_by(|a, b| a < b), "{rows:?}");
        assert_eq!(encoded(&json!(-0.0)), encoded(&json!(0)));
        assert_eq!(exact_number(&Number::from(1i64 << 53)), None);
    }

    #[test]
    fn members_of_objects_have_rows_and_elements_of_lists_have_none() {
        let data = json!({"a": {"b.c": 1, "none": null}, "list": [{"x": 1}], "long": "é".repeat(200)});
        let mut found = Vec::new();
        collect(&mut Vec::new(), data.as_object().unwrap(), &mut found);
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [r#"["a"]"#, r#"["a","b.c"]"#, r#"["list"]"#, r#"["long"]"#]);
        assert_eq!(found.last().unwrap().1, format!("t{}", "é".repeat(128)));
    }
}
