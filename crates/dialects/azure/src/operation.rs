//! What every operation goes through: credential, project, `api-version`, opt-ins and end user, in that order; then the
//! operation; then the headers that every answer has.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use sederunt_core::caller::Caller;
use sederunt_core::id::TenantId;
use sederunt_web::query::Query;
use sederunt_web::{RequestId, authenticate};

use crate::asked::Asked;
use crate::end_user::end_user;
use crate::failure::Failure;
use crate::features::Feature;
use crate::{Dialect, NAME};

/// Sent by the vendor's clients and given back to them.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// The request's id in answers; the edge puts it there.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The project that stands for the default one, and the tenant that it is.
const DEFAULT_PROJECT: (&str, &str) = ("_project", "default");

/// The longest project name, in bytes.
const LONGEST_PROJECT: usize = 128;

/// To what part of the API an operation belongs: what its requests must bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Agents and versions.
    Agents,
    /// The sessions of an agent.
    Sessions,
    /// What a session holds: files and logs; and stop.
    Sandbox,
    /// The protocols below an agent's endpoint.
    Endpoint,
    /// The OpenAI protocol below the project.
    Project,
}

impl Surface {
    /// Whether `api-version` is required.
    fn is_versioned(self) -> bool {
        self != Self::Project
    }

    /// The opt-in that the strict switch demands.
    fn feature(self) -> Option<Feature> {
        match self {
            Self::Sessions => Some(Feature::AgentEndpoints),
            Self::Sandbox => Some(Feature::HostedAgents),
            Self::Agents | Self::Endpoint | Self::Project => None,
        }
    }
}

/// What an operation answers.
pub(crate) type Answer = Result<Response, Failure>;

type Boxed = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler that takes the request in, has `run` answer it, and turns a failure into the envelope.
pub(crate) fn operation<F, Fut>(surface: Surface, run: F) -> impl Fn(State<Dialect>, Request) -> Boxed + Clone
where
    F: Fn(Asked) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    move |State(dialect), request| {
        let run = run.clone();
        Box::pin(async move {
            let marks = Marks::of(&dialect, &request);
            let answer = match admit(surface, dialect, request, &marks).await {
                Ok(asked) => run(asked).await,
                Err(failure) => Err(failure),
            };
            marks.put(answer)
        })
    }
}

/// The answer to a method that a path of ours does not have.
pub(crate) async fn no_such_method(State(dialect): State<Dialect>, request: Request) -> Response {
    let marks = Marks::of(&dialect, &request);
    marks.put(Err(method_not_allowed(request.method())))
}

/// 404 of a path that is none of ours.
pub(crate) fn no_path(uri: &http::Uri) -> Failure {
    Failure::not_found(format!("there is no path {}", uri.path()))
}

/// 405.
pub(crate) fn method_not_allowed(method: &http::Method) -> Failure {
    Failure::new(405, "method_not_allowed", format!("{method} is not allowed here"))
}

/// By what a request and its answer are known.
struct Marks {
    request_id: HeaderValue,
    client: Option<HeaderValue>,
}

impl Marks {
    fn of(dialect: &Dialect, request: &Request) -> Self {
        let edge = request.extensions().get::<RequestId>().map(|id| id.0.clone());
        let ours = || {
            let id = dialect.app.ports().ids.random_uuid().simple().to_string();
            HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("unnumbered"))
        };
        Self { request_id: edge.unwrap_or_else(ours), client: request.headers().get(CLIENT_REQUEST_ID).cloned() }
    }

    fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    fn put(self, answer: Answer) -> Response {
        let mut response = answer.unwrap_or_else(|failure| failure.respond(self.id()));
        if let Some(client) = self.client {
            response.headers_mut().insert(CLIENT_REQUEST_ID, client);
        }
        response.headers_mut().insert(REQUEST_ID, self.request_id);
        response
    }
}

async fn admit(surface: Surface, dialect: Dialect, request: Request, marks: &Marks) -> Result<Asked, Failure> {
    let (mut parts, body) = request.into_parts();
    let caller = authenticate(&*dialect.app.ports().identity, &parts.headers).await?;
    let names = RawPathParams::from_request_parts(&mut parts, &()).await;
    let names = names.map_err(|_| Failure::invalid("path", "the path is not UTF-8"))?;
    let names: Vec<(String, String)> = names.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let query = Query::read(parts.uri.query().unwrap_or_default());
    if surface.is_versioned() {
        check_version(query.get("api-version"))?;
    }
    if dialect.settings.strict_preview
        && let Some(feature) = surface.feature()
    {
        feature.demand(&parts.headers)?;
    }
    let project = names.iter().find(|(name, _)| name == "project").map_or("", |(_, value)| value);
    let caller = in_project(&caller, project)?;
    let caller = match end_user(&parts.headers)? {
        Some(name) => caller.for_end_user(name),
        None => Caller { end_users: !dialect.settings.strict_users, ..caller },
    };
    let operation = format!("{NAME} {} {}", parts.method, parts.uri.path());
    let request_id = marks.id().to_owned();
    let body = Mutex::new(body);
    Ok(Asked { dialect, caller, names, operation, query, parts, body, request_id })
}

/// The caller in the project's tenant.
fn in_project(caller: &Caller, project: &str) -> Result<Caller, Failure> {
    let nameable = (1..=LONGEST_PROJECT).contains(&project.len()) && !project.chars().any(char::is_control);
    if !nameable {
        return Err(Failure::invalid("project", "a project's name has 1 to 128 bytes and no control characters"));
    }
    let tenant = if project == DEFAULT_PROJECT.0 { DEFAULT_PROJECT.1 } else { project };
    Ok(caller.in_tenant(&TenantId::from(tenant))?)
}

/// `api-version`: `v1`, or a date with or without `-preview`.
fn check_version(version: Option<&str>) -> Result<(), Failure> {
    let Some(version) = version else {
        return Err(
            Failure::new(400, "BadRequest", "Missing required query parameter: api-version").param("api-version")
        );
    };
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if version == "v1" || is_date {
        return Ok(());
    }
    Err(Failure::new(400, "UnsupportedApiVersion", format!("The api-version '{version}' is not supported. Use v1."))
        .param("api-version"))
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn versions_are_v1_or_a_date() {
        for good in ["v1", "2025-11-15-preview", "2025-05-15"] {
            assert!(check_version(Some(good)).is_ok(), "{good}");
        }
        for bad in ["", "v2", "V1", "2025-11", "2025-11-15-beta", "2025/11/15", "v1-preview"] {
            assert!(check_version(Some(bad)).is_err(), "{bad}");
        }
        assert!(check_version(None).is_err());
    }
}
