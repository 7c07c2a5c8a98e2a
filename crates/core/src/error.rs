//! What can go wrong, said as what the caller can do next. No status codes: each dialect has one table from here to its
//! vendor's envelope.
//!
//! `Display` prints what may leave the house; what only the log may see is in `source()`.

use std::time::Duration;

use thiserror::Error as ThisError;

/// The core's one error.
#[derive(Debug, ThisError)]
pub enum Error {
    /// No such thing, or none that this caller may know of. Check the id.
    #[error("{kind} '{id}' does not exist")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// The id as the caller gave it.
        id: String,
    },
    /// The request cannot be carried out as written. Change it.
    #[error("{param}: {reason}")]
    Invalid {
        /// The part of the request that is wrong.
        param: String,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The request is sound but the state of things is against it. Look again, or wait.
    #[error("{kind}: {id}")]
    Conflict {
        /// In which way.
        kind: Conflict,
        /// The thing in whose way it is.
        id: String,
    },
    /// Who asks is not known. Get a (new) credential.
    #[error("{0}")]
    Unauthenticated(Unauthenticated),
    /// Who asks is known and may not do this.
    #[error("not permitted: {action}")]
    Forbidden {
        /// The action that no grant covers.
        action: crate::caller::Action,
        /// True if a grant covers the action on other agents, but not on this one.
        elsewhere: bool,
    },
    /// Too much at once. Wait, then repeat.
    #[error("too many requests")]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The model could not answer.
    #[error("{0}")]
    Model(ModelFault),
    /// Not now: the store or the process cannot serve. Repeat later.
    #[error("{reason}")]
    Unavailable {
        /// What may be told.
        reason: String,
        /// What only the log may see.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A defect of ours or of the machine; the source is for the log alone.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The core's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a [`Error::NotFound`] was looking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[expect(missing_docs, reason = "each is the thing it names")]
pub enum Kind {
    #[error("tenant")]
    Tenant,
    #[error("agent")]
    Agent,
    #[error("version")]
    Version,
    /// The agent has versions, but none is published.
    #[error("published version of agent")]
    PublishedVersion,
    #[error("session")]
    Session,
    #[error("turn")]
    Turn,
    #[error("item")]
    Item,
    #[error("conversation")]
    Conversation,
    #[error("credential")]
    Credential,
    #[error("client")]
    Client,
    #[error("blob")]
    Blob,
    #[error("instruction")]
    Instruction,
}

/// What is wrong with a part of a request.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Reason {
    /// It names something that is not there (a parameter the agent does not declare, a model nobody configured).
    #[error("unknown")]
    Unknown,
    /// It is of another type than declared.
    #[error("expected {expected}, got {received}")]
    WrongType {
        /// The declared type.
        expected: String,
        /// The type that came.
        received: String,
    },
    /// It cannot be read; the text says how it should look.
    #[error("{0}")]
    Malformed(String),
    /// It is missing.
    #[error("required")]
    Missing,
    /// It is longer, larger or more than allowed.
    #[error("larger than the limit of {0}")]
    TooLarge(u64),
    /// It is not allowed here; the text says why.
    #[error("{0}")]
    NotAllowed(String),
}

/// In which way the state of things is against a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ThisError)]
pub enum Conflict {
    /// The name is taken.
    #[error("already exists")]
    AlreadyExists,
    /// Another turn runs in the lane.
    #[error("another turn is running")]
    Busy,
    /// Something still needs it.
    #[error("in use")]
    InUse,
    /// It is switched off.
    #[error("disabled")]
    Disabled,
    /// There is nothing running that could be cancelled.
    #[error("not in progress")]
    NotInProgress,
    /// It was changed by someone else meanwhile.
    #[error("changed meanwhile")]
    Stale,
    /// The idempotency key came before, with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The request with this key did not survive; it may have had effects, and is not run again.
    #[error("the request with this key was interrupted")]
    Interrupted,
}

/// Why a credential does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum Unauthenticated {
    /// None was sent.
    #[error("no credential was sent")]
    Missing,
    /// It cannot be read.
    #[error("the credential cannot be read")]
    Malformed,
    /// Nobody knows it, or it was revoked.
    #[error("the credential is unknown or revoked")]
    Unknown,
    /// Its time is over.
    #[error("the credential has expired")]
    Expired,
}

/// A fault of a model, of a kind that each dialect can name.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{kind}: {message}")]
pub struct ModelFault {
    /// The kind.
    pub kind: FaultKind,
    /// What may be told to the caller.
    pub message: String,
    /// What only the log may see (an upstream's own text).
    pub detail: String,
}

/// The kinds of model faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ThisError, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The line is longer than the model's context.
    #[error("the context is too large for the model")]
    ContextTooLarge,
    /// The tool loop went round as often as the version allows.
    #[error("the limit of iterations was reached")]
    Iterations,
    /// The upstream limits the rate.
    #[error("the model's rate limit was reached")]
    RateLimited,
    /// Our retries before the first token were used up.
    #[error("the retries were used up")]
    RetriesUsedUp,
    /// The time for the turn, or for its retries, was used up.
    #[error("the deadline has passed")]
    DeadlinePassed,
    /// The model refused to answer.
    #[error("the model refused")]
    Refused,
    /// The upstream could not be reached or said that it cannot serve.
    #[error("the model is unavailable")]
    Unavailable,
    /// The stream ended or went wrong in the middle.
    #[error("the model's stream broke")]
    BrokenStream,
    /// No such model is configured.
    #[error("the model is not configured")]
    UnknownModel,
    /// The answer is not of the form that was asked for, nor was it when the model was told so.
    #[error("the answer does not have the form that was asked for")]
    WrongForm,
    /// A line was to be compacted in which there is too little.
    #[error("there is too little to compact")]
    TooLittle,
    /// Anything else.
    #[error("the model failed")]
    Failed,
}

impl FaultKind {
    /// Whether another try would go no better while nothing else changes.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::ContextTooLarge | Self::Refused | Self::UnknownModel | Self::WrongForm | Self::TooLittle => true,
            Self::Iterations
            | Self::RateLimited
            | Self::RetriesUsedUp
            | Self::DeadlinePassed
            | Self::Unavailable
            | Self::BrokenStream
            | Self::Failed => false,
        }
    }

    /// A fault of this kind with its own name as message.
    pub fn with(self, detail: impl Into<String>) -> ModelFault {
        ModelFault { kind: self, message: self.to_string(), detail: detail.into() }
    }
}

impl Error {
    /// [`Error::NotFound`].
    pub fn not_found(kind: Kind, id: impl ToString) -> Self {
        Self::NotFound { kind, id: id.to_string() }
    }

    /// [`Error::Invalid`].
    pub fn invalid(param: impl Into<String>, reason: Reason) -> Self {
        Self::Invalid { param: param.into(), reason }
    }

    /// [`Error::Invalid`] with [`Reason::Malformed`].
    pub fn malformed(param: impl Into<String>, how: impl Into<String>) -> Self {
        Self::Invalid { param: param.into(), reason: Reason::Malformed(how.into()) }
    }

    /// [`Error::Conflict`].
    pub fn conflict(kind: Conflict, id: impl ToString) -> Self {
        Self::Conflict { kind, id: id.to_string() }
    }

    /// [`Error::Internal`] from anything that can be an error's source.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// [`Error::Unavailable`] without a source.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), source: None }
    }
}

impl From<ModelFault> for Error {
    fn from(fault: ModelFault) -> Self {
        Self::Model(fault)
    }
}

/// Swallows an error on purpose; the reason is part of the code and, at debug level, of the log.
pub trait Ignore {
    /// Drops the error, if there is one.
    fn ignore(self, why: &'static str);
}

impl<T, E: std::fmt::Display> Ignore for std::result::Result<T, E> {
    fn ignore(self, why: &'static str) {
        if let Err(error) = self {
            tracing::debug!(%error, why, "ignored");
        }
    }
}
