//! The vendor's error envelope, and the one table from what went wrong to how Palantir says it.
//!
//! `{"errorCode","errorName","errorInstanceId","errorDescription","parameters"}`; the Python SDK builds its typed
//! exception only if every declared parameter is there (`foundry-platform-sdk` 1.111.0). 404 of an unknown path, 429 and
//! 503 have no body.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sederunt_core::caller::Action;
use sederunt_core::error::{Conflict, Error, FaultKind, Kind, ModelFault, Reason, Unauthenticated};
use sederunt_core::id::Ids;
use sederunt_web::{Refusals, hint, status_only};
use serde_json::{Map, Value, json};

use crate::operation::{Names, Operation as Op};

/// The names that two or more rows below use.
const CONFLICT: &str = "Default:Conflict";
const INVALID: &str = "Default:InvalidArgument";

/// Why a request came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The wire was not as it should be.
    Refusal(Refusal),
    /// The core said no.
    Core(Error),
}

/// What can be wrong before the core is asked.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    PreviewOnly,
    MissingScope,
    /// A path, query or header value, or a body that is not JSON.
    Argument(String),
    /// A body that is JSON but does not fit.
    Unprocessable(String),
    UnsupportedMediaType,
    MissingBody,
    TooLarge,
    Timeout,
    PageSize(i32),
    PageToken(String),
    AgentVersion(String),
}

impl Refusal {
    /// An argument that cannot be read.
    pub fn argument(what: &str) -> Self {
        Self::Argument(format!("'{what}' cannot be read"))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

/// What this dialect answers where the edge must, as the vendor does.
pub(crate) const REFUSALS: Refusals =
    Refusals { panicked: |_| panicked(), too_many: |_| status_only(StatusCode::TOO_MANY_REQUESTS) };

/// The same with a JSON body on 429, which SDKs up to Python 1.30.0 need to read the error at all.
pub const REFUSALS_WITH_BODY: Refusals = Refusals { panicked: |_| panicked(), too_many: |_| too_many_with_body() };

fn too_many_with_body() -> Response<Body> {
    Envelope::new(429, "CUSTOM_CLIENT", "Default:TooManyRequests", "Too many requests; wait and repeat.")
        .respond(instance_from_address())
}

fn panicked() -> Response<Body> {
    Envelope::new(500, "INTERNAL", "Default:Internal", "An internal error.").respond(instance_from_address())
}

/// An instance id where no source of ids is at hand: a name for this answer, unlike any other's for practical purposes.
fn instance_from_address() -> uuid::Uuid {
    Ids::new(std::sync::Arc::new(sederunt_core::id::SystemChance)).random_uuid()
}

/// One error, ready to be written.
struct Envelope {
    status: u16,
    code: &'static str,
    name: &'static str,
    description: String,
    parameters: Map<String, Value>,
}

impl Envelope {
    fn new(status: u16, code: &'static str, name: &'static str, description: impl Into<String>) -> Self {
        Self { status, code, name, description: description.into(), parameters: Map::new() }
    }

    fn invalid(name: &'static str, description: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", name, description)
    }

    fn client(name: &'static str, description: impl Into<String>) -> Self {
        Self::new(400, "CUSTOM_CLIENT", name, description)
    }

    fn not_found(name: &'static str, description: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", name, description)
    }

    fn denied(name: &'static str, description: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", name, description)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// The agent, as the path names it.
    fn agent(self, names: &Names) -> Self {
        match &names.agent {
            Some(rid) => self.with("agentRid", rid.text.as_str()),
            None => self,
        }
    }

    /// The agent and, where the path names one, the session.
    fn agent_and_session(self, names: &Names) -> Self {
        let this = self.agent(names);
        match &names.session {
            Some(rid) => this.with("sessionRid", rid.text.as_str()),
            None => this,
        }
    }

    fn respond(self, instance: uuid::Uuid) -> Response<Body> {
        let body = json!({
            "errorCode": self.code,
            "errorName": self.name,
            "errorInstanceId": instance.to_string(),
            "errorDescription": self.description,
            "parameters": self.parameters,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl Failure {
    /// The answer. Logged here, once.
    pub fn respond(self, op: Op, names: &Names, ids: &Ids, json_on_429: bool) -> Response<Body> {
        let instance = ids.random_uuid();
        let answered = match self {
            Self::Refusal(refusal) => refused(op, names, refusal),
            Self::Core(Error::TooMany { retry_after }) => {
                let mut response = match json_on_429 {
                    true => too_many_with_body(),
                    false => status_only(StatusCode::TOO_MANY_REQUESTS),
                };
                let seconds = retry_after.as_secs().max(1);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                return response;
            }
            Self::Core(Error::Unavailable { reason, source }) => {
                tracing::warn!(reason, source = source.map(|s| s.to_string()), "unavailable");
                return status_only(StatusCode::SERVICE_UNAVAILABLE);
            }
            Self::Core(error) => {
                log(&error, instance);
                from_core(op, names, error)
            }
        };
        let preview = answered.name == "ApiFeaturePreviewUsageOnly";
        let mut response = answered.respond(instance);
        if preview {
            hint(&mut response, "add preview=true to the query, or preview=True to the client");
        }
        response
    }
}

fn log(error: &Error, instance: uuid::Uuid) {
    match error {
        Error::Internal(source) => tracing::error!(%instance, %source, "internal error"),
        Error::Model(ModelFault { kind, detail, .. }) => tracing::info!(%instance, %kind, detail, "model fault"),
        other => tracing::debug!(%instance, error = %other, "refused"),
    }
}

fn refused(op: Op, names: &Names, refusal: Refusal) -> Envelope {
    match refusal {
        Refusal::PreviewOnly => Envelope::invalid(
            "ApiFeaturePreviewUsageOnly",
            "This endpoint is in preview: add preview=true to the query.",
        ),
        Refusal::MissingScope if op == Op::AllSessions => all_sessions_denied(),
        Refusal::MissingScope => usage_denied(op),
        Refusal::Argument(why) => Envelope::invalid(INVALID, why),
        Refusal::Unprocessable(why) => {
            Envelope { status: 422, ..Envelope::invalid("Conjure:UnprocessableEntity", why) }
        }
        Refusal::UnsupportedMediaType => {
            let why = "The body must be application/json.";
            Envelope { status: 415, ..Envelope::invalid("Conjure:UnsupportedMediaType", why) }
        }
        Refusal::MissingBody => Envelope::invalid("MissingPostBody", "A body is required."),
        Refusal::TooLarge => {
            Envelope::new(413, "REQUEST_ENTITY_TOO_LARGE", "Default:RequestEntityTooLarge", "The body is too large.")
        }
        Refusal::Timeout => Envelope::new(500, "TIMEOUT", "Default:Timeout", "The body did not arrive in time."),
        Refusal::PageSize(size) => {
            Envelope::invalid("InvalidPageSize", "A page holds at least one item.").with("pageSize", size)
        }
        Refusal::PageToken(token) => {
            Envelope::invalid("InvalidPageToken", "This is no page token of this list.").with("pageToken", token)
        }
        Refusal::AgentVersion(version) => {
            Envelope::invalid("InvalidAgentVersion", "A version is written major.minor, such as 1.0.")
                .agent(names)
                .with("version", version)
        }
    }
}

fn usage_denied(op: Op) -> Envelope {
    Envelope::denied("ApiUsageDenied", format!("The token lacks the scope {}.", op.scope()))
        .with("missingScope", op.scope())
}

fn all_sessions_denied() -> Envelope {
    Envelope::denied("GetAllSessionsAgentsPermissionDenied", "The token lacks the scope api:aip-agents-write.")
}

/// The table. A new kind of error breaks it on purpose.
fn from_core(op: Op, names: &Names, error: Error) -> Envelope {
    let said = error.to_string();
    match error {
        Error::NotFound { kind, id } => missing(names, kind, id, said),
        Error::Invalid { param, reason } => invalid(op, names, param, reason, said),
        Error::Conflict { kind, id } => conflict(op, names, kind, id, said),
        Error::Unauthenticated(why) => unauthenticated(why),
        Error::Forbidden { action, .. } => forbidden(op, names, action),
        Error::Model(fault) => model(names, fault),
        // Answered before without a body.
        Error::TooMany { .. } | Error::Unavailable { .. } => {
            Envelope::new(503, "CUSTOM_SERVER", "Default:Unavailable", said)
        }
        Error::Internal(_) => Envelope::new(500, "INTERNAL", "Default:Internal", "An internal error."),
    }
}

fn missing(names: &Names, kind: Kind, id: String, said: String) -> Envelope {
    match kind {
        Kind::Agent => Envelope::not_found("AgentNotFound", said).agent(names),
        Kind::Version => Envelope::not_found("AgentVersionNotFound", said).agent(names).with("agentVersionString", id),
        Kind::PublishedVersion => {
            Envelope::invalid("NoPublishedAgentVersion", "The agent has no published version.").agent(names)
        }
        Kind::Session => Envelope::not_found("SessionNotFound", said).agent_and_session(names),
        Kind::Turn => {
            Envelope::not_found("SessionTraceNotFound", said).with("sessionTraceId", id).agent_and_session(names)
        }
        Kind::Tenant
        | Kind::Item
        | Kind::Conversation
        | Kind::Credential
        | Kind::Client
        | Kind::Blob
        | Kind::Instruction => Envelope::not_found("Default:NotFound", said),
    }
}

fn invalid(op: Op, names: &Names, param: String, reason: Reason, said: String) -> Envelope {
    let of_turn = matches!(op, Op::BlockingContinue | Op::StreamingContinue | Op::RagContext);
    match reason {
        Reason::Unknown if of_turn => {
            Envelope::invalid("InvalidParameter", format!("The agent has no parameter '{param}'."))
                .agent_and_session(names)
                .with("parameter", param)
        }
        Reason::WrongType { expected, received } if of_turn => Envelope::invalid("InvalidParameterType", said)
            .agent_and_session(names)
            .with("parameter", param)
            .with("expectedType", crate::exchange::type_name(&expected))
            .with("receivedType", crate::exchange::type_name(&received)),
        Reason::TooLarge(_) => Envelope::new(413, "REQUEST_ENTITY_TOO_LARGE", "Default:RequestEntityTooLarge", said),
        Reason::Unknown | Reason::WrongType { .. } | Reason::Malformed(_) | Reason::Missing | Reason::NotAllowed(_) => {
            Envelope::invalid(INVALID, said)
        }
    }
}

fn conflict(op: Op, names: &Names, kind: Conflict, id: String, said: String) -> Envelope {
    let plain = |said: &str| Envelope::new(409, "CONFLICT", CONFLICT, said);
    match kind {
        Conflict::AlreadyExists if matches!(op, Op::BlockingContinue | Op::StreamingContinue) => {
            Envelope::invalid("SessionTraceIdAlreadyExists", "This trace id was used in this session before.")
                .agent_and_session(names)
                .with("sessionTraceId", id)
        }
        Conflict::NotInProgress => {
            Envelope::invalid("CancelSessionFailedMessageNotInProgress", "No such message is in progress.")
                .with("messageId", id)
                .agent_and_session(names)
        }
        Conflict::Busy => plain("Another exchange of this session is in progress."),
        Conflict::Disabled => plain("The agent or the session is disabled."),
        Conflict::AlreadyExists | Conflict::InUse | Conflict::Stale | Conflict::KeyReused | Conflict::Interrupted => {
            plain(&said)
        }
    }
}

fn unauthenticated(why: Unauthenticated) -> Envelope {
    let envelope = |name, said| Envelope::new(401, "UNAUTHORIZED", name, said);
    match why {
        Unauthenticated::Missing => {
            envelope("Conjure:MissingCredentials", "Send a token: Authorization: Bearer <token>.")
        }
        Unauthenticated::Malformed => {
            envelope("Conjure:MalformedCredentials", "The Authorization header cannot be read as one bearer token.")
        }
        Unauthenticated::Unknown => envelope("Default:Unauthorized", "This token is unknown or was revoked."),
        Unauthenticated::Expired => {
            envelope("Default:Unauthorized", "This token has expired: get a new one.").with("error", "EXPIRED")
        }
    }
}

fn forbidden(op: Op, names: &Names, action: Action) -> Envelope {
    let denied = |name| Envelope::denied(name, format!("You may not {action} here.")).agent_and_session(names);
    match op {
        Op::AllSessions => Envelope::denied("ListSessionsForAgentsPermissionDenied", "You may not list sessions."),
        Op::SessionCreate => denied("CreateSessionPermissionDenied"),
        Op::SessionDelete => denied("DeleteSessionPermissionDenied"),
        Op::BlockingContinue => denied("BlockingContinueSessionPermissionDenied"),
        Op::StreamingContinue => denied("StreamingContinueSessionPermissionDenied"),
        Op::Cancel => denied("CancelSessionPermissionDenied"),
        Op::RagContext => denied("GetRagContextForSessionPermissionDenied"),
        Op::UpdateTitle => denied("UpdateSessionTitlePermissionDenied"),
        Op::AgentGet
        | Op::VersionList
        | Op::VersionGet
        | Op::SessionList
        | Op::SessionGet
        | Op::ContentGet
        | Op::TraceGet => usage_denied(op),
    }
}

fn model(names: &Names, fault: ModelFault) -> Envelope {
    let message = fault.message;
    let invalid = |name| Envelope::invalid(name, message.as_str()).with("details", message.as_str());
    let client = |name| Envelope::client(name, message.as_str()).with("details", message.as_str());
    let envelope = match fault.kind {
        FaultKind::ContextTooLarge => invalid("ContextSizeExceededLimit"),
        FaultKind::Iterations => invalid("AgentIterationsExceededLimit"),
        FaultKind::RateLimited => client("RateLimitExceeded"),
        FaultKind::RetriesUsedUp => client("RetryAttemptsExceeded"),
        FaultKind::DeadlinePassed => client("RetryDeadlineExceeded"),
        FaultKind::UnknownModel => Envelope::invalid("UnsupportedLanguageModelRid", message.as_str())
            .with("languageModelRid", model_rid(&fault.detail))
            .with("modelPurpose", "PRIMARY_AGENT"),
        FaultKind::Refused
        | FaultKind::Unavailable
        | FaultKind::BrokenStream
        | FaultKind::WrongForm
        | FaultKind::TooLittle
        | FaultKind::Failed => Envelope::new(500, "INTERNAL", "SessionExecutionFailed", message.as_str())
            .with("message", message.as_str())
            .with("details", fault.kind.to_string()),
    };
    envelope.agent_and_session(names)
}

/// A model's name in the form of the vendor's identifiers, which its SDK checks.
fn model_rid(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.chars().map(legal).collect();
    format!("ri.language-model-service..language-model.{}", if name.is_empty() { "unnamed" } else { &name })
}
