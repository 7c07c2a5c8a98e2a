//! What the model is told when a turn begins: the instructions of the agent's first step, filled in.

use sederunt_core::agent::Agent;
use sederunt_core::app::App;
use sederunt_core::clock::Time;
use sederunt_core::instruction::Syntax;
use sederunt_core::session::Session;
use serde_json::{Map, Value, json};

use super::{reference, syntax};
use crate::agents::Shape;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::timestamp::timestamp;
use crate::{sessions, velocity};

/// The inline instructions of the agent's first step and those that it refers to, filled in and joined by blank lines.
/// `None` if there are none. 422 if one is not there any more, or its template fails.
pub(crate) async fn rendered(
    app: &App,
    agent: &Agent,
    shape: &Shape,
    session: &Session,
) -> Result<Option<String>, Failure> {
    let variables = variables(agent, shape, session, app.now());
    let mut texts = Vec::new();
    for instruction in shape.instructions() {
        let Some(map) = instruction.as_object() else { continue };
        let fields = Fields::body(map);
        let (syntax, template) = if fields.text("type")? == Some("reference") {
            let found = reference::found(app, &agent.tenant, map).await?;
            let found = found.ok_or_else(|| unusable("An instruction of the agent is not there any more."))?;
            if !found.enabled {
                continue;
            }
            (found.syntax, found.template)
        } else {
            if fields.boolean("enabled")? == Some(false) {
                continue;
            }
            let template = fields.text("template")?.unwrap_or_default().to_owned();
            (syntax(&fields)?.unwrap_or_default(), template)
        };
        let text = fill(syntax, template, &variables)
            .map_err(|error| unusable(format!("An instruction of the agent cannot be rendered: {error}.")))?;
        texts.push(text);
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}

/// The text that a template makes.
pub(super) fn fill(
    syntax: Syntax,
    template: String,
    variables: &Map<String, Value>,
) -> Result<String, velocity::TemplateError> {
    match syntax {
        Syntax::Text => Ok(template),
        Syntax::Velocity => velocity::render(&template, variables),
    }
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(422, "invalid_agent_configuration", message)
}

/// What templates can refer to.
fn variables(agent: &Agent, shape: &Shape, session: &Session, now: Time) -> Map<String, Value> {
    let tools: Vec<Value> = shape.tools().iter().map(|(name, tool)| described(name, tool)).collect();
    let mut variables = Map::new();
    variables.insert(
        "agent".into(),
        json!({
            "key": agent.key.as_str(),
            "name": shape.name(),
            "description": shape.description(),
            "metadata": shape.metadata(),
        }),
    );
    variables.insert(
        "session".into(),
        json!({
            "key": session.key.as_str(),
            "name": sessions::name(session),
            "description": session.description,
            "metadata": session.metadata,
        }),
    );
    variables.insert("currentDate".into(), timestamp(now).into());
    variables.insert("tools".into(), tools.into());
    variables
}

/// A tool as templates know it.
fn described(name: &str, tool: &Value) -> Value {
    let member = |name: &str| tool.get(name).and_then(Value::as_str);
    let description = member("description").or_else(|| member("description_template")).unwrap_or_default();
    json!({"name": name, "description": description})
}
