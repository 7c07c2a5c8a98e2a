//! `GET`, `PATCH` and `DELETE /v2/app_clients/{app_client_id}`.

use sederunt_core::error::{Error, Kind};
use sederunt_core::identity::Application;
use sederunt_core::tokens::ApplicationPatch;

use super::view::{self, PREFIX};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::operation::Answer;
use crate::roles;

/// The app client.
pub(crate) async fn get(asked: Asked) -> Answer {
    let application = found(&asked).await?;
    Ok(answer::json(&view::client(&asked, &application, None).await?))
}

/// Changes what is named. Lists of roles take the place of those before; tokens that are out keep what they allow until
/// their half-hour is over.
pub(crate) async fn update(mut asked: Asked) -> Answer {
    asked.timeout()?;
    let application = found(&asked).await?;
    let body = asked.json().await?;
    let body = Fields::body(&body);
    if body.is_null("name") {
        return Err(must_be("name", "a string"));
    }
    let mut patch = ApplicationPatch { name: body.text("name")?.map(str::to_owned), ..ApplicationPatch::default() };
    if body.map().contains_key("description") {
        patch.description = Some(body.text("description")?.map(str::to_owned));
    }
    if let Some(given) = roles::read(&asked, &body, &application.extra).await? {
        patch.grants = Some(given.grants);
        patch.extra = Some(given.extra);
    }
    let application = asked.app().tokens().update_application(&asked.caller, &application.client_id, patch).await?;
    Ok(answer::json(&view::client(&asked, &application, None).await?))
}

/// Deletes the app client, with every token that was issued to it.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let application = found(&asked).await?;
    asked.app().tokens().remove_application(&asked.caller, &application.client_id).await?;
    Ok(answer::no_content())
}

/// The app client that the path names.
async fn found(asked: &Asked) -> Result<Application, Failure> {
    let id = asked.name("app_client_id");
    for client_id in [Some(id), id.strip_prefix(PREFIX)].into_iter().flatten() {
        match asked.app().tokens().registered(&asked.caller, client_id).await {
            Ok(application) if application.secret.is_some() && view::id(&application) == id => return Ok(application),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::not_found(Kind::Client, id).into())
}
