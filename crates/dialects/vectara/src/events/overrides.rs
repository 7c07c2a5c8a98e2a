//! What an agent's maker pins among the arguments of a tool: the model is not shown it, the caller who runs the tool gets it.
//! Pinned values may be dynamic; they are what they lead to when the caller is told of the call.

use std::collections::{HashMap, HashSet};

use sederunt_core::App;
use sederunt_core::agent::Agent;
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::session::Session;
use sederunt_core::store::TurnRecord;
use serde_json::{Map, Value, json};

use super::event::KeptItem;
use crate::agents::{self, Shape};
use crate::failure::Failure;
use crate::references::{is_dynamic, mentions, resolved};
use crate::secrets::{masked, opened};
use crate::sessions;
use crate::timestamp::timestamp;

/// The most turns in which a tool's latest output is looked for.
const TURNS: usize = 64;

/// The most bytes that all references of one answer lead to.
const BYTES: usize = 4 << 20;

/// Where the outputs of tools stand among what references lead to.
const TOOLS: &str = "tools";

/// And secrets, of agents and of sessions.
const SECRETS: &str = "secrets";

/// The code of an agent whose tools cannot be used as they are configured.
const UNUSABLE: &str = "invalid_agent_configuration";

/// What is pinned of one tool, by paths whose dots lead into objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pinned {
    /// As the caller gets it.
    pub clear: Map<String, Value>,
    /// As it is shown: with stars for secrets.
    pub shown: Map<String, Value>,
}

/// The arguments that a tool's configuration pins, as they are written.
pub(super) fn written<'a>(shape: &'a Shape, tool: &str) -> Option<&'a Map<String, Value>> {
    let pinned = shape.tools().get(tool).and_then(|tool| tool.get("argument_override")).and_then(Value::as_object);
    pinned.filter(|pinned| !pinned.is_empty())
}

/// What is pinned of these tools for calls that a turn made. 422 if references come to too much.
pub(super) async fn pinned<'a>(
    app: &App,
    agent: &Agent,
    session: &Session,
    shape: &Shape,
    record: &TurnRecord,
    tools: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<&'a str, Pinned>, Failure> {
    let tools: HashSet<&str> = tools.into_iter().collect();
    let written: Vec<_> = tools.into_iter().filter_map(|tool| Some((tool, written(shape, tool)?))).collect();
    let any = |fits: &dyn Fn(&Value) -> bool| written.iter().any(|(_, pinned)| pinned.values().any(fits));
    let (clear, shown) = if any(&is_dynamic) {
        let outputs =
            if any(&|value| mentions(value, TOOLS)) { outputs(app, session, record).await? } else { Map::new() };
        roots(app, agent, session, shape, &outputs, any(&|value| mentions(value, SECRETS)))?
    } else {
        (Value::Null, Value::Null)
    };
    let mut left = BYTES;
    let mut with = |root: &Value, pinned: &Map<String, Value>| {
        let members = pinned.iter().map(|(path, value)| Ok((path.clone(), resolved(value, root, &mut left)?)));
        members.collect::<Result<Map<_, _>, _>>().map_err(|crate::references::TooMuch| too_much())
    };
    let both = |(tool, pinned)| Ok((tool, Pinned { clear: with(&clear, pinned)?, shown: with(&shown, pinned)? }));
    written.into_iter().map(both).collect()
}

/// What references lead to: with the secrets, if they are wanted, and with stars in their place.
fn roots(
    app: &App,
    agent: &Agent,
    session: &Session,
    shape: &Shape,
    outputs: &Map<String, Value>,
    secrets: bool,
) -> Result<(Value, Value), Failure> {
    let (of_agent, of_session) = (agents::secrets_of(agent), sessions::secrets_of(session));
    let root = |agents: Map<String, Value>, sessions: Map<String, Value>| {
        json!({
            "session": {"metadata": session.metadata, SECRETS: sessions},
            "agent": {"metadata": shape.metadata(), SECRETS: agents},
            TOOLS: outputs,
            "currentDate": timestamp(app.now()),
        })
    };
    let shown = root(masked(&of_agent), masked(&of_session));
    if !secrets {
        return Ok((shown.clone(), shown));
    }
    let open = |owner: &str, kept: &Map<String, Value>| opened(app, owner, kept).map_err(locked);
    let of_agent = open(&agents::secrets_owner(agent), &of_agent)?;
    let of_session = open(&sessions::secrets_owner(session.id), &of_session)?;
    Ok((root(of_agent, of_session), shown))
}

/// Not 5xx: the vendor's SDK would repeat it.
fn locked(failure: Failure) -> Failure {
    let message = "A secret that the tools' argument_override may refer to was sealed under another key.";
    failure.renamed(422, UNUSABLE, message)
}

/// The latest output of every tool that was called in a turn or in one of those before it, as `{"outputs": {"latest": …}}`.
async fn outputs(app: &App, session: &Session, record: &TurnRecord) -> Result<Map<String, Value>, Failure> {
    let mut latest: Map<String, Value> = Map::new();
    // A result may be brought by the turn after that of its call.
    let mut nameless: HashMap<String, Value> = HashMap::new();
    let mut next = Some(record.clone());
    for _ in 0..TURNS {
        let Some(record) = next else { break };
        for item in record.items.iter().rev() {
            match &item.body {
                ItemBody::ToolResult(result) => {
                    let output = result.output.clone().unwrap_or_else(|error| json!({ "error": error }));
                    match brought(item) {
                        Some(tool) => remember(&mut latest, &tool, output),
                        None => _ = nameless.entry(result.call.clone()).or_insert(output),
                    }
                }
                ItemBody::ToolCall(call) => {
                    if let Some(output) = nameless.remove(&call.call) {
                        remember(&mut latest, &call.tool, output);
                    }
                }
                _ => {}
            }
        }
        next = match record.turn.parent {
            Some(parent) => app.record().turn(session, parent).await?,
            None => None,
        };
    }
    Ok(latest)
}

/// The tool whose output the caller brought.
fn brought(item: &Item) -> Option<String> {
    KeptItem::of(&item.extra).tool
}

/// Keeps the first that comes: they are met latest first.
fn remember(latest: &mut Map<String, Value>, tool: &str, output: Value) {
    if !latest.contains_key(tool) {
        latest.insert(tool.to_owned(), json!({"outputs": {"latest": output}}));
    }
}

fn too_much() -> Failure {
    Failure::new(422, UNUSABLE, format!("What the tools' argument_override refers to has more than {BYTES} bytes."))
}

/// Sets a member; a path with dots leads into objects.
pub(super) fn pin(arguments: &mut Map<String, Value>, path: &str, value: &Value) {
    match path.split_once('.') {
        None => {
            arguments.insert(path.to_owned(), value.clone());
        }
        Some((name, rest)) => {
            let inner = arguments.entry(name).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                pin(inner, rest, value);
            }
        }
    }
}

/// Takes a member away that is pinned, and that the model gave nevertheless.
pub(super) fn unpin(arguments: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => _ = arguments.shift_remove(path),
        Some((name, rest)) => {
            if let Some(Value::Object(inner)) = arguments.get_mut(name) {
                unpin(inner, rest);
            }
        }
    }
}
