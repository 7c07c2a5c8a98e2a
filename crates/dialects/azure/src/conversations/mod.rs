//! Conversations: what outlives any one session. A file per operation, and what they share.

mod create;
mod items;
mod list;
mod one;

pub(crate) use create::create;
pub(crate) use items::{add_items, get_item, list_items, remove_item};
pub(crate) use list::list;
pub(crate) use one::{delete, retrieve, update};

use sederunt_core::conversation::Conversation;
use sederunt_core::error::Error;
use sederunt_core::id::{ConversationId, Key};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::ids::{self, Partition};
use crate::seconds::seconds;

/// A conversation's identifier: the name that its caller gave it, else one made from its core id.
pub(crate) fn name(conversation: &Conversation) -> String {
    match &conversation.key {
        Some(key) => key.to_string(),
        None => ids::write(ids::CONVERSATION, &Partition::of(conversation.id.0), conversation.id.0, 0),
    }
}

/// The conversation with this identifier, if the caller may see it.
pub(crate) async fn find(asked: &Asked, name: &str) -> Result<Conversation, Failure> {
    let conversations = asked.app().conversations();
    let found = match ids::named(ids::CONVERSATION, name) {
        Some(id) => conversations.get(&asked.caller, ConversationId(id.uuid)).await,
        None => match name.parse::<Key>() {
            Ok(key) => conversations.get_by_key(&asked.caller, &key).await,
            Err(_) => return Err(missing(name)),
        },
    };
    match found {
        Err(Error::NotFound { .. }) => Err(missing(name)),
        found => Ok(found?),
    }
}

fn missing(name: &str) -> Failure {
    Failure::not_found(format!("Conversation with id '{name}' not found.")).param("conversation_id")
}

/// The conversation as the protocol shows it.
fn shown(conversation: &Conversation) -> Value {
    json!({
        "id": name(conversation),
        "object": "conversation",
        "created_at": seconds(conversation.created),
        "metadata": conversation.metadata,
    })
}
