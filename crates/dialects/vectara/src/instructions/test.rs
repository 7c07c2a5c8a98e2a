//! `POST /v2/instructions/{instruction_id}/test`.

use serde_json::{Map, json};

use super::rendered::fill;
use super::{named, told, wanted};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;
use crate::timestamp::timestamp;

/// What the instruction would come to in a session that has `context` for its metadata, with these tools. No agent is part
/// of it: references to one stay as they are written. 422 if the template fails.
pub(crate) async fn test(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let (id, version) = (named(&asked)?, wanted(&asked)?);
    let found = asked.app().instructions().get(&asked.caller, id, version).await;
    let found = found.map_err(|error| told(&asked, error))?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    let context = body.object("context")?.map(|context| context.map().clone()).unwrap_or_default();
    body.objects("tools")?;
    let mut variables = Map::new();
    variables.insert("session".into(), json!({"metadata": context}));
    variables.insert("currentDate".into(), timestamp(asked.app().now()).into());
    variables.insert("tools".into(), body.list("tools")?.unwrap_or_default().into());
    let rendered = fill(found.syntax, found.template, &variables)
        .map_err(|error| Failure::new(422, "invalid_template", format!("The template fails: {error}.")))?;
    Ok(answer::json(&json!({"rendered_instruction": rendered})))
}
