//! OAuth2 applications: registered (the secret is shown once), listed, removed with every token issued to them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sederunt_core::agent::Opaque;
use sederunt_core::tokens::NewApplication;
use serde::{Deserialize, Serialize};

use super::Control;
use super::error::Refusal;
use super::extract::{Admin, Asked, Named, Sent, limit};
use super::grants::{Granted, grants};
use super::view::ApplicationView;

/// An application to be registered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Whether it can keep no secret; it gets none.
    #[serde(default)]
    public: bool,
    /// The most that its tokens allow; what a user may do if absent.
    grants: Option<Vec<Granted>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u32>,
}

/// An application just registered.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    /// By which it proves to be itself, unless it is public. Nobody can read it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(flatten)]
    application: ApplicationView,
}

#[derive(Debug, Serialize)]
pub(super) struct Applications {
    applications: Vec<ApplicationView>,
}

pub(super) async fn create(
    State(control): State<Control>,
    Admin(caller): Admin,
    Sent(body): Sent<Create>,
) -> Result<(StatusCode, Json<Made>), Refusal> {
    let grants = grants(&control, &caller, body.grants).await?;
    let new = NewApplication {
        name: body.name,
        redirect_uris: body.redirect_uris,
        grants,
        public: body.public,
        description: None,
        extra: Opaque::new(),
    };
    let (application, secret) = control.app().tokens().create_application(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(Made { secret, application: application.into() })))
}

pub(super) async fn list(
    State(control): State<Control>,
    Admin(caller): Admin,
    Asked(page): Asked<Page>,
) -> Result<Json<Applications>, Refusal> {
    let found = control.app().tokens().applications(&caller, None, limit(page.limit)?).await?;
    Ok(Json(Applications { applications: found.into_iter().map(ApplicationView::from).collect() }))
}

pub(super) async fn remove(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(client_id): Named,
) -> Result<StatusCode, Refusal> {
    control.app().tokens().remove_application(&caller, &client_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
