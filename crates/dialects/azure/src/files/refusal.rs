//! Refusals that mean something of their own with files; all others are as everywhere.

use sederunt_core::blob::Room;
use sederunt_core::error::{Conflict, Error, Reason};

use super::upload;
use crate::failure::Failure;

/// What went wrong, as the service says it of files: 413 for one file that is too large, 400 for a session with too much
/// in it, 409 for a directory with something in it.
pub(super) fn refused(error: Error) -> Failure {
    match &error {
        Error::Invalid { param, reason: Reason::TooLarge(most) } => match param.as_str() {
            Room::FILE => too_large(*most),
            Room::HOME => Failure::new(400, "file_size_exceeded", full(&format!("{most} bytes"))),
            Room::ENTRIES => Failure::new(400, "file_count_exceeded", full(&format!("{most} entries"))),
            _ => error.into(),
        },
        Error::Invalid { param, .. } if param == upload::LATE => {
            Failure::new(408, "request_timeout", "The body did not arrive in time.")
        }
        Error::Conflict { kind: Conflict::InUse, id } => {
            Failure::conflict("directory_not_empty", format!("The directory '{id}' is not empty: say recursive=true."))
        }
        Error::Conflict { kind: Conflict::AlreadyExists, id } => {
            Failure::conflict("already_exists", format!("There is a file '{id}' already."))
        }
        _ => error.into(),
    }
}

/// 413 for one file of more than `most` bytes.
pub(super) fn too_large(most: u64) -> Failure {
    Failure::new(413, "file_size_exceeded", format!("The file is larger than {most} bytes."))
}

fn full(limit: &str) -> String {
    format!("The files of the session may have no more than {limit} together.")
}
