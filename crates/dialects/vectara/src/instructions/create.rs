//! `POST /v2/instructions`.

use http::StatusCode;
use sederunt_core::instruction::NewInstruction;

use super::{check_type, syntax, view};
use crate::answer;
use crate::asked::Asked;
use crate::fields::Fields;
use crate::operation::Answer;

/// Makes an instruction, at version 1. 409 if its name is taken.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    check_type(&body)?;
    let new = NewInstruction {
        name: body.required_text("name")?.to_owned(),
        description: body.text("description")?.map(str::to_owned),
        syntax: syntax(&body)?.unwrap_or_default(),
        template: body.required_text("template")?.to_owned(),
        metadata: body.object("metadata")?.map(|metadata| metadata.map().clone()).unwrap_or_default(),
        enabled: body.boolean("enabled")?.unwrap_or(true),
    };
    let made = asked.app().instructions().create(&asked.caller, new).await?;
    Ok(answer::json_with(StatusCode::CREATED, &view::instruction(&made)))
}
