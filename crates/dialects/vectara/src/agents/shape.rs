//! An agent as the service defines it, in a normal form: every step is in `steps`, the entry step among them, and
//! `first_step_name` says which one that is. The deprecated member `first_step` is derived from both.

use sederunt_core::agent::{AnswerFormat, Definition};
use serde_json::{Map, Value, json};

use crate::NAME;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The name of an entry step that was given none.
const FIRST_STEP: &str = "first_step";

/// The longest name of an agent, in characters.
const LONGEST_NAME: usize = 50;

/// The members that an agent's maker gives, beside its key, `enabled` and what says where it begins.
const MEMBERS: [&str; 7] =
    ["name", "description", "tool_configurations", "skills", "model", "compaction", "tool_output_offloading"];

/// An agent's definition in normal form: the members above, `metadata`, `first_step_name` and `steps`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape(pub(super) Map<String, Value>);

impl Shape {
    /// The definition that a whole body gives: of a new agent, or in another's place. Its parts are not checked yet.
    pub fn read(body: &Fields<'_>) -> Result<Self, Failure> {
        let mut map = Map::new();
        name(body)?;
        for member in MEMBERS {
            if let Some(value) = body.get(member) {
                map.insert(member.to_owned(), value.clone());
            }
        }
        map.entry("tool_configurations").or_insert_with(|| json!({}));
        map.insert("metadata".into(), body.get("metadata").cloned().unwrap_or_else(|| json!({})));
        let mut steps = Map::new();
        if let Some(given) = body.object("steps")? {
            for (name, step) in given.map() {
                let step = Fields::of(given.path(name), step)?;
                steps.insert(name.clone(), Value::Object(whole_step(step.map())));
            }
        }
        let entry = entry(body, &mut steps)?;
        map.insert("first_step_name".into(), entry.into());
        map.insert("steps".into(), Value::Object(steps));
        Ok(Self(map))
    }

    /// The definition of a version: as it came, or of one made elsewhere, what its parts come to here. `key` is the name of
    /// an agent that has no other.
    pub fn of(key: &str, definition: &Definition) -> Self {
        match definition.extra.get(NAME) {
            Some(Value::Object(map)) => Self(map.clone()),
            _ => Self(foreign(key, definition)),
        }
    }

    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    pub fn description(&self) -> Option<&str> {
        self.text("description")
    }

    /// `{}` unless given.
    pub fn metadata(&self) -> &Map<String, Value> {
        self.map("metadata")
    }

    /// The configurations of tools by name.
    pub fn tools(&self) -> &Map<String, Value> {
        self.map("tool_configurations")
    }

    /// The skills by name.
    pub fn skills(&self) -> &Map<String, Value> {
        self.map("skills")
    }

    /// The steps by name, the entry step among them.
    pub fn steps(&self) -> &Map<String, Value> {
        self.map("steps")
    }

    /// The name of the step where a turn begins.
    pub fn entry_name(&self) -> &str {
        self.text("first_step_name").unwrap_or(FIRST_STEP)
    }

    /// The step where a turn begins: the one that runs.
    pub fn entry(&self) -> &Map<String, Value> {
        self.steps().get(self.entry_name()).and_then(Value::as_object).unwrap_or(&NOTHING)
    }

    /// The instructions of the step that runs.
    pub fn instructions(&self) -> &[Value] {
        self.entry().get("instructions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The settings of compaction, all of them, those that were not given by their defaults.
    pub fn compaction(&self) -> Map<String, Value> {
        let mut all = Map::new();
        all.insert("enabled".into(), true.into());
        all.insert("threshold_percent".into(), 80.into());
        all.insert("keep_recent_inputs".into(), 1.into());
        all.insert("tool_event_policy".into(), "include_outputs".into());
        let given = self.map("compaction").iter().filter(|(_, value)| !value.is_null());
        all.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        all
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn map(&self, name: &str) -> &Map<String, Value> {
        self.0.get(name).and_then(Value::as_object).unwrap_or(&NOTHING)
    }
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

/// The name that a body gives an agent: 1 to 50 characters.
pub(super) fn name<'a>(body: &Fields<'a>) -> Result<&'a str, Failure> {
    let name = body.required_text("name")?;
    if (1..=LONGEST_NAME).contains(&name.chars().count()) {
        Ok(name)
    } else {
        Err(must_be("name", "1 to 50 characters"))
    }
}

/// A step without its nulls, which mean their defaults; with what every step has.
pub(super) fn whole_step(given: &Map<String, Value>) -> Map<String, Value> {
    let mut step = given.clone();
    step.retain(|_, value| !value.is_null());
    step.entry("instructions").or_insert_with(|| json!([]));
    step.entry("output_parser").or_insert_with(|| json!({"type": "default"}));
    step
}

/// The name of the entry step, which is put among the steps if it came by itself.
fn entry(body: &Fields<'_>, steps: &mut Map<String, Value>) -> Result<String, Failure> {
    let named = body.text("first_step_name")?;
    let Some(first) = body.object("first_step")? else {
        let Some(name) = named else {
            return Err(Failure::invalid("first_step", "first_step is required, or first_step_name and steps"));
        };
        if !steps.contains_key(name) {
            return Err(Failure::invalid("first_step_name", format!("there is no step '{name}'")));
        }
        return Ok(name.to_owned());
    };
    let own = first.text("name")?;
    if let (Some(named), Some(own)) = (named, own)
        && named != own
    {
        return Err(Failure::invalid("first_step_name", "first_step_name and first_step.name are two names"));
    }
    let name = own.or(named).unwrap_or(FIRST_STEP).to_owned();
    let mut step = whole_step(first.map());
    step.shift_remove("name");
    match steps.get(&name) {
        Some(Value::Object(there)) if *there != step => {
            let message = format!("steps has another step '{name}'");
            Err(Failure::invalid("first_step", message))
        }
        _ => {
            steps.insert(name.clone(), Value::Object(step));
            Ok(name)
        }
    }
}

/// A definition made elsewhere: what it is called, what the model is told, the form of its answer.
fn foreign(key: &str, definition: &Definition) -> Map<String, Value> {
    let instructions: Vec<_> = definition
        .instructions
        .iter()
        .map(|text| json!({"type": "inline", "name": "instructions", "template": text, "template_type": "text"}))
        .collect();
    let parser = match &definition.options.format {
        Some(AnswerFormat::JsonSchema { name, schema, strict }) => {
            json!({"type": "structured", "json_schema": {"name": name, "strict": strict, "schema": schema}})
        }
        Some(AnswerFormat::Text | AnswerFormat::JsonObject) | None => json!({"type": "default"}),
    };
    let model = definition.model.as_deref().or(definition.wants.model.as_deref()).unwrap_or("default");
    let mut map = Map::new();
    let name = if definition.name.is_empty() { key } else { &definition.name };
    map.insert("name".into(), name.into());
    if let Some(description) = &definition.description {
        map.insert("description".into(), description.as_str().into());
    }
    map.insert("tool_configurations".into(), json!({}));
    map.insert("model".into(), json!({"name": model}));
    map.insert("metadata".into(), json!({}));
    map.insert("first_step_name".into(), FIRST_STEP.into());
    let step = json!({"type": "conversational", "instructions": instructions, "output_parser": parser});
    map.insert("steps".into(), json!({FIRST_STEP: step}));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Shape, Failure> {
        let map = body.as_object().unwrap().clone();
        Shape::read(&Fields::body(&map))
    }

    #[test]
    fn the_entry_step_can_be_given_in_two_ways() {
        let alone = json!({"name": "A", "model": {"name": "m"}, "first_step": {"type": "conversational"}});
        let named = json!({"name": "A", "model": {"name": "m"}, "first_step_name": "first_step",
            "steps": {"first_step": {"type": "conversational"}}});
        let alone = read(alone).unwrap();
        assert_eq!(alone, read(named).unwrap());
        let step = json!({"type": "conversational", "instructions": [], "output_parser": {"type": "default"}});
        assert_eq!(alone.steps().get("first_step"), Some(&step));
    }

    #[test]
    fn an_entry_step_of_two_minds_is_refused() {
        for (field, rest) in [
            ("first_step", json!({})),
            ("first_step_name", json!({"first_step_name": "x"})),
            ("first_step_name", json!({"first_step_name": "x", "first_step": {"name": "y"}})),
            ("first_step", json!({"first_step": {"name": "x"}, "steps": {"x": {"type": "conversational"}}})),
        ] {
            let mut body = json!({"name": "A"});
            body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            let failure = read(body.clone()).unwrap_err();
            assert_eq!(failure.fields()[0].0, field, "{body}");
        }
        let same = json!({"name": "A", "first_step": {"name": "x"}, "first_step_name": "x", "steps": {"x": {}}});
        assert_eq!(read(same).unwrap().entry_name(), "x");
    }

    #[test]
    fn an_agent_made_elsewhere_has_a_plain_view() {
        let mut definition = Definition { name: "Pump expert".into(), ..Definition::default() };
        definition.instructions = Some("Be brief.".into());
        let shape = Shape::of("pumps", &definition);
        assert_eq!((shape.name(), shape.entry_name()), ("Pump expert", "first_step"));
        assert_eq!(shape.instructions()[0]["template"], "Be brief.");
        assert_eq!(shape.0["model"], json!({"name": "default"}));
        assert_eq!(Shape::of("pumps", &Definition::default()).name(), "pumps");
    }
}
