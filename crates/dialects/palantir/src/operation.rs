//! The fifteen operations as data, and what every one of them goes through: credentials, scope, preview gate, path and
//! query, in the order that the vendor's errors imply; then the operation; then the answer.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::response::Response;
use bytes::Bytes;
use sederunt_core::caller::{Action, Caller};
use sederunt_core::id::{AgentId, SessionId};
use sederunt_web::authenticate;

use crate::Dialect;
use crate::asked::{Asked, Query, json_bytes};
use crate::error::{Failure, Refusal};
use crate::rid::{self, Rid};

/// The scope of operations that read.
pub(crate) const SCOPE_READ: &str = "api:aip-agents-read";
/// The scope of operations that write; `allSessions` counts as one.
pub(crate) const SCOPE_WRITE: &str = "api:aip-agents-write";

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    AgentGet,
    AllSessions,
    VersionList,
    VersionGet,
    SessionCreate,
    SessionDelete,
    SessionList,
    SessionGet,
    BlockingContinue,
    StreamingContinue,
    Cancel,
    RagContext,
    UpdateTitle,
    ContentGet,
    TraceGet,
}

impl Operation {
    /// The OAuth2 scope that it needs.
    pub fn scope(self) -> &'static str {
        match self {
            Self::AgentGet
            | Self::VersionList
            | Self::VersionGet
            | Self::SessionList
            | Self::SessionGet
            | Self::ContentGet
            | Self::TraceGet => SCOPE_READ,
            Self::AllSessions
            | Self::SessionCreate
            | Self::SessionDelete
            | Self::BlockingContinue
            | Self::StreamingContinue
            | Self::Cancel
            | Self::RagContext
            | Self::UpdateTitle => SCOPE_WRITE,
        }
    }

    /// Whether a body is part of the request. What others send as one is not looked at.
    fn takes_body(self) -> bool {
        match self {
            Self::SessionCreate
            | Self::BlockingContinue
            | Self::StreamingContinue
            | Self::Cancel
            | Self::RagContext
            | Self::UpdateTitle => true,
            Self::AgentGet
            | Self::AllSessions
            | Self::VersionList
            | Self::VersionGet
            | Self::SessionDelete
            | Self::SessionList
            | Self::SessionGet
            | Self::ContentGet
            | Self::TraceGet => false,
        }
    }

    /// The action that it needs where the core does not ask for one: reading.
    fn action(self) -> Option<Action> {
        match self {
            Self::AgentGet | Self::VersionList | Self::VersionGet => Some(Action::ReadAgents),
            Self::SessionGet | Self::ContentGet | Self::TraceGet => Some(Action::ReadSessions),
            Self::SessionList | Self::AllSessions => Some(Action::ListSessions),
            Self::SessionCreate
            | Self::SessionDelete
            | Self::BlockingContinue
            | Self::StreamingContinue
            | Self::Cancel
            | Self::RagContext
            | Self::UpdateTitle => None,
        }
    }
}

/// What an operation answers.
pub(crate) type Answer = Result<Response, Failure>;

type Boxed = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler that takes the request in, has `run` answer it, and turns a failure into the vendor's envelope.
pub(crate) fn operation<F, Fut>(op: Operation, run: F) -> impl Fn(State<Dialect>, Request) -> Boxed + Clone
where
    F: Fn(Asked) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    move |State(dialect), request| {
        let run = run.clone();
        Box::pin(async move {
            let (ids, settings) = (dialect.app.ports().ids.clone(), dialect.settings.clone());
            let mut names = Names::default();
            let answer = match admit(op, dialect, request, &mut names).await {
                Ok(asked) => run(asked).await,
                Err(failure) => Err(failure),
            };
            answer.unwrap_or_else(|failure| failure.respond(op, &names, &ids, settings.json_on_429))
        })
    }
}

/// What the path names, as errors repeat it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub agent: Option<Rid<AgentId>>,
    pub session: Option<Rid<SessionId>>,
}

async fn admit(op: Operation, dialect: Dialect, request: Request, names: &mut Names) -> Result<Asked, Failure> {
    let (mut parts, body) = request.into_parts();
    let caller = authenticate(&*dialect.app.ports().identity, &parts.headers).await?;
    check_scope(op, &caller)?;
    let query = Query::read(parts.uri.query().unwrap_or_default());
    match query.preview()? {
        true => {}
        false if dialect.settings.preview_gate => return Err(Refusal::PreviewOnly.into()),
        false => {}
    }
    let mut rest = None;
    let path = RawPathParams::from_request_parts(&mut parts, &()).await;
    for (name, value) in path.iter().flatten() {
        match name {
            "agentRid" => names.agent = Some(rid::read_agent(value).ok_or(Refusal::argument("agentRid"))?),
            "sessionRid" => names.session = Some(rid::read_session(value).ok_or(Refusal::argument("sessionRid"))?),
            _ => rest = Some(value.to_owned()),
        }
    }
    if path.is_err() {
        return Err(Refusal::argument("path").into());
    }
    let body = match op.takes_body() {
        true => json_bytes(&dialect.settings, &parts.headers, body).await?,
        false => Bytes::new(),
    };
    let (agent, session) = (names.agent.as_ref().map(|rid| rid.id), names.session.as_ref().map(|rid| rid.id));
    let keyed = parts.headers.contains_key("idempotency-key");
    let operation = if keyed { format!("palantir {op:?} {agent:?} {session:?}") } else { String::new() };
    Ok(Asked { dialect, caller, names: names.clone(), operation, rest, query, parts, body })
}

/// An application's token must have the operation's scope; any credential must allow the action somewhere.
fn check_scope(op: Operation, caller: &Caller) -> Result<(), Failure> {
    if let Some(scope) = &caller.scope
        && !scope.split(' ').any(|s| s == op.scope())
    {
        return Err(Refusal::MissingScope.into());
    }
    match op.action() {
        Some(action) => caller.may(action).map_err(Failure::from),
        None => Ok(()),
    }
}
