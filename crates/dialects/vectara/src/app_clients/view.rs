//! An app client as JSON, and the id that it is managed by.

use sederunt_core::identity::Application;
use serde_json::{Map, Value};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::roles;

/// With what the ids begin that app clients are managed by.
pub(super) const PREFIX: &str = "app_";

/// What stands in the place of a secret that is no longer known: of the same form, so that clients which check it are
/// content.
const MASKED: &str = "sed_app_*******************************************";

/// The app client; with its secret, if this is the one time that it can be shown.
pub(super) async fn client(asked: &Asked, application: &Application, secret: Option<&str>) -> Result<Value, Failure> {
    let mut view = Map::new();
    view.insert("id".into(), id(application).into());
    view.insert("name".into(), application.name.as_str().into());
    if let Some(description) = &application.description {
        view.insert("description".into(), description.as_str().into());
    }
    view.insert("client_id".into(), application.client_id.as_str().into());
    view.insert("client_secret".into(), secret.unwrap_or(MASKED).into());
    view.extend(roles::view(asked.app(), &asked.caller, &application.extra, &application.grants).await?);
    Ok(Value::Object(view))
}

/// The id that it is managed by: its client id, which begins so unless it was chosen by hand.
pub(super) fn id(application: &Application) -> String {
    let client_id = &application.client_id;
    if client_id.starts_with(PREFIX) { client_id.clone() } else { format!("{PREFIX}{client_id}") }
}
