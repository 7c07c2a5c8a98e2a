//! `GET`, `PATCH` and `DELETE /v2/instructions/{instruction_id}`.

use sederunt_core::instruction::NewInstruction;
use serde_json::Map;

use super::{check_type, named, syntax, told, view, wanted};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;

/// The instruction, at the version that the query asks for or as it stands.
pub(crate) async fn get(asked: Asked) -> Answer {
    let (id, version) = (named(&asked)?, wanted(&asked)?);
    let found = asked.app().instructions().get(&asked.caller, id, version).await;
    Ok(answer::json(&view::instruction(&found.map_err(|error| told(&asked, error))?)))
}

/// Makes the next version: what is named is changed, and null means the default.
pub(crate) async fn update(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let id = named(&asked)?;
    asked.app().instructions().get(&asked.caller, id, None).await.map_err(|error| told(&asked, error))?;
    let body = asked.json().await?;
    let fields = Fields::body(&body);
    check_type(&fields)?;
    let changed = asked.app().instructions().update(&asked.caller, id, |next| change(next, &fields)).await?;
    Ok(answer::json(&view::instruction(&changed)))
}

fn change(next: &mut NewInstruction, body: &Fields<'_>) -> Result<(), Failure> {
    for (name, text) in [("name", &mut next.name), ("template", &mut next.template)] {
        if body.is_null(name) {
            return Err(must_be(name, "a string"));
        }
        if let Some(given) = body.text(name)? {
            given.clone_into(text);
        }
    }
    let is_given = |name: &str| body.map().contains_key(name);
    if is_given("description") {
        next.description = body.text("description")?.map(str::to_owned);
    }
    if is_given("template_type") {
        next.syntax = syntax(body)?.unwrap_or_default();
    }
    if is_given("metadata") {
        next.metadata = body.object("metadata")?.map_or_else(Map::new, |metadata| metadata.map().clone());
    }
    if is_given("enabled") {
        next.enabled = body.boolean("enabled")?.unwrap_or(true);
    }
    Ok(())
}

/// Deletes the instruction with all its versions. Agents that refer to it cannot begin a turn any more.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let deleted = asked.app().instructions().delete(&asked.caller, named(&asked)?).await;
    deleted.map_err(|error| told(&asked, error))?;
    Ok(answer::no_content())
}
