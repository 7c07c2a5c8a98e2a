//! `DELETE …/files?path&recursive`: a file, or a directory; one that is not empty only if `recursive`.

use super::{At, refusal};
use crate::answer::no_content;
use crate::asked::Asked;
use crate::operation::Answer;

pub(super) async fn remove(asked: Asked) -> Answer {
    let recursive = asked.query.flag("recursive")?;
    let at = At::of(&asked, asked.query.get("path")).await?;
    asked.app().files().remove(&asked.caller, at.file(), recursive).await.map_err(refusal::refused)?;
    Ok(no_content())
}
