//! Definitions: kept as they came, and read where they are used (the service's REST reference). What the core runs of one
//! stands in its own words beside it.

use std::time::Duration;

use sederunt_core::agent::{AgentVersion, Definition, Wants};
use sederunt_core::id::Key;
use serde_json::{Map, Value, json};

use crate::NAME;
use crate::failure::Failure;
use crate::features::Feature;
use crate::fields::{Fields, missing, must_be};
use crate::metadata::metadata;
use crate::model_options::{options, tools};

/// The longest description, in characters.
const DESCRIPTION: usize = 512;

/// How long a session may be told to wait until it goes idle, in seconds.
const IDLE: (u64, u64) = (120, 14_400);

/// What sort of agent a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A container with sessions.
    Hosted,
    /// A model with instructions; it has no sessions.
    Prompt,
    /// A workflow; stored only.
    Workflow,
    /// One that runs elsewhere; stored only.
    External,
    /// One that speaks; stored only.
    Voice,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Hosted, Self::Prompt, Self::Workflow, Self::External, Self::Voice];

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The wire's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::Prompt => "prompt",
            Self::Workflow => "workflow",
            Self::External => "external",
            Self::Voice => "voice",
        }
    }

    /// The preview to which a request that makes one must opt in.
    pub fn preview(self) -> Option<Feature> {
        match self {
            Self::Hosted | Self::Prompt => None,
            Self::Workflow => Some(Feature::WorkflowAgents),
            Self::External => Some(Feature::ExternalAgents),
            Self::Voice => Some(Feature::VoiceAgents),
        }
    }

    /// The kind of a definition; one made elsewhere counts as hosted.
    pub fn of(definition: &Definition) -> Self {
        let kind = raw(definition).and_then(|raw| raw.get("kind")).and_then(Value::as_str);
        kind.and_then(Self::named).unwrap_or(Self::Hosted)
    }
}

/// What the dialect keeps in a version's definition.
pub(crate) fn kept(definition: &Definition) -> Option<&Value> {
    definition.extra.get(NAME)
}

/// The definition as it came; none if the version was made elsewhere.
pub(crate) fn raw(definition: &Definition) -> Option<&Value> {
    kept(definition)?.get("definition")
}

/// How long a session of the version waits until it goes idle, if the version says.
pub(crate) fn idle_timeout(definition: &Definition) -> Option<Duration> {
    let configuration = raw(definition)?.get("session_configuration")?;
    configuration.get("idle_timeout_seconds")?.as_u64().map(Duration::from_secs)
}

/// The names of the protocols that a hosted version says it speaks.
pub(crate) fn protocols(definition: &Definition) -> Vec<&str> {
    let list = raw(definition).and_then(|raw| raw.get("protocol_versions").or(raw.get("container_protocol_versions")));
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|record| record.get("protocol")?.as_str()).collect()
}

/// The definition under which a version that was made elsewhere is shown.
pub(crate) fn stand_in(agent: &Key, version: &AgentVersion) -> Value {
    let image = version.definition.wants.image.clone().unwrap_or_else(|| format!("{agent}:{}", version.label));
    json!({
        "kind": Kind::Hosted.name(),
        "cpu": "1",
        "memory": "2Gi",
        "container_configuration": {"image": image},
        "protocol_versions": [{"protocol": "responses", "version": "2.0.0"}],
    })
}

/// What a request that makes a version says.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// What shall run, with what came as the dialect keeps it.
    pub definition: Definition,
    pub kind: Kind,
    pub draft: bool,
}

/// Reads `definition`, `metadata`, `description`, `blueprint_reference` and `draft` of a body.
pub(crate) fn read(agent: &str, body: &Fields<'_>) -> Result<Given, Failure> {
    let raw = body.required("definition")?;
    let definition = Fields::of(body.path("definition"), raw)?;
    let kind = definition.required_text("kind")?;
    let kind = Kind::named(kind).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        must_be(&definition.path("kind"), &format!("one of {names}"))
    })?;
    let mut core = match kind {
        Kind::Hosted => hosted(&definition)?,
        Kind::Prompt => prompt(&definition)?,
        Kind::Workflow | Kind::External | Kind::Voice => Definition::default(),
    };
    let description = body.short_text("description", DESCRIPTION)?;
    let mut kept = Map::new();
    kept.insert("definition".into(), raw.clone());
    kept.insert("metadata".into(), metadata(body)?.into());
    kept.insert("description".into(), description.into());
    if let Some(reference) = body.object("blueprint_reference")? {
        reference.required_text("type")?;
        kept.insert("blueprint_reference".into(), body.get("blueprint_reference").cloned().unwrap_or_default());
    }
    core.name = agent.to_owned();
    core.description = description.map(str::to_owned);
    core.extra.insert(NAME.to_owned(), kept.into());
    Ok(Given { definition: core, kind, draft: body.boolean("draft")?.unwrap_or_default() })
}

/// `hosted`, in its present form and the one before: `image` at the top, `container_protocol_versions`.
fn hosted(definition: &Fields<'_>) -> Result<Definition, Failure> {
    for name in ["cpu", "memory"] {
        if definition.required_text(name)?.is_empty() {
            return Err(missing(&definition.path(name)));
        }
    }
    let container = definition.object("container_configuration")?;
    let code = definition.object("code_configuration")?;
    let image = match &container {
        Some(container) => Some(container.required_text("image")?),
        None => definition.text("image")?,
    };
    if image.is_some() == code.is_some() {
        let message = "exactly one of container_configuration and code_configuration is required";
        return Err(Failure::invalid(definition.path("container_configuration"), message));
    }
    for name in ["protocol_versions", "container_protocol_versions"] {
        for record in definition.objects(name)? {
            record.required_text("protocol")?;
            record.text("version")?;
        }
    }
    if let Some(configuration) = definition.object("session_configuration")? {
        configuration.integer("idle_timeout_seconds", IDLE.0, IDLE.1)?;
    }
    if let Some(variables) = definition.object("environment_variables")? {
        for name in variables.names() {
            variables.text(name)?;
        }
    }
    let wants = Wants { image: image.map(str::to_owned), ..Wants::default() };
    Ok(Definition { wants, ..Definition::default() })
}

/// `prompt`: what the model is told and how it shall answer.
fn prompt(definition: &Fields<'_>) -> Result<Definition, Failure> {
    let model = definition.required_text("model")?;
    if model.is_empty() {
        return Err(missing(&definition.path("model")));
    }
    definition.object("structured_inputs")?;
    Ok(Definition {
        instructions: definition.text("instructions")?.map(str::to_owned),
        wants: Wants { model: Some(model.to_owned()), ..Wants::default() },
        options: options(definition)?,
        tools: tools(definition)?,
        ..Definition::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(body: Value) -> Result<Given, Failure> {
        let Value::Object(map) = body else { panic!("not an object") };
        read("an-agent", &Fields::body(&map))
    }

    #[test]
    fn a_definition_is_kept_as_it_came_and_read_for_the_core() {
        let raw = json!({"kind": "prompt", "model": "gpt", "instructions": "Be brief.", "temperature": 0.2,
            "tools": [{"type": "function", "name": "f"}], "of_the_future": [1, null]});
        let given = given(json!({"definition": raw, "metadata": {"a": "1"}, "description": "D"})).unwrap();
        let definition = &given.definition;
        assert_eq!(definition.extra[NAME], json!({"definition": raw, "metadata": {"a": "1"}, "description": "D"}));
        assert_eq!(
            (definition.instructions.as_deref(), definition.wants.model.as_deref()),
            (Some("Be brief."), Some("gpt"))
        );
        assert_eq!((definition.tools.len(), definition.options.temperature), (1, Some(0.2)));
    }

    #[test]
    fn both_forms_of_a_hosted_definition_name_their_image() {
        let now = json!({"kind": "hosted", "cpu": "1", "memory": "2Gi", "container_configuration": {"image": "i:1"}});
        let before = json!({"kind": "hosted", "cpu": "1", "memory": "2Gi", "image": "i:1"});
        for definition in [now, before] {
            let given = given(json!({"definition": definition})).unwrap();
            assert_eq!(given.definition.wants.image.as_deref(), Some("i:1"));
        }
    }

    #[test]
    fn what_we_use_is_checked() {
        let container = json!({"image": "i"});
        let code = json!({"runtime": "python_3_13", "entry_point": ["main.py"]});
        for bad in [
            json!(null),
            json!("hosted"),
            json!({}),
            json!({"kind": "container_app"}),
            json!({"kind": "prompt"}),
            json!({"kind": "prompt", "model": "m", "temperature": 3}),
            json!({"kind": "hosted", "cpu": "1", "container_configuration": container}),
            json!({"kind": "hosted", "cpu": "1", "memory": "1Gi"}),
            json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "container_configuration": {}}),
            json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "container_configuration": container,
                "code_configuration": code}),
            json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "container_configuration": container,
                "session_configuration": {"idle_timeout_seconds": 119}}),
            json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "container_configuration": container,
                "environment_variables": {"A": 1}}),
        ] {
            assert!(given(json!({"definition": bad})).is_err(), "{bad}");
        }
        let coded = json!({"kind": "hosted", "cpu": "1", "memory": "1Gi", "code_configuration": code});
        assert_eq!(given(json!({"definition": coded})).unwrap().kind, Kind::Hosted);
    }
}
