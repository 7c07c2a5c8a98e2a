//! `POST /token` and `POST /revoke_token`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sederunt_core::tokens::Issued;
use sederunt_web::status_only;
use serde_json::json;

use super::client::{Form, application};
use super::error::OauthError;
use super::wanted;
use crate::Dialect;

/// Tokens for client credentials, a code, or a refresh token.
pub(crate) async fn token(State(dialect): State<Dialect>, request: Request) -> Result<Response, OauthError> {
    let (headers, form) = Form::read(&dialect, request).await?;
    let tokens = dialect.app.tokens();
    let issued = match form.required("grant_type")? {
        "client_credentials" => {
            let application = application(&dialect, &headers, &form).await?;
            let wanted = wanted(&application, form.get("scope"))?;
            tokens.client_credentials(&application, wanted).await?
        }
        "authorization_code" => {
            let application = application(&dialect, &headers, &form).await?;
            let (code, uri) = (form.required("code")?, form.required("redirect_uri")?);
            tokens.redeem_code(&application, code, uri, form.required("code_verifier")?).await?
        }
        "refresh_token" => {
            let application = application(&dialect, &headers, &form).await?;
            tokens.refresh(&application, form.required("refresh_token")?).await?
        }
        _ => return Err(OauthError::grant_type()),
    };
    Ok(answer(issued))
}

/// Revokes a token of the client. 200 without a body, whether there was one or not.
pub(crate) async fn revoke_token(State(dialect): State<Dialect>, request: Request) -> Result<Response, OauthError> {
    let (headers, form) = Form::read(&dialect, request).await?;
    let application = application(&dialect, &headers, &form).await?;
    dialect.app.tokens().revoke(&application, form.required("token")?).await?;
    Ok(status_only(StatusCode::OK))
}

/// No `id_token`: the TypeScript SDK's code flow fails on one.
fn answer(issued: Issued) -> Response {
    let mut body = json!({
        "access_token": issued.access,
        "token_type": "bearer",
        "expires_in": issued.expires_in.as_secs(),
    });
    if let Some(scope) = issued.scope {
        body["scope"] = scope.into();
    }
    if let Some(refresh) = issued.refresh {
        body["refresh_token"] = refresh.into();
    }
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
