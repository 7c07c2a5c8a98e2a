//! What went wrong with the database, as what to do about it. Details of the server's errors quote values and stay out of
//! every text.

use sederunt_core::Error;
use tokio_postgres::error::SqlState;

/// A failure, and what may be done about it.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another transaction was in the way: the same again may work at once.
    Raced(String),
    /// The connection is of no use any more, or the server takes nothing now. What was asked may have happened.
    Lost(Lost),
    /// The server cannot do it, whoever asks.
    Unable { reason: &'static str, what: String },
    /// A mistake of ours.
    Wrong(String),
}

/// A connection that is of no use.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) reason: &'static str,
    pub(super) what: String,
}

impl Fault {
    /// What the caller is told once it is not tried again.
    pub(super) fn told(self) -> Error {
        let (reason, what) = match self {
            Self::Raced(what) => ("the database is busy", what),
            Self::Lost(lost) => (lost.reason, lost.what),
            Self::Unable { reason, what } => (reason, what),
            Self::Wrong(what) => return Error::internal(what),
        };
        Error::Unavailable { reason: reason.to_owned(), source: Some(what.into()) }
    }

    pub(super) fn lost(reason: &'static str, what: impl ToString) -> Self {
        Self::Lost(Lost { reason, what: what.to_string() })
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            return if is_of_the_connection(&error) {
                Self::lost("the connection to the database broke", text(&error))
            } else {
                Self::Wrong(text(&error))
            };
        };
        let what = text(&error);
        let code = said.code();
        match *code {
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::LOCK_NOT_AVAILABLE
            | SqlState::UNIQUE_VIOLATION => Self::Raced(what),
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::lost("the database takes no writes now", what),
            SqlState::TOO_MANY_CONNECTIONS => Self::lost("the database has too many connections", what),
            SqlState::DISK_FULL => Self::Unable { reason: "the database's disk is full", what },
            SqlState::OUT_OF_MEMORY => Self::Unable { reason: "the database is out of memory", what },
            SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => {
                Self::Unable { reason: "a pooler before the database mixes up named statements", what }
            }
            SqlState::QUERY_CANCELED => Self::Unable { reason: "the database took too long", what },
            _ => match code.code().get(..2) {
                // Connection exceptions, and an operator's or a crash's end of the session.
                Some("08" | "57") => Self::lost("the database is being restarted", what),
                Some("25") => Self::lost("the connection to the database broke", what),
                Some("3D") => Self::Unable { reason: "the database does not exist", what },
                Some("28") => Self::Unable { reason: "the database refuses to be logged in to", what },
                Some("53" | "58") => Self::Unable { reason: "the database has run out of something", what },
                _ => Self::Wrong(what),
            },
        }
    }
}

/// Whether the connection failed rather than what was sent over it.
fn is_of_the_connection(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    error.is_closed() || source.is_none_or(|source| source.is::<std::io::Error>())
}

/// An error with its cause, less what quotes values.
pub(super) fn text(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    match error.as_db_error() {
        Some(said) => {
            let place = said.constraint().map_or(String::new(), |name| format!(" ({name})"));
            format!("{}: {}{place}", said.code().code(), said.message())
        }
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}
