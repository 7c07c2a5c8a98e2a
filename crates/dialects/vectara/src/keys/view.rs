//! An API key as JSON.

use sederunt_core::identity::Credential;
use serde_json::{Map, Value};

use super::{DIGITS, PREFIX};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::roles;

/// What stands in the place of a secret that is no longer known: of the same form, so that clients which check it are
/// content.
const MASKED: &str = "sed_key_*******************************************";

/// The key; with its secret, if this is the one time that it can be shown.
pub(super) async fn key(asked: &Asked, key: &Credential, secret: Option<&str>) -> Result<Value, Failure> {
    let mut view = Map::new();
    view.insert("id".into(), id(key).into());
    view.insert("name".into(), key.name.as_str().into());
    view.insert("secret_key".into(), secret.unwrap_or(MASKED).into());
    view.insert("enabled".into(), key.enabled.into());
    view.extend(roles::view(asked.app(), &asked.caller, &key.extra, &key.grants).await?);
    Ok(Value::Object(view))
}

/// `aky_` and the first digits of the hash of its secret: enough to tell keys apart, and nothing to authenticate with.
pub(super) fn id(key: &Credential) -> String {
    format!("{PREFIX}{}", digits(key))
}

/// The digits in a key's public id.
pub(super) fn digits(key: &Credential) -> &str {
    key.id.0.get(..DIGITS).unwrap_or(&key.id.0)
}
