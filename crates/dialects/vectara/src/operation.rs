//! What every operation goes through: credential, path, agent, role, in that order; then the operation, which looks for a
//! session or an event before it looks at query and body; then the envelope of what failed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use sederunt_core::agent::Agent;
use sederunt_core::caller::Action;
use sederunt_core::id::Key;
use sederunt_web::query::Query;
use sederunt_web::{RequestId, authenticate};

use crate::Dialect;
use crate::asked::Asked;
use crate::failure::Failure;

/// What an operation answers.
pub(crate) type Answer = Result<Response, Failure>;

type Boxed = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler for what belongs to no agent. Without an action, the operation looks at the caller's grants itself.
pub(crate) fn operation<F, Fut>(
    action: impl Into<Option<Action>>,
    run: F,
) -> impl Fn(State<Dialect>, Request) -> Boxed + Clone
where
    F: Fn(Asked) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    let action = action.into();
    handler(move |asked: Asked| {
        let run = run.clone();
        async move {
            if let Some(action) = action {
                asked.caller.may(action)?;
            }
            run(asked).await
        }
    })
}

/// A handler for what belongs to the agent that the path names, which is there and on which the action is granted.
pub(crate) fn agent_operation<F, Fut>(action: Action, run: F) -> impl Fn(State<Dialect>, Request) -> Boxed + Clone
where
    F: Fn(Asked, Agent) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    handler(move |asked: Asked| {
        let run = run.clone();
        async move {
            let key = asked.key("agent_key")?;
            let agent = asked.app().agents().get_by_key(&asked.caller, &key).await?;
            asked.caller.may_on(action, agent.id)?;
            run(asked, agent).await
        }
    })
}

fn handler<F, Fut>(run: F) -> impl Fn(State<Dialect>, Request) -> Boxed + Clone
where
    F: Fn(Asked) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    move |State(dialect), request| {
        let run = run.clone();
        Box::pin(async move {
            let request_id = request_id(&dialect, &request);
            let answer = match admit(dialect, request, &request_id).await {
                Ok(asked) => run(asked).await,
                Err(failure) => Err(failure),
            };
            answer.unwrap_or_else(|failure| failure.respond(&request_id))
        })
    }
}

/// The answer to a path that is none of ours.
pub(crate) async fn no_such_path(State(dialect): State<Dialect>, request: Request) -> Response {
    let failure = Failure::new(404, "not_found", format!("There is no path {}.", request.uri().path()));
    failure.respond(&request_id(&dialect, &request))
}

/// The answer to a method that a path of ours does not have.
pub(crate) async fn no_such_method(State(dialect): State<Dialect>, request: Request) -> Response {
    let failure = Failure::new(405, "method_not_allowed", format!("{} is not allowed here.", request.method()));
    failure.respond(&request_id(&dialect, &request))
}

/// By what the answer and the log name a request: the edge's id for it.
pub(crate) fn request_id(dialect: &Dialect, request: &Request) -> String {
    let edge = request.extensions().get::<RequestId>().and_then(|id| id.0.to_str().ok());
    edge.map_or_else(|| dialect.app.ports().ids.random_uuid().simple().to_string(), str::to_owned)
}

async fn admit(dialect: Dialect, request: Request, request_id: &str) -> Result<Asked, Failure> {
    let (mut parts, body) = request.into_parts();
    let caller = authenticate(&*dialect.app.ports().identity, &parts.headers).await?;
    let names = RawPathParams::from_request_parts(&mut parts, &()).await;
    let names = names.map_err(|_| Failure::invalid("path", "The path is not UTF-8."))?;
    let names: Vec<(String, String)> = names.iter().map(|(name, value)| (name.into(), value.into())).collect();
    for (name, value) in &names {
        check_segment(name, value)?;
    }
    let query = Query::read(parts.uri.query().unwrap_or_default());
    let timeout = timeout(&parts.headers);
    let request_id = request_id.to_owned();
    Ok(Asked { dialect, caller, names, query, parts, body: Mutex::new(body), request_id, timeout })
}

/// Holds a variable segment of the path to the form that its name promises.
fn check_segment(name: &str, value: &str) -> Result<(), Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let prefixed = |prefix: &str| {
        value.len() <= Key::MAX
            && value.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
    };
    match name {
        // The core's grammar: a key made elsewhere may be longer than one made here.
        "agent_key" | "session_key" | "schedule_key" if value.parse::<Key>().is_err() => {
            Err(Failure::invalid(name, format!("{name} has letters, digits, '_' and '-' only.")))
        }
        "event_id" if !prefixed("aev_") => Err(Failure::invalid(name, "event_id begins with 'aev_'.")),
        "artifact_id" if !prefixed("art_") => Err(Failure::invalid(name, "artifact_id begins with 'art_'.")),
        _ => Ok(()),
    }
}

/// The smaller of the two headers that limit a request's time.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let read = |name: &'static str, unit: fn(u64) -> Duration| {
        let Some(value) = headers.get(name) else { return Ok(None) };
        let number =
            whole(value).ok_or_else(|| Failure::invalid(name, format!("{name} must be a whole number from 1")));
        number.map(|number| Some(unit(number)))
    };
    let seconds = read("request-timeout", Duration::from_secs)?;
    let millis = read("request-timeout-millis", Duration::from_millis)?;
    Ok([seconds, millis].into_iter().flatten().min())
}

fn whole(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number >= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_two_time_limits_counts() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let map = pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            timeout(&map.collect())
        };
        let both = read(&[("request-timeout", "7"), ("request-timeout-millis", "6500")]);
        assert_eq!(both.unwrap(), Some(Duration::from_millis(6_500)));
        assert_eq!(read(&[("request-timeout", "7")]).unwrap(), Some(Duration::from_secs(7)));
        assert_eq!(read(&[]).unwrap(), None);
        for bad in ["0", "-1", "1.5", "", "soon", "99999999999999999999"] {
            assert_eq!(read(&[("request-timeout-millis", bad)]).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn a_segment_is_held_to_the_form_of_what_it_names() {
        for (name, value) in [("agent_key", "a-b_C9"), ("event_id", "aev_1-2"), ("artifact_id", "art_x"), ("id", "é")]
        {
            assert!(check_segment(name, value).is_ok(), "{name} {value}");
        }
        let long = "x".repeat(129);
        for (name, value) in [
            ("agent_key", "a b"),
            ("session_key", "é"),
            ("session_key", &long),
            ("event_id", "aev_"),
            ("event_id", "x"),
        ] {
            assert_eq!(check_segment(name, value).unwrap_err().status, 400, "{name} {value}");
        }
    }
}
