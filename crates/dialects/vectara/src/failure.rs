//! The service's error envelope, and the one table from what went wrong to how the service says it.
//!
//! `{code, message, messages, id, field_errors, request_id}`: the members of all the vendor's envelopes at once; its clients
//! keep those that they do not know. Its SDK repeats 408, 409, 429 and 5xx, so that nothing else may answer with those what
//! would go no better the next time (`vectara` 0.4.3).

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sederunt_core::error::{Conflict, Error, FaultKind, Kind, ModelFault, Reason, Unauthenticated};
use sederunt_web::Refusals;
use sederunt_web::fields::WrongField;
use serde_json::{Map, Value, json};

/// The code of what is wrong in a request and has no code of its own.
pub(crate) const INVALID: &str = "invalid_request";

const INTERNAL: &str = "Internal server error.";
const TOO_MANY: &str = "Too many requests: wait, then repeat.";

/// How long to wait before a repetition, where nothing more is known, in seconds.
const SOON: u64 = 1;

/// Why a request came to nothing, ready to be written.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// What few failures have.
    rest: Box<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// What was not found.
    id: Option<String>,
    /// The wrong parts of the request, each with what is wrong with it.
    fields: Vec<(String, String)>,
    headers: HeaderMap,
    /// What the core said, which only the log may see whole.
    source: Option<Error>,
}

impl Failure {
    /// A failure of this status and code.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), rest: Box::default() }
    }

    /// 400: a part of the request is wrong.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, INVALID, message).also(field)
    }

    /// 404: there is none, or none that this caller may know of.
    pub fn not_found(code: &'static str, id: impl Into<String>, message: impl Into<String>) -> Self {
        let mut failure = Self::new(404, code, message);
        failure.rest.id = Some(id.into());
        failure
    }

    /// The same failure, under another code.
    pub fn code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same failure under another status, code and message; the log still sees what the core said.
    pub fn renamed(self, status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let rest = Rest { source: self.rest.source, ..Rest::default() };
        Self { rest: Box::new(rest), ..Self::new(status, code, message) }
    }

    /// Names a part of the request that is wrong in the way that the message tells.
    pub fn also(mut self, field: impl Into<String>) -> Self {
        self.rest.fields.push((field.into(), self.message.clone()));
        self
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.rest.headers.insert(name, value.into());
        self
    }

    /// The wrong parts of the request, each with what is wrong with it.
    pub fn fields(&self) -> &[(String, String)] {
        &self.rest.fields
    }

    /// What the core said, if it was the core that refused.
    pub fn core(&self) -> Option<&Error> {
        self.rest.source.as_ref()
    }

    /// The envelope.
    pub fn envelope(&self, request_id: &str) -> Value {
        let mut envelope = Map::new();
        envelope.insert("code".into(), self.code.into());
        envelope.insert("message".into(), self.message.as_str().into());
        envelope.insert("messages".into(), json!([self.message]));
        if let Some(id) = &self.rest.id {
            envelope.insert("id".into(), id.as_str().into());
        }
        if self.status == 400 {
            let fields = self.rest.fields.iter().map(|(field, message)| (field.clone(), message.as_str().into()));
            envelope.insert("field_errors".into(), Value::Object(fields.collect()));
        }
        envelope.insert("request_id".into(), request_id.into());
        Value::Object(envelope)
    }

    /// The answer. Logged here, once.
    pub fn respond(self, request_id: &str) -> Response<Body> {
        self.log(request_id);
        let mut response = Response::new(Body::from(self.envelope(request_id).to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(self.rest.headers);
        response
    }

    /// Tells the log, for an answer that is not written by [`Failure::respond`].
    pub fn log(&self, request_id: &str) {
        match self.core() {
            Some(Error::Internal(source)) => tracing::error!(request_id, %source, "internal error"),
            Some(Error::Unavailable { reason, source }) => {
                let source = source.as_ref().map(ToString::to_string);
                tracing::warn!(request_id, reason, source, "unavailable");
            }
            Some(Error::Model(ModelFault { kind, detail, .. })) => {
                tracing::info!(request_id, %kind, detail, "model fault");
            }
            Some(_) | None => tracing::debug!(request_id, code = self.code, message = self.message, "refused"),
        }
    }
}

/// What this dialect answers where the edge must.
pub const REFUSALS: Refusals = Refusals {
    panicked: |id| Failure::new(500, "internal_error", INTERNAL).respond(id),
    too_many: |id| Failure::new(429, "rate_limit_exceeded", TOO_MANY).respond(id),
};

impl From<WrongField> for Failure {
    fn from(wrong: WrongField) -> Self {
        Self::invalid(wrong.path, wrong.message)
    }
}

impl From<Error> for Failure {
    /// The table. A new kind of error breaks it on purpose.
    fn from(error: Error) -> Self {
        let mut failure = match &error {
            Error::NotFound { kind, id } => missing(*kind, id),
            Error::Invalid { param, reason } => invalid(param, reason, error.to_string()),
            Error::Conflict { kind, id } => conflict(*kind, id),
            Error::Unauthenticated(why) => unauthenticated(*why),
            Error::Forbidden { action, .. } => Self::new(403, "forbidden", format!("You may not {action} here.")),
            Error::TooMany { retry_after } => {
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                Self::new(429, "rate_limit_exceeded", TOO_MANY).header(header::RETRY_AFTER, seconds.max(SOON))
            }
            Error::Model(fault) => model(fault),
            Error::Unavailable { reason, .. } => {
                Self::new(503, "internal_error", reason).header(header::RETRY_AFTER, SOON)
            }
            Error::Internal(_) => Self::new(500, "internal_error", INTERNAL),
        };
        failure.rest.source = Some(error);
        failure
    }
}

fn missing(kind: Kind, id: &str) -> Failure {
    let (code, what) = match kind {
        Kind::Agent | Kind::Version | Kind::PublishedVersion => ("agent_not_found", "Agent"),
        Kind::Session | Kind::Conversation => ("session_not_found", "Session"),
        Kind::Turn | Kind::Item => ("event_not_found", "Event"),
        Kind::Blob => ("artifact_not_found", "Artifact"),
        Kind::Credential => ("not_found", "API key"),
        Kind::Client => ("not_found", "App client"),
        Kind::Instruction => ("not_found", "Instruction"),
        Kind::Tenant => ("not_found", "Account"),
    };
    Failure::not_found(code, id, format!("{what} '{id}' does not exist."))
}

fn invalid(param: &str, reason: &Reason, said: String) -> Failure {
    match reason {
        Reason::Unknown
        | Reason::WrongType { .. }
        | Reason::Malformed(_)
        | Reason::Missing
        | Reason::TooLarge(_)
        | Reason::NotAllowed(_) => Failure::invalid(param, said),
    }
}

fn conflict(kind: Conflict, id: &str) -> Failure {
    let plain = |code, message: &str| Failure::new(409, code, message);
    match kind {
        Conflict::AlreadyExists => Failure::new(409, "conflict", format!("'{id}' already exists.")),
        Conflict::Busy => plain(
            "session_running",
            "The session is running. Wait for it to stop, or send 'since' to have the input queued and to get what follows.",
        ),
        Conflict::InUse => plain("agent_in_use", "A session of the agent is running: interrupt it, or wait."),
        // Not 409: the vendor's SDK would repeat it.
        Conflict::Disabled => Failure::new(400, "session_disabled", "The session is disabled, or its agent is."),
        Conflict::NotInProgress => Failure::new(400, INVALID, "Nothing is running."),
        Conflict::Stale => plain("conflict", "It was changed by someone else meanwhile: look again."),
        Conflict::KeyReused => plain("conflict", "The idempotency key named another request before."),
        Conflict::Interrupted => plain("conflict", "This request was interrupted, and is not run again."),
    }
}

fn unauthenticated(why: Unauthenticated) -> Failure {
    let message = match why {
        Unauthenticated::Missing => "Send a credential: 'x-api-key: <key>' or 'Authorization: Bearer <token>'.",
        Unauthenticated::Malformed => "The credential in the request's headers cannot be read.",
        Unauthenticated::Unknown => "The credential is unknown, or was disabled or deleted.",
        Unauthenticated::Expired => "The credential has expired: get a new one.",
    };
    Failure::new(401, "unauthorized", message).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// A fault of the model. What another attempt may mend is 502; what the agent's configuration brings about is 422.
fn model(fault: &ModelFault) -> Failure {
    let (status, code) = match fault.kind {
        FaultKind::RateLimited | FaultKind::Unavailable | FaultKind::BrokenStream | FaultKind::RetriesUsedUp => {
            (502, "agent_processing_failed")
        }
        FaultKind::TooLittle => (400, "not_enough_turns"),
        FaultKind::UnknownModel => (422, "invalid_agent_configuration"),
        FaultKind::ContextTooLarge | FaultKind::Refused | FaultKind::WrongForm => (422, "agent_processing_failed"),
        FaultKind::Iterations | FaultKind::DeadlinePassed | FaultKind::Failed => (500, "agent_processing_failed"),
    };
    Failure::new(status, code, fault.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_the_members_of_all_the_vendors_envelopes() {
        let failure = Failure::from(Error::not_found(Kind::Agent, "agt_x"));
        assert_eq!(
            failure.envelope("req_1").to_string(),
            r#"{"code":"agent_not_found","message":"Agent 'agt_x' does not exist.","messages":["Agent 'agt_x' does not exist."],"id":"agt_x","request_id":"req_1"}"#
        );
        let failure = Failure::invalid("limit", "limit must be an integer from 1 to 100");
        assert_eq!(
            failure.envelope("req_1").to_string(),
            r#"{"code":"invalid_request","message":"limit must be an integer from 1 to 100","messages":["limit must be an integer from 1 to 100"],"field_errors":{"limit":"limit must be an integer from 1 to 100"},"request_id":"req_1"}"#
        );
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let wait = |error: Error| Failure::from(error).respond("r").headers().get(header::RETRY_AFTER).cloned();
        let too_many = |millis| Error::TooMany { retry_after: std::time::Duration::from_millis(millis) };
        assert_eq!(wait(too_many(2_500)).unwrap(), "3");
        assert_eq!(wait(too_many(0)).unwrap(), "1");
        assert_eq!(wait(Error::unavailable("draining")).unwrap(), "1");
    }

    #[test]
    fn what_would_go_no_better_is_not_answered_by_what_clients_repeat() {
        let repeated = |status: u16| matches!(status, 408 | 409 | 429 | 500..);
        for error in [
            Error::conflict(Conflict::Disabled, "x"),
            Error::conflict(Conflict::NotInProgress, "x"),
            Error::malformed("x", "y"),
            Error::Model(FaultKind::UnknownModel.with("")),
            Error::Model(FaultKind::WrongForm.with("")),
        ] {
            let failure = Failure::from(error);
            assert!(!repeated(failure.status), "{failure:?}");
        }
    }
}
