//! What the stores of files answer where something else is at a path than was looked for.

use sederunt_core::Error;
use sederunt_core::blob::BlobPath;
use sederunt_core::error::{Kind, Reason};

/// Nothing is there.
pub(crate) fn absent(path: &BlobPath) -> Error {
    Error::not_found(Kind::Blob, path)
}

/// A folder is where a file was meant.
pub(crate) fn is_folder(path: &BlobPath) -> Error {
    not_allowed(format!("'{path}' is a directory"))
}

/// A file is where a folder was meant.
pub(crate) fn is_file(path: &BlobPath) -> Error {
    not_allowed(format!("'{path}' is a file, not a directory"))
}

/// A file is on the way.
pub(crate) fn leads_through_file(path: &BlobPath) -> Error {
    not_allowed(format!("'{path}' leads through what is not a directory"))
}

fn not_allowed(why: String) -> Error {
    Error::invalid("path", Reason::NotAllowed(why))
}
