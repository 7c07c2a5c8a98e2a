//! `POST /v2/api_keys`.

use http::StatusCode;
use sederunt_core::agent::Opaque;
use sederunt_core::caller::Grants;
use sederunt_core::tokens::NewKey;
use serde_json::json;

use super::view;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::roles::{self, Given};
use crate::{NAME, answer};

/// The longest name, in bytes.
const LONGEST: usize = 256;

/// Makes a key that speaks for who makes it. This is the one time that its secret is shown.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    let name = name(&body)?.to_owned();
    let given = roles::read(&asked, &body, &Opaque::new()).await?;
    let Given { grants, extra } = given.unwrap_or_else(without_roles);
    let new = NewKey { user: asked.caller.user.clone(), name, grants, life: None };
    let (secret, key) = asked.app().tokens().create_key_with(&asked.caller, new, extra).await?;
    let view = view::key(&asked, &key, Some(&secret)).await?;
    Ok(answer::json_with(StatusCode::CREATED, &view))
}

/// A key that is given no role may do nothing.
fn without_roles() -> Given {
    Given { grants: Grants::default(), extra: Opaque::from([(NAME.to_owned(), json!({"api_roles": []}))]) }
}

fn name<'a>(body: &Fields<'a>) -> Result<&'a str, Failure> {
    let name = body.required_text("name")?;
    if name.trim().is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        return Err(must_be("name", "1 to 256 bytes without control characters"));
    }
    Ok(name)
}
