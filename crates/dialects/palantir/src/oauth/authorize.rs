//! `GET /authorize`: the browser's part of the code flow. Where a user is configured to approve by themselves (in
//! development), the answer is a redirect; else a page on which a person signs in with an API key.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sederunt_core::Error;
use sederunt_core::caller::Grants;
use sederunt_core::id::{ClientId, UserId};
use sederunt_core::identity::{Application, CredentialId, Redeem};

use super::client::Form;
use super::error::OauthError;
use super::wanted;
use crate::Dialect;

/// The length of an S256 challenge: base64url of 32 bytes.
const CHALLENGE: usize = 43;

/// The field of the page that holds the API key.
const API_KEY: &str = "api_key";

pub(crate) async fn authorize(State(dialect): State<Dialect>, request: Request) -> Result<Response, OauthError> {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let application = trusted(&dialect, &form).await?;
    if let Err(error) = redeem(&form) {
        return redirect(&form, &[("error", error.code), ("error_description", &error.description)]);
    }
    match dialect.settings.authorize_as.clone() {
        Some(user) => {
            let who = SignedIn { user, grants: Grants::development(), key: None };
            approve(&dialect, &application, &form, who).await
        }
        None => Ok(page(&application, &form, None)),
    }
}

/// The page, sent back with an API key.
pub(crate) async fn sign_in(State(dialect): State<Dialect>, request: Request) -> Result<Response, OauthError> {
    let (_, form) = Form::read(&dialect, request).await?;
    let application = trusted(&dialect, &form).await?;
    let key = form.get(API_KEY).unwrap_or_default();
    match dialect.app.ports().identity.authenticate(key).await {
        // A token of an application is no key: one could be made into another that lives longer.
        Ok(caller) if caller.tenant == application.tenant && caller.client == ClientId::personal() => {
            let (user, grants) = (caller.user.clone(), caller.grants.clone());
            let who = SignedIn { user, grants, key: Some(CredentialId::of(key)) };
            approve(&dialect, &application, &form, who).await
        }
        Ok(_) | Err(Error::Unauthenticated(_)) => Ok(page(&application, &form, Some("This key is not known here."))),
        Err(error) => Err(error.into()),
    }
}

/// The application, if it is known and the address is its own: only then may anything be sent there.
async fn trusted(dialect: &Dialect, form: &Form) -> Result<Application, OauthError> {
    let application = dialect.app.tokens().application(form.required("client_id")?).await?;
    dialect.app.tokens().redirect_allowed(&application, form.required("redirect_uri")?)?;
    Ok(application)
}

fn redeem(form: &Form) -> Result<Redeem, OauthError> {
    if form.required("response_type")? != "code" {
        return Err(OauthError::response_type());
    }
    if form.get("code_challenge_method") != Some("S256") {
        return Err(OauthError::request("code_challenge_method must be S256"));
    }
    let challenge = form.required("code_challenge")?;
    if challenge.len() != CHALLENGE {
        return Err(OauthError::request("code_challenge must be the base64url of a SHA-256"));
    }
    Ok(Redeem { redirect_uri: form.required("redirect_uri")?.to_owned(), challenge: challenge.to_owned() })
}

/// Who signed in, what they may do, and the key that they showed.
struct SignedIn {
    user: UserId,
    grants: Grants,
    key: Option<CredentialId>,
}

/// Sends a code back. Its tokens allow what both the application and the user may do.
async fn approve(
    dialect: &Dialect,
    application: &Application,
    form: &Form,
    who: SignedIn,
) -> Result<Response, OauthError> {
    let granted = async {
        let mut wanted = wanted(application, form.get("scope"))?;
        wanted.grants = wanted.grants.within(&who.grants);
        Ok(dialect.app.tokens().authorize(application, who.user, who.key, wanted, redeem(form)?).await?)
    };
    match granted.await {
        Ok(code) => redirect(form, &[("code", &code)]),
        Err(OauthError { code, description, .. }) => {
            redirect(form, &[("error", code), ("error_description", &description)])
        }
    }
}

/// Back to the application, with its `state`.
fn redirect(form: &Form, parameters: &[(&str, &str)]) -> Result<Response, OauthError> {
    let uri = form.required("redirect_uri")?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    if let Some(state) = form.get("state") {
        query.append_pair("state", state);
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    let location = HeaderValue::from_str(&format!("{uri}{joint}{}", query.finish()));
    let location = location.map_err(|_| OauthError::request("the redirect_uri cannot stand in a header"))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn page(application: &Application, form: &Form, problem: Option<&str>) -> Response {
    let carried = form.iter().filter(|(name, _)| *name != API_KEY);
    let hidden: String = carried
        .map(|(name, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escaped(name), escaped(value))
        })
        .collect();
    let problem = problem.map(|text| format!("<p role=\"alert\">{}</p>\n", escaped(text))).unwrap_or_default();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in</title>\n\
         <h1>Sign in to Sederunt</h1>\n<p><strong>{}</strong> asks to act for you.</p>\n{problem}\
         <form method=\"post\">\n{hidden}\
         <label>API key <input name=\"{API_KEY}\" type=\"password\" autocomplete=\"off\" required autofocus></label>\n\
         <button>Allow</button>\n</form>\n</html>\n",
        escaped(&application.name)
    );
    let security = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, security),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, html).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
