//! `GET …/files/stat?path`: one entry, as lists show it.

use super::{At, entry, refusal};
use crate::answer::json;
use crate::asked::Asked;
use crate::operation::Answer;

pub(super) async fn stat(asked: Asked) -> Answer {
    let at = At::of(&asked, asked.query.get("path")).await?;
    let found = asked.app().files().stat(&asked.caller, at.file()).await.map_err(refusal::refused)?;
    Ok(json(&entry(&found)))
}
