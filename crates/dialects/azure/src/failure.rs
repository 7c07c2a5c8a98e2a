//! The service's error envelope, and the one table from what went wrong to how the service says it.
//!
//! `{"error":{code,message,param,type,details,additionalInfo:{request_id}}}`: there is no `innererror`, and the two long
//! names are in camel case (the service's REST reference; `azure-ai-projects` 2.10.0). The `openai` clients repeat 409 and
//! 5xx by themselves unless told not to by `x-should-retry: false`.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sederunt_core::error::{Conflict, Error, FaultKind, Kind, ModelFault, Reason, Unauthenticated};
use sederunt_web::Refusals;
use sederunt_web::fields::WrongField;
use serde_json::{Value, json};

/// The code of what is wrong in a request and has no code of its own.
pub(crate) const INVALID: &str = "invalid_request_error";

const INTERNAL: &str = "internal server error";
const TOO_MANY: &str = "Too many requests: wait, then repeat.";

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request came to nothing, ready to be written.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub param: Option<Box<str>>,
    /// The envelope's `type`.
    pub kind: &'static str,
    /// More errors of the same shape: the causes.
    pub details: Vec<Value>,
    pub headers: Option<Box<HeaderMap>>,
    /// What the core said, which only the log may see whole.
    source: Option<Box<Error>>,
}

impl Failure {
    /// A failure of this status; its type follows from the status.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let kind = match status {
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            kind,
            details: Vec::new(),
            headers: None,
            source: None,
        }
    }

    /// 400: a part of the request is wrong.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, INVALID, message).param(param)
    }

    /// 404: there is none, or none that this caller may know of.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 409: the state of things is against it. Saying the same again would not help.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(409, code, message).final_answer()
    }

    /// 501: this server does not do that.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "not_implemented", message)
    }

    /// What the core said, if it was the core that refused.
    pub fn core(&self) -> Option<&Error> {
        self.source.as_deref()
    }

    /// The same failure under another status, code and message; the log still sees what the core said.
    pub fn renamed(self, status: u16, code: &'static str, message: String) -> Self {
        Self { source: self.source, ..Self::new(status, code, message) }
    }

    /// Names the offending part of the request.
    pub fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into().into()), ..self }
    }

    /// Adds a cause: an object of the envelope's own shape.
    pub fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// Another `type`.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Tells `openai` clients not to repeat the request.
    pub fn final_answer(self) -> Self {
        self.header(SHOULD_RETRY, HeaderValue::from_static("false"))
    }

    /// The value of the envelope's `error`.
    pub fn error(&self, request_id: &str) -> Value {
        json!({
            "code": self.code,
            "message": cut(&self.message),
            "param": self.param.as_deref().map(cut),
            "type": self.kind,
            "details": self.details,
            "additionalInfo": {"request_id": request_id},
        })
    }

    /// The answer. Logged here, once.
    pub fn respond(self, request_id: &str) -> Response<Body> {
        match self.core() {
            Some(Error::Internal(source)) => tracing::error!(request_id, %source, "internal error"),
            Some(Error::Unavailable { reason, source }) => {
                let source = source.as_ref().map(ToString::to_string);
                tracing::warn!(request_id, reason, source, "unavailable");
            }
            Some(Error::Model(ModelFault { kind, detail, .. })) => {
                tracing::info!(request_id, %kind, detail, "model fault");
            }
            Some(_) | None => tracing::debug!(request_id, code = %self.code, message = self.message, "refused"),
        }
        let mut response = Response::new(Body::from(json!({"error": self.error(request_id)}).to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(headers) = self.headers {
            response.headers_mut().extend(*headers);
        }
        response
    }
}

/// The text, or its beginning: what a request repeats of itself in its refusal can be as long as its body. The length and
/// the end are those of the vendor's container runtime.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 2_048;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...[truncated]", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// What this dialect answers where the edge must.
pub const REFUSALS: Refusals = Refusals {
    panicked: |id| Failure::new(500, "server_error", INTERNAL).respond(id),
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
        let said = error.to_string();
        let failure = match &error {
            Error::NotFound { kind, id } => missing(*kind, id, said),
            Error::Invalid { param, reason } => invalid(param, reason, said),
            Error::Conflict { kind, id } => conflict(*kind, id),
            Error::Unauthenticated(why) => unauthenticated(*why),
            Error::Forbidden { action, .. } => Self::new(403, "forbidden", format!("You may not {action} here.")),
            Error::TooMany { retry_after } => {
                let seconds = HeaderValue::from(retry_after.as_secs().max(1));
                Self::new(429, "rate_limit_exceeded", TOO_MANY).header(header::RETRY_AFTER, seconds)
            }
            Error::Model(fault) => model(fault),
            Error::Unavailable { .. } => Self::new(503, "service_unavailable", said),
            Error::Internal(_) => Self::new(500, "server_error", INTERNAL),
        };
        Self { source: Some(Box::new(error)), ..failure }
    }
}

fn missing(kind: Kind, id: &str, said: String) -> Failure {
    match kind {
        Kind::Turn => Failure::new(404, INVALID, format!("Response with id '{id}' not found.")).param("response_id"),
        Kind::Tenant => Failure::not_found(format!("project '{id}' does not exist")),
        Kind::Blob => Failure::not_found(format!("file '{id}' does not exist")),
        Kind::Instruction => Failure::not_found(format!("instruction '{id}' does not exist")),
        Kind::Agent
        | Kind::Version
        | Kind::PublishedVersion
        | Kind::Session
        | Kind::Item
        | Kind::Conversation
        | Kind::Credential
        | Kind::Client => Failure::not_found(said),
    }
}

fn invalid(param: &str, reason: &Reason, said: String) -> Failure {
    match reason {
        Reason::TooLarge(_) => Failure::new(400, "content_size_exceeded", said).param(param),
        Reason::Unknown | Reason::WrongType { .. } | Reason::Malformed(_) | Reason::Missing | Reason::NotAllowed(_) => {
            Failure::invalid(param, said)
        }
    }
}

fn conflict(kind: Conflict, id: &str) -> Failure {
    let plain = |message: &str| Failure::conflict("conflict", message);
    match kind {
        Conflict::AlreadyExists => Failure::conflict("conflict", format!("'{id}' already exists")),
        // The wording and the type are those of the vendor's container runtime.
        Conflict::Busy => {
            Failure::conflict("conversation_locked", "Conversation is locked — task is in_progress").kind("conflict")
        }
        Conflict::InUse => plain("live sessions need it: delete them, or repeat this with force=true"),
        Conflict::Disabled => plain("the agent, or the session, is disabled"),
        Conflict::NotInProgress => Failure::invalid("response_id", "Cannot cancel a response in terminal state."),
        Conflict::Stale => plain("it was changed by someone else meanwhile: look again"),
        Conflict::KeyReused => plain("x-ms-client-request-id named another request before"),
        Conflict::Interrupted => plain("this request was interrupted, and is not run again"),
    }
}

fn unauthenticated(why: Unauthenticated) -> Failure {
    let message = match why {
        Unauthenticated::Missing => "Send a credential: 'Authorization: Bearer <token>' or 'api-key: <key>'.",
        Unauthenticated::Malformed => "The credential in the request's headers cannot be read.",
        Unauthenticated::Unknown => "The credential is unknown or was revoked.",
        Unauthenticated::Expired => "The credential has expired: get a new one.",
    };
    // Without a `claims` challenge, which the vendor's clients answer by asking for another token.
    Failure::new(401, "unauthorized", message).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// A fault of the model: its cause stands in `details`. Clients repeat only what may go better the next time.
fn model(fault: &ModelFault) -> Failure {
    let code = fault_code(fault.kind);
    let message = fault.message.as_str();
    let cause = json!({"code": code, "message": message, "param": null, "type": "model_error", "details": []});
    let failure = match fault.kind {
        FaultKind::RateLimited => Failure::new(429, code, message).header(header::RETRY_AFTER, HeaderValue::from(1)),
        FaultKind::Unavailable => Failure::new(503, code, message),
        FaultKind::ContextTooLarge | FaultKind::Refused | FaultKind::UnknownModel => Failure::new(400, code, message),
        FaultKind::Iterations
        | FaultKind::RetriesUsedUp
        | FaultKind::DeadlinePassed
        | FaultKind::BrokenStream
        | FaultKind::WrongForm
        | FaultKind::TooLittle
        | FaultKind::Failed => Failure::new(500, code, message).final_answer(),
    };
    failure.detail(cause)
}

/// The code of a fault of the model, in the envelope and in a failed response.
pub(crate) fn fault_code(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::ContextTooLarge => "token_limit_exceeded",
        FaultKind::Iterations => "iteration_limit_exceeded",
        FaultKind::RateLimited => "rate_limit_exceeded",
        FaultKind::RetriesUsedUp => "model_retries_exhausted",
        FaultKind::DeadlinePassed => "deadline_exceeded",
        FaultKind::Refused => "model_refused",
        FaultKind::Unavailable => "model_unavailable",
        FaultKind::BrokenStream => "model_stream_broken",
        FaultKind::UnknownModel => "model_not_found",
        FaultKind::WrongForm => "invalid_structured_output",
        FaultKind::TooLittle | FaultKind::Failed => "server_error",
    }
}
