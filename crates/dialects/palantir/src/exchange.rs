//! What goes into an exchange and comes out of it: parameters, contexts, results and traces, on the wire and in the
//! core's words.
//!
//! Responses always carry every list and map: the Python SDK's models refuse an answer without them.

use sederunt_core::agent::{Access, Parameter, ParameterKind, ParameterValue, Parameters};
use sederunt_core::app::Traced;
use sederunt_core::item::{Context, ItemBody, ToolCall, ToolKind, ToolResult};
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, TurnState};
use serde_json::{Map, Value, json};

use crate::error::Refusal;
use crate::fields::Fields;
use crate::rid::{is_rid, named};

/// The kinds of identifiers that names of ours are dressed as, since the Python SDK refuses an answer with any other text.
const FUNCTION: &str = "ri.function-registry.main.function";
const OBJECT: &str = "ri.phonograph2-objects.main.object";
const PROPERTY: &str = "ri.ontology.main.property";
const OBJECT_SET: &str = "ri.object-set.main.temporary-object-set";

/// The object sets that a parameter's value may be; the vendor's discriminators.
const OBJECT_SETS: [&str; 15] = [
    "base",
    "static",
    "reference",
    "filter",
    "union",
    "intersect",
    "subtract",
    "searchAround",
    "interfaceLinkSearchAround",
    "withProperties",
    "nearestNeighbors",
    "asType",
    "asBaseObjectTypes",
    "interfaceBase",
    "methodInput",
];

/// Our type names in the vendor's words.
pub(crate) fn type_name(ours: &str) -> &'static str {
    match ours {
        "text" => "string",
        _ => "objectSet",
    }
}

/// A parameter's declaration.
pub(crate) fn parameter(parameter: &Parameter) -> Value {
    let mut kind = Map::new();
    match &parameter.kind {
        ParameterKind::Text { default } => {
            kind.insert("type".into(), "string".into());
            if let Some(default) = default {
                kind.insert("defaultValue".into(), default.as_str().into());
            }
        }
        ParameterKind::Data { expects } => {
            kind.insert("type".into(), "objectSet".into());
            kind.insert("expectedObjectTypes".into(), json!(expects));
        }
    }
    let access = match parameter.access {
        Access::Read => "READ_ONLY",
        Access::ReadWrite => "READ_WRITE",
    };
    let mut wire = json!({"parameterType": kind, "access": access});
    if let Some(description) = &parameter.description {
        wire["description"] = description.as_str().into();
    }
    wire
}

/// `parameterInputs` of a request; absent is empty.
pub(crate) fn parameter_inputs(body: &mut Fields) -> Result<Parameters, Refusal> {
    let read = |(name, mut fields): (String, Fields)| {
        let value = match fields.text("type")?.as_str() {
            "string" => ParameterValue::Text(fields.text("value")?),
            "objectSet" => {
                let path = fields.path("objectSet");
                let set = fields.required("objectSet")?;
                let known = set.get("type").and_then(Value::as_str).is_some_and(|t| OBJECT_SETS.contains(&t));
                if !known {
                    return Err(Refusal::Unprocessable(format!("{path}: not an object set of a known type")));
                }
                ParameterValue::Data(json!({"objectSet": set, "ontology": fields.text("ontology")?}))
            }
            other => {
                let path = fields.path("type");
                return Err(Refusal::Unprocessable(format!("{path}: unknown type '{other}'")));
            }
        };
        fields.end()?;
        Ok((name, value))
    };
    body.map("parameterInputs")?.into_iter().map(read).collect()
}

/// `contextsOverride` of a request; absent lets the agent look things up, `[]` has it use nothing.
pub(crate) fn contexts_override(body: &mut Fields) -> Result<Option<Vec<Context>>, Refusal> {
    let read = |mut fields: Fields| {
        let context = match fields.text("type")?.as_str() {
            "objectContext" => Context::Objects {
                objects: rids(&mut fields, "objectRids")?,
                properties: rids(&mut fields, "propertyTypeRids")?,
            },
            "functionRetrievedContext" => Context::Passage {
                source: rid(&mut fields, "functionRid")?,
                version: fields.text("functionVersion")?,
                text: fields.text("retrievedPrompt")?,
            },
            other => {
                let path = fields.path("type");
                return Err(Refusal::Unprocessable(format!("{path}: unknown type '{other}'")));
            }
        };
        fields.end()?;
        Ok(context)
    };
    body.objects("contextsOverride")?.map(|list| list.into_iter().map(read).collect()).transpose()
}

fn rid(fields: &mut Fields, name: &str) -> Result<String, Refusal> {
    let text = fields.text(name)?;
    if is_rid(&text) { Ok(text) } else { Err(no_rid(&fields.path(name))) }
}

fn rids(fields: &mut Fields, name: &str) -> Result<Vec<String>, Refusal> {
    let texts = fields.texts(name)?;
    if texts.iter().all(|t| is_rid(t)) { Ok(texts) } else { Err(no_rid(&fields.path(name))) }
}

fn no_rid(path: &str) -> Refusal {
    Refusal::Unprocessable(format!("{path}: not a resource identifier"))
}

/// Contexts grouped by kind: `SessionExchangeContexts`, which is also the answer of `ragContext`.
pub(crate) fn contexts(contexts: &[Context]) -> Value {
    let mut objects = Vec::new();
    let mut passages = Vec::new();
    for context in contexts {
        match context {
            Context::Objects { objects: o, properties } => {
                let rids = |kind, names: &[String]| names.iter().map(|name| named(kind, name)).collect::<Vec<_>>();
                objects.push(json!({
                    "objectRids": rids(OBJECT, o),
                    "propertyTypeRids": rids(PROPERTY, properties),
                }));
            }
            Context::Passage { source, version, text } => passages.push(
                json!({"functionRid": named(FUNCTION, source), "functionVersion": version, "retrievedPrompt": text}),
            ),
        }
    }
    json!({"objectContexts": objects, "functionRetrievedContexts": passages})
}

/// `SessionExchangeResult`.
pub(crate) fn result(record: &TurnRecord) -> Value {
    let bodies = || record.items.iter().map(|item| &item.body);
    let texts = bodies().filter_map(|body| match body {
        ItemBody::AgentMessage { text } | ItemBody::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    let updates = bodies().filter_map(|body| match body {
        ItemBody::ParameterUpdate { name, value } => Some((name.clone(), update(value))),
        _ => None,
    });
    let mut wire = json!({
        "agentMarkdownResponse": texts.collect::<String>(),
        "parameterUpdates": updates.collect::<Map<_, _>>(),
        "interruptedOutput": record.turn.state == TurnState::Ended { ending: Ending::Cancelled },
        "sessionTraceId": record.turn.alias,
    });
    if let Some(usage) = record.turn.usage {
        // The vendor's integers have 32 bits.
        wire["totalTokensUsed"] = i32::try_from(usage.total()).unwrap_or(i32::MAX).into();
    }
    wire
}

/// `SessionExchange`, as it stands in `content`.
pub(crate) fn exchange(record: &TurnRecord) -> Value {
    // Input that was steered in later stands behind what the exchange began with.
    let input = record.items.iter().filter(|item| item.position < record.turn.inputs);
    let texts: Vec<_> = input.filter_map(|item| item.body.user_text()).collect();
    let mut wire = json!({"userInput": {"text": texts.join("\n")}, "result": result(record)});
    let bodies: Vec<_> = record.items.iter().map(|item| &item.body).collect();
    // Contexts that were looked for and not found were not included in the prompt.
    if let Some(found) = given_contexts(&bodies).filter(|found| !found.is_empty()) {
        wire["contexts"] = contexts(found);
    }
    wire
}

/// An update's value. What goes in as a definition comes out as an identifier: the one in the value, if it is or names
/// one, else one made from the value, always the same for the same value.
fn update(value: &ParameterValue) -> Value {
    match value {
        ParameterValue::Text(text) => json!({"type": "string", "value": text}),
        ParameterValue::Data(data) => {
            let set = data.get("objectSet").unwrap_or(data);
            let given = set.as_str().or_else(|| set.get("reference").and_then(Value::as_str));
            let rid =
                given.filter(|text| is_rid(text)).map_or_else(|| named(OBJECT_SET, &data.to_string()), str::to_owned);
            json!({"type": "objectSet", "value": rid})
        }
    }
}

/// `SessionTrace`. Contexts come only once it is complete: absent if nothing was given and nothing looked, empty if
/// something looked and found nothing.
pub(crate) fn trace(traced: &Traced) -> Value {
    let complete = traced.turn.state != TurnState::Running;
    let bodies: Vec<_> = traced.items.iter().collect();
    let mut wire = json!({
        "id": traced.turn.alias,
        "status": if complete { "COMPLETE" } else { "IN_PROGRESS" },
        "toolCallGroups": tool_call_groups(&bodies),
    });
    if let (true, Some(found)) = (complete, given_contexts(&bodies)) {
        wire["contexts"] = contexts(found);
    }
    wire
}

fn given_contexts<'a>(bodies: &[&'a ItemBody]) -> Option<&'a [Context]> {
    bodies.iter().find_map(|body| match body {
        ItemBody::Contexts { contexts } => Some(contexts.as_slice()),
        _ => None,
    })
}

/// Calls in the order they were made; those of one group share a group.
fn tool_call_groups(bodies: &[&ItemBody]) -> Vec<Value> {
    let result_of = |call: &ToolCall| {
        bodies.iter().find_map(|body| match body {
            ItemBody::ToolResult(result) if result.call == call.call => Some(result),
            _ => None,
        })
    };
    let mut groups: Vec<(u32, Vec<Value>)> = Vec::new();
    for body in bodies {
        let ItemBody::ToolCall(call) = body else { continue };
        let wire = tool_call(call, result_of(call));
        match groups.iter_mut().find(|(group, _)| *group == call.group) {
            Some((_, calls)) => calls.push(wire),
            None => groups.push((call.group, vec![wire])),
        }
    }
    groups.into_iter().map(|(_, calls)| json!({"toolCalls": calls})).collect()
}

fn tool_call(call: &ToolCall, result: Option<&ToolResult>) -> Value {
    let inputs: Map<_, _> = call.arguments.iter().map(|(name, v)| (name.clone(), tool_value(v))).collect();
    let mut input = json!({"inputs": inputs});
    if let Some(thought) = &call.thought {
        input["thought"] = thought.as_str().into();
    }
    let mut wire = json!({"toolMetadata": {"name": call.tool, "type": tool_type(call.kind)}, "input": input});
    if let Some(result) = result {
        wire["output"] = match &result.output {
            Ok(output) => json!({"type": "success", "output": tool_value(output)}),
            Err(why) => json!({"type": "failure", "correctionMessage": why}),
        };
    }
    wire
}

/// A tool's value: an identifier, a text, or anything else as JSON text.
fn tool_value(value: &Value) -> Value {
    match value {
        Value::String(text) if is_rid(text) => json!({"type": "rid", "rid": text}),
        Value::String(text) => json!({"type": "string", "value": text}),
        other => json!({"type": "string", "value": other.to_string()}),
    }
}

/// The vendor's tool types; the Python SDK refuses a whole trace with any other.
fn tool_type(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Function => "FUNCTION",
        ToolKind::Action => "ACTION",
        ToolKind::Search => "ONTOLOGY_SEMANTIC_SEARCH",
        ToolKind::Query => "OBJECT_QUERY",
        ToolKind::Sql => "OBJECT_QUERY_WITH_SQL",
        ToolKind::UpdateParameter => "UPDATE_APPLICATION_VARIABLE",
        ToolKind::Clarification => "REQUEST_CLARIFICATION",
        ToolKind::Code => "CODE_EXECUTION",
    }
}
