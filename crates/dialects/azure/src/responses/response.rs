//! The response object: a turn as the protocol shows it.
//!
//! All members that any client's model declares are always there, null where there is nothing to say; the vendor's
//! container runtime leaves most of those out (`azure-ai-agentserver-responses` 2.3.0, `openai` 3.54.0).

use sederunt_core::error::FaultKind;
use sederunt_core::item::{Item, ItemBody};
use sederunt_core::store::TurnRecord;
use sederunt_core::turn::{Ending, Turn, TurnState, Usage};
use serde_json::{Map, Value, json};

use super::item;
use super::kept::{Kept, Names};
use crate::failure::fault_code;
use crate::seconds::seconds;

/// What a response repeats of its request, with what it says where the request said nothing.
pub(crate) const REPEATED: [(&str, &str); 13] = [
    ("model", "\"\""),
    ("instructions", "null"),
    ("metadata", "{}"),
    ("temperature", "null"),
    ("top_p", "null"),
    ("max_output_tokens", "null"),
    ("parallel_tool_calls", "false"),
    ("tools", "[]"),
    ("tool_choice", "\"auto\""),
    ("text", "{\"format\":{\"type\":\"text\"}}"),
    ("truncation", "\"disabled\""),
    ("reasoning", "null"),
    ("user", "null"),
];

/// What a response repeats of its request only if it was there.
pub(crate) const REPEATED_IF_GIVEN: [&str; 7] = [
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "structured_inputs",
    "top_logprobs",
    "previous_response_id",
];

/// A turn, and what is needed to show it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// As it was accepted, or as it stands.
    pub turn: Turn,
    /// What the dialect keeps of it.
    pub kept: Kept,
    /// The names of it and of its items.
    pub names: Names,
    /// The name of its agent, and the key of its session.
    pub agent: Option<String>,
    /// The key of its session.
    pub session: Option<String>,
}

impl View {
    /// A turn of this dialect, which keeps all that is needed.
    pub fn of(turn: &Turn) -> Self {
        let kept = Kept::of(turn);
        let names = Names::of(turn, &kept);
        Self { names, agent: kept.agent.clone(), session: kept.session.clone(), kept, turn: turn.clone() }
    }

    /// The response's identifier.
    pub fn id(&self) -> String {
        self.names.response()
    }

    /// The agent that answers, as the protocol refers to one.
    pub fn agent_reference(&self) -> Value {
        let Some(agent) = &self.agent else { return Value::Null };
        let mut reference = json!({"type": "agent_reference", "name": agent});
        if let Some(version) = self.turn.version {
            reference["version"] = version.to_string().into();
        }
        reference
    }

    /// The response before it has said anything, also where the turn has ended since.
    pub fn beginning(&self) -> Value {
        let turn = Turn { state: TurnState::Running, usage: None, ..self.turn.clone() };
        self.response("in_progress", &turn, Vec::new())
    }

    /// The response while it runs, with what it has said so far.
    pub fn so_far(&self, spoken: &[ItemBody]) -> Value {
        let last = spoken.len().saturating_sub(1);
        let item = |(at, body): (usize, &ItemBody)| {
            let position = self.turn.inputs.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            let is_open = at == last
                && matches!(
                    body,
                    ItemBody::AgentMessage { .. } | ItemBody::Refusal { .. } | ItemBody::Reasoning { .. }
                );
            let status = if is_open { "in_progress" } else { "completed" };
            self.output_item(position, body, &Default::default(), status)
        };
        let output = spoken.iter().enumerate().filter_map(item).collect();
        self.response("in_progress", &self.turn, output)
    }

    /// The response as it stands.
    pub fn whole(&self, record: &TurnRecord) -> Value {
        let state = &record.turn.state;
        let output = match state {
            TurnState::Ended { ending } if ending.is_success() => self.output(&record.items, ending),
            // What a failed or cancelled response had said is gone, as in the vendor's runtime.
            TurnState::Ended { .. } | TurnState::Running => Vec::new(),
        };
        self.response(status(state), &record.turn, output)
    }

    /// The response that ended in a way that could not be stored.
    pub fn unstored(&self, ending: &Ending) -> Value {
        let turn = Turn { state: TurnState::Ended { ending: ending.clone() }, ..self.turn.clone() };
        self.response(status(&turn.state), &turn, Vec::new())
    }

    /// The output's items among those of the turn.
    pub fn output(&self, items: &[Item], ending: &Ending) -> Vec<Value> {
        let output: Vec<_> = items.iter().filter(|item| item.position >= self.turn.inputs).collect();
        let last = output.last().map(|item| item.position);
        let status = |item: &Item| {
            let cut = matches!(ending, Ending::Length | Ending::Filtered) && Some(item.position) == last;
            if cut { "incomplete" } else { "completed" }
        };
        let shown = |item: &&Item| self.output_item(item.position, &item.body, &item.extra, status(item));
        output.iter().filter_map(shown).collect()
    }

    fn output_item(
        &self,
        position: u32,
        body: &ItemBody,
        extra: &sederunt_core::agent::Opaque,
        status: &str,
    ) -> Option<Value> {
        item::item(&self.names, position, body, extra, status).map(|item| self.signed(item))
    }

    /// An item of the output, with the response and the agent that it came from.
    pub fn signed(&self, mut item: Value) -> Value {
        item["response_id"] = self.id().into();
        item["agent_reference"] = self.agent_reference();
        item
    }

    fn response(&self, status: &str, turn: &Turn, output: Vec<Value>) -> Value {
        let request = &self.kept.request;
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("id", self.id().into());
        put("object", "response".into());
        put("status", status.into());
        put("created_at", seconds(turn.created).into());
        put("completed_at", if status == "completed" { turn.ended.map(seconds).into() } else { Value::Null });
        put("background", self.kept.background.into());
        put("error", error(&turn.state));
        put("incomplete_details", incomplete_details(&turn.state));
        put("output", output.into());
        for (name, default) in REPEATED {
            let absent = || serde_json::from_str(default).unwrap_or_default();
            put(name, request.get(name).filter(|given| !given.is_null()).cloned().unwrap_or_else(absent));
        }
        put("previous_response_id", Value::Null);
        for name in REPEATED_IF_GIVEN {
            if let Some(given) = request.get(name) {
                put(name, given.clone());
            }
        }
        put("conversation", self.kept.conversation.as_ref().map_or(Value::Null, |id| json!({"id": id})));
        put("store", (turn.recording != sederunt_core::turn::Recording::Nothing).into());
        put("usage", turn.usage.map_or(Value::Null, usage));
        put("response_id", self.id().into());
        put("agent_reference", self.agent_reference());
        if let Some(session) = &self.session {
            put("agent_session_id", session.as_str().into());
        }
        Value::Object(members)
    }
}

/// The protocol's word for how far a turn has come.
pub(crate) fn status(state: &TurnState) -> &'static str {
    match state {
        TurnState::Running => "in_progress",
        TurnState::Ended { ending } => match ending {
            Ending::Done | Ending::NeedsOutputs => "completed",
            Ending::Length | Ending::Filtered => "incomplete",
            Ending::Failed { .. } | Ending::Crashed => "failed",
            Ending::Cancelled | Ending::Superseded => "cancelled",
        },
    }
}

fn error(state: &TurnState) -> Value {
    match state {
        TurnState::Ended { ending: Ending::Failed { kind, message } } => {
            json!({"code": fault_code(*kind), "message": message})
        }
        TurnState::Ended { ending: Ending::Crashed } => {
            json!({"code": fault_code(FaultKind::Failed), "message": "The server stopped while the response was generated."})
        }
        TurnState::Ended { .. } | TurnState::Running => Value::Null,
    }
}

fn incomplete_details(state: &TurnState) -> Value {
    match state {
        TurnState::Ended { ending: Ending::Length } => json!({"reason": "max_output_tokens"}),
        TurnState::Ended { ending: Ending::Filtered } => json!({"reason": "content_filter"}),
        TurnState::Ended { .. } | TurnState::Running => Value::Null,
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}
