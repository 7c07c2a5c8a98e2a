//! `GET`, `PATCH` and `DELETE /v2/api_keys/{api_key_id}`.

use sederunt_core::error::{Error, Kind};
use sederunt_core::identity::Credential;

use super::{DIGITS, PREFIX, view};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::operation::Answer;

/// The key.
pub(crate) async fn get(asked: Asked) -> Answer {
    let key = found(&asked).await?;
    Ok(answer::json(&view::key(&asked, &key, None).await?))
}

/// Switches the key off or on: `enabled` is all that can be changed.
pub(crate) async fn update(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let mut key = found(&asked).await?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    // Null is the default, which is on.
    let enabled = if body.is_null("enabled") { Some(true) } else { body.boolean("enabled")? };
    if let Some(enabled) = enabled {
        key = asked.app().tokens().enable_key(&asked.caller, view::digits(&key), enabled).await?;
    }
    Ok(answer::json(&view::key(&asked, &key, None).await?))
}

/// Deletes the key: it is good nowhere any more.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let key = found(&asked).await?;
    asked.app().tokens().revoke_key(&asked.caller, view::digits(&key)).await?;
    Ok(answer::no_content())
}

/// The key that the path names, unless it was deleted.
async fn found(asked: &Asked) -> Result<Credential, Failure> {
    let id = asked.name("api_key_id");
    let missing = || Error::not_found(Kind::Credential, id);
    let digits = id.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS).ok_or_else(missing)?;
    let key = match asked.app().tokens().key(&asked.caller, digits).await {
        Err(Error::NotFound { .. }) => return Err(missing().into()),
        key => key?,
    };
    if key.revoked.is_some() { Err(missing().into()) } else { Ok(key) }
}
