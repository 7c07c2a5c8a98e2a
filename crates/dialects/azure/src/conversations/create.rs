//! `POST /conversations`.

use sederunt_core::conversation::NewConversation;
use sederunt_core::error::{Conflict, Error};
use sederunt_core::id::Key;
use serde_json::Value;

use super::shown;
use crate::answer;
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::ids;
use crate::metadata::metadata;
use crate::operation::Answer;
use crate::responses::once;

/// A conversation, with these items at its beginning. `id` is a name of the caller's choice, which the service does not
/// offer: what has the form of the names made here is refused.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    let bytes = asked.bytes().await?;
    let body = json_object(&bytes)?;
    let fields = Fields::body(&body);
    let metadata = metadata(&fields)?;
    let key = fields.text("id")?.map(given_key).transpose()?;
    let items = match fields.get("items") {
        None => Vec::new(),
        Some(Value::Array(items)) if items.is_empty() => Vec::new(),
        Some(items) => super::items::read(&asked, items).await?,
    };
    let agent = match asked.name("agent_name") {
        "" => None,
        _ => Some(asked.agent().await?.id),
    };
    let new = NewConversation { key, agent, metadata };
    let key = blake3::hash(&bytes).to_hex();
    let once = once(&asked, &key, &bytes);
    match asked.app().conversations().create(&asked.caller, new, items, Some(once)).await {
        Err(Error::Conflict { kind: Conflict::AlreadyExists, .. }) => {
            Err(Failure::conflict("conversation_already_exists", "A conversation of this id exists.").param("id"))
        }
        made => Ok(answer::json(&shown(&made?))),
    }
}

fn given_key(text: &str) -> Result<Key, Failure> {
    let rule = "id must be 1 to 128 letters, digits, '_' or '-'";
    let key = text.parse().map_err(|_| Failure::invalid("id", rule))?;
    if ids::named(ids::CONVERSATION, text).is_some() {
        return Err(Failure::invalid("id", "id has the form of the ids that are made here"));
    }
    Ok(key)
}
