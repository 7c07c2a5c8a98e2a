//! API keys: made (the secret is shown once), listed, revoked.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sederunt_core::id::UserId;
use sederunt_core::tokens::NewKey;
use serde::{Deserialize, Serialize};

use super::Control;
use super::error::Refusal;
use super::extract::{Admin, Asked, Named, Sent, limit};
use super::grants::{Granted, grants};
use super::view::KeyView;
use crate::config::unit;

/// The longest name of a user or a key, in bytes.
const LONGEST: usize = 256;

/// A key to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    user: String,
    name: String,
    /// What it allows; what a user may do for themselves if absent.
    grants: Option<Vec<Granted>>,
    /// How long it lives, such as `30d`; for ever if absent.
    expires_in: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u32>,
}

/// A key just made.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    /// What to send as bearer token. Nobody can read it again.
    secret: String,
    #[serde(flatten)]
    key: KeyView,
}

#[derive(Debug, Serialize)]
pub(super) struct Keys {
    keys: Vec<KeyView>,
}

pub(super) async fn create(
    State(control): State<Control>,
    Admin(caller): Admin,
    Sent(body): Sent<Create>,
) -> Result<(StatusCode, Json<Made>), Refusal> {
    for (param, text) in [("user", &body.user), ("name", &body.name)] {
        if text.trim().is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(Refusal::invalid(param, "1 to 256 bytes without control characters", "choose another"));
        }
    }
    let life = body.expires_in.as_deref().map(unit::time).transpose();
    let life = life.map_err(|why| Refusal::invalid("expires_in", why, "write it such as \"30d\""))?;
    let grants = grants(&control, &caller, body.grants).await?;
    let new = NewKey { user: UserId(body.user), name: body.name, grants, life };
    let (secret, key) = control.app().tokens().create_key(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(Made { secret, key: key.into() })))
}

pub(super) async fn list(
    State(control): State<Control>,
    Admin(caller): Admin,
    Asked(page): Asked<Page>,
) -> Result<Json<Keys>, Refusal> {
    let found = control.app().tokens().keys(&caller, limit(page.limit)?).await?;
    Ok(Json(Keys { keys: found.into_iter().map(KeyView::from).collect() }))
}

pub(super) async fn revoke(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(key): Named,
) -> Result<Json<KeyView>, Refusal> {
    Ok(Json(control.app().tokens().revoke_key(&caller, &key).await?.into()))
}
