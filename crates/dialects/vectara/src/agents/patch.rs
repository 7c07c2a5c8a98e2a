//! A definition with the changes of a `PATCH`: what the body does not name stays; null clears; inside the maps an entry that
//! is null goes.

use serde_json::{Map, Value, json};

use super::Shape;
use super::shape::{name, whole_step};
use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The definition after the change. Its parts are not checked yet.
pub(super) fn patched(before: &Shape, body: &Fields<'_>) -> Result<Shape, Failure> {
    let mut map = before.0.clone();
    for member in ["name", "model"] {
        if body.is_null(member) {
            return Err(must_be(member, "given, or left out"));
        }
    }
    if let Some(given) = body.get("name") {
        name(body)?;
        map.insert("name".into(), given.clone());
    }
    if let Some(model) = body.get("model") {
        map.insert("model".into(), model.clone());
    }
    for member in ["description", "compaction", "tool_output_offloading"] {
        if body.is_null(member) {
            map.shift_remove(member);
        } else if let Some(given) = body.get(member) {
            map.insert(member.into(), given.clone());
        }
    }
    if body.is_null("metadata") {
        map.insert("metadata".into(), json!({}));
    } else if let Some(metadata) = body.get("metadata") {
        map.insert("metadata".into(), metadata.clone());
    }
    for member in ["tool_configurations", "skills"] {
        merge(&mut map, body, member, |_, entry| Ok(entry.clone()))?;
    }
    if body.is_null("skills") {
        map.shift_remove("skills");
    }
    patch_steps(&mut map, before, body)?;
    Ok(Shape(map))
}

/// Sets the entries of a map that a body names, and removes those that are null; all of them, if it is null itself.
fn merge(
    map: &mut Map<String, Value>,
    body: &Fields<'_>,
    member: &str,
    entry: impl Fn(Option<&Value>, &Value) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    if body.is_null(member) {
        map.insert(member.to_owned(), json!({}));
    }
    let Some(given) = body.object(member)? else { return Ok(()) };
    let mut merged = map.get(member).and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in given.map() {
        if value.is_null() {
            merged.shift_remove(name);
        } else {
            let value = entry(merged.get(name), value)?;
            merged.insert(name.clone(), value);
        }
    }
    map.insert(member.to_owned(), Value::Object(merged));
    Ok(())
}

fn patch_steps(map: &mut Map<String, Value>, before: &Shape, body: &Fields<'_>) -> Result<(), Failure> {
    merge(map, body, "steps", |there, step| {
        let step = Fields::of("steps", step)?;
        Ok(Value::Object(partial(there, step.map())))
    })?;
    let mut steps = map.get("steps").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut entry = before.entry_name().to_owned();
    if body.is_null("steps") {
        // An agent without a step cannot be: all but the one where it begins go.
        steps.insert(entry.clone(), Value::Object(before.entry().clone()));
    }
    if let Some(name) = body.text("first_step_name")? {
        if !steps.contains_key(name) {
            return Err(Failure::invalid("first_step_name", format!("there is no step '{name}'")));
        }
        name.clone_into(&mut entry);
    }
    if let Some(first) = body.object("first_step")? {
        let mut step = partial(steps.get(&entry), first.map());
        step.shift_remove("name");
        if let Some(name) = first.text("name")?
            && name != entry
        {
            rename(&mut steps, &entry, name, &step)?;
            name.clone_into(&mut entry);
        }
        steps.insert(entry.clone(), Value::Object(step));
    }
    map.insert("first_step_name".into(), entry.into());
    map.insert("steps".into(), Value::Object(steps));
    Ok(())
}

/// A step with the members that a partial one gives; null is their default.
fn partial(there: Option<&Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let mut step = there.and_then(Value::as_object).cloned().unwrap_or_default();
    step.extend(given.clone());
    whole_step(&step)
}

/// Gives the entry step another name, also where other steps name it.
fn rename(steps: &mut Map<String, Value>, old: &str, new: &str, step: &Map<String, Value>) -> Result<(), Failure> {
    if steps.get(new).is_some_and(|there| there.as_object() != Some(step)) {
        return Err(Failure::invalid("first_step.name", format!("there is another step '{new}'")));
    }
    steps.shift_remove(old);
    let turn = |value: &mut Value| {
        if value == old {
            *value = new.into();
        }
    };
    for other in steps.values_mut() {
        if let Some(reentry) = other.get_mut("reentry_step") {
            turn(reentry);
        }
        let next = other.get_mut("next_steps").and_then(Value::as_array_mut);
        next.into_iter().flatten().filter_map(|next| next.get_mut("step_name")).for_each(turn);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let body = json!({
            "name": "A", "description": "d", "model": {"name": "m"}, "metadata": {"a": 1, "b": 2},
            "tool_configurations": {"t": {"type": "web_get"}, "u": {"type": "mcp"}}, "skills": {"s": {}},
            "first_step_name": "one",
            "steps": {"one": {"allowed_tools": ["t"]}, "two": {"next_steps": [{"step_name": "one"}]}},
        });
        Shape::read(&Fields::body(body.as_object().unwrap())).unwrap()
    }

    fn change(body: Value) -> Result<Shape, Failure> {
        patched(&shape(), &Fields::body(body.as_object().unwrap()))
    }

    #[test]
    fn what_is_not_named_stays() {
        assert_eq!(change(json!({})).unwrap(), shape());
        let after = change(json!({"description": "e"})).unwrap();
        assert_eq!(after.description(), Some("e"));
        assert_eq!(after.steps(), shape().steps());
    }

    #[test]
    fn null_clears() {
        let after = change(json!({
            "description": null, "metadata": null, "tool_configurations": null, "skills": null, "steps": null,
        }));
        let after = after.unwrap();
        assert_eq!((after.description(), after.metadata().len(), after.tools().len()), (None, 0, 0));
        assert!(!after.0.contains_key("skills"));
        assert_eq!(after.steps().keys().collect::<Vec<_>>(), ["one"]);
        for member in ["name", "model"] {
            assert_eq!(change(json!({member: null})).unwrap_err().fields()[0].0, member);
        }
    }

    #[test]
    fn entries_of_maps_are_set_or_removed_one_by_one() {
        let after = change(json!({
            "tool_configurations": {"t": null, "v": {"type": "lambda"}},
            "steps": {"one": {"allowed_tools": null}, "three": {}},
            "metadata": {"c": 3},
        }));
        let after = after.unwrap();
        assert_eq!(after.tools().keys().collect::<Vec<_>>(), ["u", "v"]);
        assert!(!after.entry().contains_key("allowed_tools"));
        assert!(after.steps().contains_key("three") && after.steps().contains_key("two"));
        assert_eq!(after.0["metadata"], json!({"c": 3}));
    }

    #[test]
    fn the_entry_step_is_renamed_where_others_name_it() {
        let after = change(json!({"first_step": {"name": "start", "type": "conversational"}})).unwrap();
        assert_eq!(after.entry_name(), "start");
        assert_eq!(after.entry()["allowed_tools"], json!(["t"]));
        assert_eq!(after.steps()["two"]["next_steps"][0]["step_name"], "start");
        assert!(!after.steps().contains_key("one"));
        assert_eq!(change(json!({"first_step_name": "two"})).unwrap().entry_name(), "two");
        assert!(change(json!({"first_step_name": "four"})).is_err());
        assert!(change(json!({"first_step": {"name": "two"}})).is_err());
    }
}
