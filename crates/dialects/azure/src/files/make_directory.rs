//! `POST …/files/mkdir` with `{"path"}`: a directory and those that lead to it; 201, also if it is there already.

use http::StatusCode;
use serde_json::{Value, json};

use super::{At, refusal};
use crate::answer::json_with;
use crate::asked::{Asked, json_object};
use crate::failure::Failure;
use crate::operation::Answer;

pub(super) async fn make_directory(mut asked: Asked) -> Answer {
    let body = json_object(&asked.bytes().await?)?;
    let path = match body.get("path") {
        Some(Value::String(path)) => path,
        _ => return Err(Failure::invalid("path", "path must be a string")),
    };
    let at = At::of(&asked, Some(path)).await?;
    asked.app().files().make_folder(&asked.caller, at.file()).await.map_err(refusal::refused)?;
    Ok(json_with(StatusCode::CREATED, &json!({"path": at.path.to_string()})))
}
