//! `POST /v2/app_clients`.

use http::StatusCode;
use sederunt_core::agent::Opaque;
use sederunt_core::caller::Grants;
use sederunt_core::tokens::NewApplication;
use serde_json::json;

use super::view;
use crate::asked::Asked;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::roles::{self, Given};
use crate::{NAME, answer};

/// The one type of app clients.
const TYPE: &str = "client_credentials";

/// Makes an app client. This is the one time that its secret is shown.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    if body.text("type")?.is_some_and(|kind| kind != TYPE) {
        return Err(must_be("type", TYPE));
    }
    let name = body.required_text("name")?.to_owned();
    let description = body.text("description")?.map(str::to_owned);
    let given = roles::read(&asked, &body, &Opaque::new()).await?;
    let Given { grants, extra } = given.unwrap_or_else(without_roles);
    let new = NewApplication { name, redirect_uris: Vec::new(), grants, public: false, description, extra };
    let (application, secret) = asked.app().tokens().create_application(&asked.caller, new).await?;
    let view = view::client(&asked, &application, secret.as_deref()).await?;
    Ok(answer::json_with(StatusCode::CREATED, &view))
}

/// One that is given no role may do nothing.
fn without_roles() -> Given {
    Given { grants: Grants::default(), extra: Opaque::from([(NAME.to_owned(), json!({"api_roles": []}))]) }
}
