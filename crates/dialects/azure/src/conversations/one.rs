//! `GET`, `POST` and `DELETE /conversations/{conversation_id}`.

use serde_json::json;

use super::{find, shown};
use crate::answer;
use crate::asked::{Asked, json_object};
use crate::fields::Fields;
use crate::metadata::metadata;
use crate::operation::Answer;

/// The conversation.
pub(crate) async fn retrieve(asked: Asked) -> Answer {
    let conversation = find(&asked, asked.name("conversation_id")).await?;
    Ok(answer::json(&shown(&conversation)))
}

/// Puts metadata in place of the old.
pub(crate) async fn update(mut asked: Asked) -> Answer {
    let body = json_object(&asked.bytes().await?)?;
    let fields = Fields::body(&body);
    fields.required("metadata")?;
    let metadata = metadata(&fields)?;
    let conversation = find(&asked, asked.name("conversation_id")).await?;
    let changed = asked.app().conversations().set_metadata(&asked.caller, conversation.id, &metadata).await?;
    Ok(answer::json(&shown(&changed)))
}

/// Deletes the conversation. The responses of it that ran in a session can still be looked at; the others go with it.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let name = asked.name("conversation_id");
    let conversation = find(&asked, name).await?;
    asked.app().conversations().delete(&asked.caller, conversation.id).await?;
    Ok(answer::json(&json!({"id": name, "object": "conversation.deleted", "deleted": true})))
}
