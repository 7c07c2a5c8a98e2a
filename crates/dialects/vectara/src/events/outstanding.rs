//! `GET …/outstanding_client_tool_calls`: the calls that wait for the caller, and what the caller brings for them.

use std::collections::HashSet;

use sederunt_core::App;
use sederunt_core::agent::Agent;
use sederunt_core::item::{ItemBody, NewItem, ToolCall, ToolResult};
use sederunt_core::schema::Schema;
use sederunt_core::session::Session;
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, TurnKind, TurnState};
use serde_json::{Value, json};

use super::event::KeptItem;
use super::id::event_id;
use super::input::{Output, no_event};
use super::overrides::{Pinned, pin, pinned};
use crate::agents::Shape;
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;

/// The most compactions that may lie between a call and now.
const COMPACTIONS: usize = 16;

/// A call that waits.
#[derive(Debug)]
pub(super) struct Pending {
    /// The event of the call.
    pub event: String,
    pub call: ToolCall,
    pub pinned: Pinned,
}

impl Pending {
    /// The call as the caller is told of it.
    pub fn view(&self) -> Value {
        let mut arguments = self.call.arguments.clone();
        self.pinned.clear.iter().for_each(|(path, value)| pin(&mut arguments, path, value));
        json!({
            "event_id": self.event,
            "tool_configuration_name": self.call.tool,
            "tool_name": self.call.tool,
            "arguments": arguments,
        })
    }
}

/// Lists the calls that wait.
pub(super) async fn list(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let shape = shape(asked.app(), &agent).await?;
    let calls: Vec<_> = pending(asked.app(), &agent, &session, &shape).await?.iter().map(Pending::view).collect();
    Ok(answer::json(&json!({"client_tool_calls": calls})))
}

/// The agent as its latest version has it.
pub(super) async fn shape(app: &App, agent: &Agent) -> Result<Shape, Failure> {
    let version = app.agents().current(agent).await?;
    Ok(Shape::of(agent.key.as_str(), &version.definition))
}

/// The calls of a session that wait for the caller, with what the agent's maker pinned among their arguments.
pub(super) async fn pending(
    app: &App,
    agent: &Agent,
    session: &Session,
    shape: &Shape,
) -> Result<Vec<Pending>, Failure> {
    let mut last = session.last_turn;
    for _ in 0..COMPACTIONS {
        let Some(turn) = last else { break };
        let Some(record) = app.record().turn(session, turn).await? else { break };
        if record.turn.kind != TurnKind::Compact {
            return pending_of(app, agent, session, shape, &record).await;
        }
        last = record.turn.parent;
    }
    Ok(Vec::new())
}

/// The calls of a turn that wait for the caller.
pub(super) async fn pending_of(
    app: &App,
    agent: &Agent,
    session: &Session,
    shape: &Shape,
    record: &TurnRecord,
) -> Result<Vec<Pending>, Failure> {
    if record.turn.state != (TurnState::Ended { ending: Ending::NeedsOutputs }) {
        return Ok(Vec::new());
    }
    let results = record.items.iter().filter_map(|item| match &item.body {
        ItemBody::ToolResult(result) => Some(result.call.as_str()),
        _ => None,
    });
    let results: HashSet<_> = results.collect();
    let open = record.items.iter().filter_map(|item| match &item.body {
        ItemBody::ToolCall(call) if !results.contains(call.call.as_str()) => Some((item.position, call)),
        _ => None,
    });
    let open: Vec<_> = open.collect();
    let pinned = pinned(app, agent, session, shape, record, open.iter().map(|(_, call)| call.tool.as_str())).await?;
    let pending = open.into_iter().map(|(position, call)| Pending {
        event: event_id(record.turn.id, position),
        call: call.clone(),
        pinned: pinned.get(call.tool.as_str()).cloned().unwrap_or_default(),
    });
    Ok(pending.collect())
}

/// The results that outputs bring, one for each call that waits.
pub(super) fn results(outputs: &[Output<'_>], pending: &[Pending], shape: &Shape) -> Result<Vec<NewItem>, Failure> {
    const FIELD: &str = "tool_outputs";
    if pending.is_empty() {
        return Err(Failure::invalid(FIELD, "No call waits for an output."));
    }
    for (at, output) in outputs.iter().enumerate() {
        let path = || format!("{FIELD}[{at}].event_id");
        if !pending.iter().any(|call| call.event == output.event) {
            return Err(no_event(&path(), output.event));
        }
        if outputs.iter().take(at).any(|before| before.event == output.event) {
            return Err(Failure::invalid(path(), format!("{} has an output already", output.event)));
        }
    }
    let result = |call: &Pending| {
        let found = outputs.iter().enumerate().find(|(_, output)| output.event == call.event);
        let Some((at, output)) = found else {
            let message = format!("Give an output for every call that waits: {} has none.", call.event);
            return Err(Failure::invalid(FIELD, message));
        };
        let output = match &output.output {
            Ok(value) => {
                let value = Value::Object((*value).clone());
                fits(&value, &call.call.tool, shape).map_err(|wrong| {
                    let path = format!("{FIELD}[{at}].output");
                    Failure::invalid(
                        path.as_str(),
                        format!("{path} does not have the form of the tool's outputs: {wrong}"),
                    )
                })?;
                Ok(value)
            }
            Err(error) => Err(error.clone()),
        };
        let kept =
            KeptItem { tool: Some(call.call.tool.clone()), pinned: call.pinned.shown.clone(), ..KeptItem::default() };
        let body = ItemBody::ToolResult(ToolResult { call: call.call.call.clone(), output });
        Ok(NewItem { body, extra: kept.extra() })
    };
    pending.iter().map(result).collect()
}

/// Holds an output to the schema that its tool was configured with. A schema that cannot be applied holds nothing.
fn fits(output: &Value, tool: &str, shape: &Shape) -> Result<(), String> {
    let schema = shape.tools().get(tool).and_then(|tool| tool.get("output_schema"));
    match schema.map(Schema::compile) {
        Some(Ok(schema)) => schema.check(output),
        Some(Err(_)) | None => Ok(()),
    }
}
