//! What a request to make events asks for.

use sederunt_core::id::TurnId;
use sederunt_core::item::{ItemBody, NewItem};
use serde_json::{Map, Value, json};

use super::event::KeptItem;
use super::id;
use crate::agents::Shape;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The code of messages that say nothing, or cannot be read.
const CONTENT: &str = "invalid_message_content";

/// The longest words with which a compaction is asked for, in characters.
const COMPACTION_MESSAGE: usize = 10_000;

/// A request to make events.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Whether the answer is a stream.
    pub stream: bool,
    pub what: What<'a>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum What<'a> {
    Message(Message),
    Interrupt,
    Compact {
        /// The last event to go.
        up_to: Option<(TurnId, u32)>,
        /// What the model is told.
        message: Option<&'a str>,
    },
    /// Outputs of tools that the caller ran.
    Outputs(Vec<Output<'a>>),
}

/// An input for the agent.
#[derive(Debug)]
pub(crate) struct Message {
    /// What is said and brought, in order.
    pub items: Vec<NewItem>,
    /// After what the answer begins; without it the session must be at rest.
    pub since: Option<Since>,
    pub behavior: Behavior,
}

/// After what an answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nothing: with the session's first event.
    Start,
    /// This event.
    Event(TurnId, u32),
}

/// What happens to input that finds its session running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// It joins what runs.
    Steer,
    /// It runs when its turn has come.
    #[default]
    FollowUp,
}

/// The output of one call.
#[derive(Debug)]
pub(super) struct Output<'a> {
    /// The event of the call.
    pub event: &'a str,
    pub output: Result<&'a Map<String, Value>, String>,
}

impl<'a> Request<'a> {
    /// Reads a body. A missing type means a message: most of the vendor's examples leave it out.
    pub fn read(body: &Fields<'a>, shape: &Shape) -> Result<Self, Failure> {
        let stream = body.boolean("stream_response")?.unwrap_or(false);
        let what = match body.text("type")?.unwrap_or("input_message") {
            "input_message" => What::Message(Message {
                items: messages(body.get("messages"), shape)?,
                since: body.text("since")?.map(since).transpose()?,
                behavior: body.text("behavior")?.map(behavior).transpose()?.unwrap_or_default(),
            }),
            "interrupt" => What::Interrupt,
            "compact" => What::Compact {
                up_to: body
                    .text("compact_up_to_event_id")?
                    .map(|text| id::parse(text).ok_or_else(|| no_event("compact_up_to_event_id", text)))
                    .transpose()?,
                message: body.short_text("compaction_message", COMPACTION_MESSAGE)?,
            },
            "tool_output" => {
                let outputs = body.objects("tool_outputs")?;
                What::Outputs(outputs.iter().map(output).collect::<Result<_, _>>()?)
            }
            other => {
                return Err(Failure::invalid(
                    "type",
                    format!("type '{other}' is none of input_message, interrupt, compact, tool_output"),
                ));
            }
        };
        Ok(Self { stream, what })
    }
}

/// 400 for an event that the session does not have.
pub(super) fn no_event(field: &str, id: &str) -> Failure {
    Failure::invalid(field, format!("{field}: the session has no event '{id}'"))
}

/// `start`, or an event's id.
pub(crate) fn since(text: &str) -> Result<Since, Failure> {
    if text == "start" {
        return Ok(Since::Start);
    }
    let (turn, position) = id::parse(text).ok_or_else(|| no_event("since", text))?;
    Ok(Since::Event(turn, position))
}

/// `steer` or `follow_up`.
pub(crate) fn behavior(text: &str) -> Result<Behavior, Failure> {
    match text {
        "steer" => Ok(Behavior::Steer),
        "follow_up" => Ok(Behavior::FollowUp),
        _ => Err(must_be("behavior", "steer or follow_up")),
    }
}

/// The items of a list of messages: one that says all the texts, and one for each skill that is loaded.
pub(crate) fn messages(given: Option<&Value>, shape: &Shape) -> Result<Vec<NewItem>, Failure> {
    let unusable = |message: &str| Failure::invalid("messages", message).code(CONTENT);
    let Some(Value::Array(given)) = given else {
        return Err(unusable("messages must be a list of at least one message"));
    };
    if given.is_empty() {
        return Err(unusable("messages must be a list of at least one message"));
    }
    let (mut texts, mut skills, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for (at, message) in given.iter().enumerate() {
        let message = Fields::of(format!("messages[{at}]"), message)?;
        match message.text("type")?.unwrap_or("text") {
            "text" => {
                let text = message.text("content")?.filter(|text| !text.trim().is_empty());
                let text = text.ok_or_else(|| {
                    let path = message.path("content");
                    Failure::invalid(path.as_str(), format!("{path} must not be empty")).code(CONTENT)
                })?;
                texts.push(text);
                told.push(json!({"type": "text", "content": text}));
            }
            "skill" => {
                let name = message.required_text("skill_name")?;
                let content = shape.skills().get(name).and_then(|skill| skill.get("content")).and_then(Value::as_str);
                let content = content.ok_or_else(|| {
                    Failure::invalid(message.path("skill_name"), format!("the agent has no skill '{name}'"))
                })?;
                skills.push((name, content));
                told.push(json!({"type": "skill", "skill_name": name}));
            }
            _ => return Err(must_be(&message.path("type"), "text or skill")),
        }
    }
    let text = match (texts.as_slice(), skills.as_slice()) {
        ([], [(name, _), ..]) => format!("Use the skill {name}."),
        (texts, _) => texts.join("\n\n"),
    };
    let plain = told.len() == 1 && skills.is_empty();
    let kept = KeptItem { messages: told, ..KeptItem::default() };
    let mut items: Vec<NewItem> = vec![ItemBody::UserMessage { text }.into()];
    if let Some(item) = items.first_mut().filter(|_| !plain) {
        item.extra = kept.extra();
    }
    items.extend(skills.into_iter().map(|(name, content)| NewItem {
        body: ItemBody::SystemMessage { text: content.to_owned() },
        extra: KeptItem { skill: Some(name.to_owned()), ..KeptItem::default() }.extra(),
    }));
    Ok(items)
}

fn output<'a>(given: &Fields<'a>) -> Result<Output<'a>, Failure> {
    let event = given.required_text("event_id")?;
    let output = match given.text("type")?.unwrap_or("success") {
        "success" => match given.required("output")? {
            Value::Object(output) => Ok(output),
            _ => return Err(must_be(&given.path("output"), "an object")),
        },
        "error" => match given.required("error")? {
            Value::String(error) => Err(error.clone()),
            Value::Object(error) => Err(Value::Object(error.clone()).to_string()),
            _ => return Err(must_be(&given.path("error"), "a string or an object")),
        },
        _ => return Err(must_be(&given.path("type"), "success or error")),
    };
    Ok(Output { event, output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::agent::Definition;

    fn shape() -> Shape {
        let kept = json!({"skills": {"cook": {"description": "d", "content": "Stir."}}});
        let extra = [(crate::NAME.to_owned(), kept)].into();
        Shape::of("agt_x", &Definition { extra, ..Definition::default() })
    }

    fn read(body: &Value) -> Result<Vec<NewItem>, Failure> {
        match Request::read(&Fields::of("", body)?, &shape())?.what {
            What::Message(message) => Ok(message.items),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_needs_no_type_at_either_level() {
        let items = read(&json!({"messages": [{"content": "Hi 🙂"}]})).unwrap();
        assert_eq!(items, [NewItem::from(ItemBody::UserMessage { text: "Hi 🙂".into() })]);
    }

    #[test]
    fn a_skill_is_loaded_after_the_message_that_names_it() {
        let message = json!([{"type": "text", "content": "Soup"}, {"type": "skill", "skill_name": "cook"}]);
        let items = read(&json!({"messages": message})).unwrap();
        assert_eq!(items[0].body, ItemBody::UserMessage { text: "Soup".into() });
        assert_eq!(items[0].extra[crate::NAME]["messages"], message);
        assert_eq!(items[1].body, ItemBody::SystemMessage { text: "Stir.".into() });
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for body in
            [json!({}), json!({"messages": []}), json!({"messages": [{"content": " "}]}), json!({"messages": "x"})]
        {
            let failure = read(&body).unwrap_err();
            assert_eq!((failure.status, failure.code), (400, CONTENT), "{body}");
        }
        for body in [
            json!({"type": "sing"}),
            json!({"messages": [{"type": "image"}]}),
            json!({"messages": [{"type": "skill", "skill_name": "sing"}]}),
            json!({"messages": [{"content": "x"}], "since": "aev_1"}),
            json!({"messages": [{"content": "x"}], "behavior": "shout"}),
        ] {
            assert_eq!(read(&body).unwrap_err().status, 400, "{body}");
        }
    }
}
