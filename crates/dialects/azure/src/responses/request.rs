//! A request to create a response: read, and held to the rules that need nothing but the request.
//!
//! Rules, their order and their texts are those of the vendor's container runtime
//! (`azure-ai-agentserver-responses` 2.3.0); those of the deprecated `agent` and of naming both a conversation and a
//! response are the service's.

use serde_json::{Map, Value};

use super::schema;
use crate::failure::{Failure, INVALID};
use crate::ids;
use crate::metadata::{KEY, PAIRS, VALUE};

/// The most items of an input. Each is stored, and read again with every turn that follows.
const ITEMS: usize = 10_000;

const INVALID_REQUEST: &str = "invalid_request";

/// A request to create a response.
#[derive(Debug)]
pub(crate) struct Request {
    /// The body as it came.
    pub body: Map<String, Value>,
    /// The agent that it refers to, and the version of it.
    pub agent: Option<(String, Option<String>)>,
    pub stream: bool,
    pub background: bool,
    pub store: bool,
    pub previous_response: Option<String>,
    pub conversation: Option<String>,
    /// The session that the body names.
    pub session: Option<String>,
}

impl Request {
    /// Reads a body.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let body = match serde_json::from_slice(bytes) {
            Ok(Value::Object(body)) => body,
            Ok(_) => return Err(Failure::new(400, INVALID_REQUEST, "request body must be a JSON object")),
            Err(error) => return Err(Failure::new(400, INVALID, error.to_string())),
        };
        if body.get("agent").is_some_and(|agent| !agent.is_null()) {
            let message = "The 'agent' property is deprecated. Use 'agent_reference' instead.";
            return Err(Failure::invalid("agent", message));
        }
        if body.get("input").and_then(Value::as_array).is_some_and(|items| items.len() > ITEMS) {
            let message = format!("input must have at most {ITEMS} items");
            return Err(Failure::new(400, "message_limit_exceeded", message).param("input"));
        }
        let agent = agent_reference(&body)?;
        schema::check_request(&body)?;
        let flag = |name, absent| body.get(name).and_then(Value::as_bool).unwrap_or(absent);
        let text = |value: Option<&Value>| {
            value.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let conversation = body.get("conversation").map(|given| given.get("id").unwrap_or(given));
        let request = Self {
            agent,
            stream: flag("stream", false),
            background: flag("background", false),
            store: flag("store", true),
            previous_response: text(body.get("previous_response_id")),
            conversation: text(conversation),
            session: text(body.get("agent_session_id")),
            body,
        };
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.background && !self.store {
            let message = "background=true requires store=true";
            return Err(Failure::new(400, "unsupported_parameter", message).param("background"));
        }
        let has_stream_options = self.member("stream_options").is_some();
        if has_stream_options && !self.stream {
            return Err(Failure::new(400, "invalid_mode", "stream_options requires stream=true").param("stream"));
        }
        if let Some(Value::Object(metadata)) = self.member("metadata") {
            check_metadata(metadata)?;
        }
        if self.previous_response.as_deref().is_some_and(|id| !is_response_id(id)) {
            return Err(malformed("previous_response_id"));
        }
        if self.previous_response.is_some() && self.conversation.is_some() {
            let message = "Mutually exclusive parameters: Ensure you are only providing one of: \
                'previous_response_id' or 'conversation'.";
            return Err(Failure::new(400, "mutually_exclusive_parameters", message).param("conversation"));
        }
        Ok(())
    }

    /// A member that is there and not null.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }
}

/// Whether a text has the form of a response's identifier.
pub(crate) fn is_response_id(id: &str) -> bool {
    let has_prefix = id.split_once('_').is_some_and(|(prefix, _)| prefix == ids::RESPONSE);
    has_prefix && ids::read(id) != ids::Read::Malformed
}

/// 400 for what is no identifier at all.
pub(crate) fn malformed(param: impl Into<String>) -> Failure {
    Failure::new(400, "invalid_parameters", "Malformed identifier.").param(param)
}

/// Holds metadata to its limits.
pub(crate) fn check_metadata(metadata: &Map<String, Value>) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::new(400, INVALID_REQUEST, message).param("metadata"));
    if metadata.len() > PAIRS {
        return refuse(format!("metadata must have at most {PAIRS} key-value pairs"));
    }
    for (key, value) in metadata {
        if key.chars().count() > KEY {
            let shown: String = key.chars().take(KEY).collect();
            return refuse(format!("metadata key '{shown}...' exceeds maximum length of {KEY} characters"));
        }
        if value.as_str().is_some_and(|value| value.chars().count() > VALUE) {
            return refuse(format!("metadata value for key '{key}' exceeds maximum length of {VALUE} characters"));
        }
    }
    Ok(())
}

/// The agent that a body refers to. Looked at before the rest of the body.
fn agent_reference(body: &Map<String, Value>) -> Result<Option<(String, Option<String>)>, Failure> {
    let refuse =
        |param: &str, rule: &str| Err(Failure::new(400, INVALID_REQUEST, format!("{param} {rule}")).param(param));
    let reference = match body.get("agent_reference") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(reference)) => reference,
        Some(_) => return refuse("agent_reference", "must be an object"),
    };
    if reference.get("type").is_some_and(|kind| kind != "agent_reference") {
        return refuse("agent_reference.type", "must be 'agent_reference'");
    }
    let name = reference.get("name").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return refuse("agent_reference.name", "must be a non-empty string");
    }
    let version = match reference.get("version") {
        None | Some(Value::Null) => None,
        Some(Value::String(version)) => Some(version.trim().to_owned()).filter(|version| !version.is_empty()),
        Some(_) => return refuse("agent_reference.version", "must be a string"),
    };
    Ok(Some((name.to_owned(), version)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> (u16, String, Option<String>) {
        let failure = Request::read(body.to_string().as_bytes()).unwrap_err();
        (failure.status, failure.code.to_owned(), failure.param.map(String::from))
    }

    #[test]
    fn each_rule_has_its_code_and_names_what_is_wrong() {
        let previous = format!("caresp_{}", "a".repeat(50));
        for (body, code, param) in [
            (json!([]), "invalid_request", None),
            (json!({"agent": {"name": "x"}}), "invalid_request_error", Some("agent")),
            (json!({"agent_reference": {}}), "invalid_request", Some("agent_reference.name")),
            (json!({"input": 5}), "invalid_request", None),
            (json!({"input": vec![Value::Null; 10_001]}), "message_limit_exceeded", Some("input")),
            (json!({"background": true, "store": false}), "unsupported_parameter", Some("background")),
            (json!({"stream_options": {}}), "invalid_mode", Some("stream")),
            (json!({"metadata": {"k".repeat(65): "x"}}), "invalid_request", Some("metadata")),
            (json!({"previous_response_id": "x"}), "invalid_parameters", Some("previous_response_id")),
            (
                json!({"previous_response_id": previous, "conversation": "c"}),
                "mutually_exclusive_parameters",
                Some("conversation"),
            ),
        ] {
            assert_eq!(refused(body.clone()), (400, code.into(), param.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn an_empty_text_counts_as_absent() {
        let read = |body: Value| Request::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(read(json!({"agent_session_id": ""})).session, None);
        assert_eq!(read(json!({"conversation": {"id": "c"}})).conversation.as_deref(), Some("c"));
        assert_eq!(read(json!({"conversation": null})).conversation, None);
        assert!(read(json!({})).store);
    }
}
