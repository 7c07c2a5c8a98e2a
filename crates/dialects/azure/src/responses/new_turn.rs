//! From a request to the turn that it asks for.

use std::sync::Arc;

use http::HeaderMap;
use sederunt_core::agent::{AgentVersion, WhenBusy};
use sederunt_core::id::TurnId;
use sederunt_core::item::{ItemBody, NewItem};
use sederunt_core::model::Wire;
use sederunt_core::turn::{NewTurn, OnDisconnect, OnFailure, Recording, Strand, TurnKind};
use serde_json::{Map, Value, json};

use super::input::reference;
use super::instructions::rendered;
use super::item;
use super::kept::{Kept, Names};
use super::request::Request;
use super::response::{REPEATED, REPEATED_IF_GIVEN};
use super::seat::Seated;
use crate::NAME;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::ids::Partition;
use crate::model_options::{options, tools};
use crate::versions::definition::{Kind, raw};

/// Headers that a container gets as the client sent them: by their names, or by what those begin with.
const PASSED_ON: [&str; 2] = ["traceparent", "tracestate"];
const PASSED_ON_PREFIX: &str = "x-client-";

/// What a turn is made of besides its request.
pub(super) struct Setting<'a> {
    pub agent: &'a str,
    pub version: &'a AgentVersion,
    pub seated: Option<&'a Seated>,
    pub strand: Strand,
    /// The partition of the response that it continues.
    pub partition: Option<Partition>,
    /// The conversation, as the answer names it.
    pub conversation: Option<String>,
    pub input: Vec<NewItem>,
}

/// The turn that a request asks for.
pub(super) fn new_turn(asked: &Asked, request: &Request, setting: Setting<'_>) -> Result<NewTurn, Failure> {
    let app = asked.app();
    let id = TurnId(app.ports().ids.uuid(app.now()));
    let fields = Fields::body(&request.body);
    let definition = &setting.version.definition;
    let prompt = (Kind::of(definition) == Kind::Prompt).then(|| raw(definition)).flatten();
    let given = request.member("instructions").and_then(Value::as_str).map(str::to_owned);
    let instructions = match prompt {
        Some(raw) => given.or(rendered(raw, request.member("structured_inputs"))?),
        None => given,
    };
    let recording = match (request.store, request.background && request.stream) {
        (false, _) => Recording::Nothing,
        (true, true) => Recording::Replayable,
        (true, false) => Recording::Items,
    };
    let kept = kept(request, &setting, prompt);
    Ok(NewTurn {
        id: Some(id),
        kind: kind(&setting.input),
        strand: setting.strand,
        instructions,
        tools: tools(&fields)?,
        options: options(&fields)?,
        wire: prompt.is_none().then(|| Arc::new(wire(asked, request, &setting, id))),
        when_busy_default: WhenBusy::Queue,
        patience: Some(asked.settings().conversation_wait),
        caller_runs_tools: true,
        on_failure: OnFailure::Discard,
        on_disconnect: if request.background { OnDisconnect::Finish } else { OnDisconnect::Cancel },
        recording,
        extra: [(NAME.to_owned(), serde_json::to_value(kept).unwrap_or_default())].into(),
        input: setting.input,
        ..NewTurn::message("")
    })
}

/// Outputs of functions alone are the rest of a turn that was begun before.
fn kind(input: &[NewItem]) -> TurnKind {
    let is_output = |item: &NewItem| matches!(item.body, ItemBody::ToolResult(_));
    let is_said = |item: &NewItem| matches!(item.body, ItemBody::UserMessage { .. });
    if input.iter().any(is_output) && !input.iter().any(is_said) { TurnKind::Outputs } else { TurnKind::Message }
}

fn kept(request: &Request, setting: &Setting<'_>, prompt: Option<&Value>) -> Kept {
    let names = REPEATED.iter().map(|(name, _)| *name).chain(REPEATED_IF_GIVEN);
    let repeated = |name: &'static str| Some((name.to_owned(), request.member(name)?.clone()));
    let mut repeated: Map<String, Value> = names.filter_map(repeated).collect();
    if let (false, Some(model)) = (repeated.contains_key("model"), prompt.and_then(|raw| raw.get("model"))) {
        repeated.insert("model".into(), model.clone());
    }
    Kept {
        partition: setting.partition.as_ref().map(|partition| partition.as_str().to_owned()),
        session: setting.seated.map(|seated| seated.key.clone()),
        agent: Some(setting.agent.to_owned()),
        conversation: setting.conversation.clone(),
        background: request.background,
        stream: request.stream,
        request: repeated,
    }
}

/// The request for a container that serves the agent: as it came, with what the service adds for one.
fn wire(asked: &Asked, request: &Request, setting: &Setting<'_>, id: TurnId) -> Wire {
    let mut body = request.body.clone();
    if let Some(seated) = setting.seated {
        body.insert("agent_session_id".into(), seated.key.as_str().into());
    }
    if let Some(conversation) = &setting.conversation {
        body.insert("conversation".into(), json!({"id": conversation}));
    }
    let response = match setting.strand {
        Strand::Conversation(conversation) => Names::in_conversation(id, conversation),
        Strand::Session | Strand::Own(_) => Names::beginning(id, setting.partition.clone()),
    };
    if let Some(Value::Array(input)) = body.get_mut("input") {
        send_along(input, &setting.input, &response);
    }
    let mut headers = container_headers(asked);
    headers.push(("x-agent-response-id".into(), response.response()));
    Wire { dialect: NAME.into(), body: Value::Object(body), headers }
}

/// Puts items in the place of references to them: a container does not know what things are called here. `items` are
/// those of the input, piece for piece.
fn send_along(input: &mut [Value], items: &[NewItem], names: &Names) {
    for (piece, item) in input.iter_mut().zip(items) {
        if piece.as_object().and_then(reference).is_none() {
            continue;
        }
        if let Some(Value::Object(mut shown)) = item::item(names, 0, &item.body, &item.extra, "completed") {
            shown.remove("id");
            *piece = Value::Object(shown);
        }
    }
}

/// The headers that a container gets with any request: for whom it is, by what it is known, and what the client sends
/// for it. None of them is a credential.
pub(crate) fn container_headers(asked: &Asked) -> Vec<(String, String)> {
    let mut headers = passed_on(&asked.parts.headers);
    headers.push(("x-agent-user-id".into(), asked.caller.user.to_string()));
    headers.push(("x-agent-foundry-call-id".into(), asked.request_id.clone()));
    headers
}

fn passed_on(headers: &HeaderMap) -> Vec<(String, String)> {
    let wanted = |name: &str| PASSED_ON.contains(&name) || name.starts_with(PASSED_ON_PREFIX);
    let wanted = headers.iter().filter(|(name, _)| wanted(name.as_str()));
    wanted.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_never_gets_a_credential() {
        let headers = ["authorization", "cookie", "host", "api-key", "x-client-colour", "traceparent"];
        let map: HeaderMap = headers.iter().map(|name| (name.parse().unwrap(), "x".parse().unwrap())).collect();
        let mut names: Vec<_> = passed_on(&map).into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["traceparent", "x-client-colour"]);
    }

    #[test]
    fn a_container_gets_the_items_that_the_input_refers_to() {
        let said: NewItem = ItemBody::UserMessage { text: "one".into() }.into();
        let own = json!({"role": "user", "content": "two"});
        let mut input = [json!({"type": "item_reference", "id": "msg_1"}), own.clone()];
        send_along(&mut input, &[said.clone(), said], &Names::beginning(TurnId(uuid::Uuid::nil()), None));
        let content = json!([{"type": "input_text", "text": "one"}]);
        let sent = json!({"type": "message", "role": "user", "content": content, "status": "completed"});
        assert_eq!(input, [sent, own]);
    }

    #[test]
    fn outputs_alone_are_the_rest_of_a_turn() {
        let output: NewItem =
            ItemBody::ToolResult(sederunt_core::item::ToolResult { call: "c".into(), output: Ok(json!("x")) }).into();
        let said: NewItem = ItemBody::UserMessage { text: "x".into() }.into();
        assert_eq!(kind(std::slice::from_ref(&output)), TurnKind::Outputs);
        assert_eq!(kind(&[output, said]), TurnKind::Message);
        assert_eq!(kind(&[]), TurnKind::Message);
    }
}
