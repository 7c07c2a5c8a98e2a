//! Archives: all that is stored, in one open form that is the same for every database, byte for byte. docs/backup.md
//! describes the form. A backup reads one snapshot; a restore fills an empty database in batches, and notes in the same
//! transactions how far it has come, so that one that was cut short goes on where it stood.

mod back_up;
mod files;
mod form;
mod parse;
mod read;
mod restore;
mod tables;
mod transfer;
mod write;

use std::io::BufRead;

use sederunt_core::Error;

/// How far a backup or a restore has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The table, or `files`.
    pub section: &'static str,
    /// Rows, files and folders so far, what was there before it was resumed among them.
    pub rows: u64,
    /// How many rows there are in all, where that is known; files are not counted.
    pub of: Option<u64>,
}

/// Is told how far it has come, from time to time.
pub type Told<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Why there is no archive, or nothing of it was restored, or not all yet.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ArchiveError {
    #[error("it is not an archive")]
    Foreign,
    #[error("it has form {found}, newer than this binary's {known}")]
    NewerForm { found: u32, known: u32 },
    #[error("it has schema {found}, newer than this binary's {known}")]
    NewerSchema { found: i64, known: i64 },
    #[error("it ends at line {line}, before its end")]
    Truncated { line: u64 },
    #[error("its lines {from} to {to} are not as they were written")]
    Altered { from: u64, to: u64 },
    #[error("its line {line} cannot be read: {what}")]
    Malformed { line: u64, what: String },
    #[error("it cannot be read: {0}")]
    Read(#[source] std::io::Error),
    #[error("the store has rows in {table}")]
    NotEmpty { table: &'static str },
    #[error("the restore that was begun there is of another archive")]
    Another,
    #[error("it is being restored itself, and is not whole")]
    Unfinished,
    #[error("it has schema {found}; this binary reads {oldest} to {known}")]
    Schema { found: i64, oldest: i64, known: i64 },
    #[error("another restore fills the store")]
    Overtaken,
    #[error("what is written is not taken any more")]
    Stopped,
    #[error(transparent)]
    Store(#[from] Error),
}

/// Reads an archive to its end and holds it against its hashes; how many rows, files and folders it has. Blocks.
pub fn verify(archive: impl BufRead, told: Told<'_>) -> Result<u64, ArchiveError> {
    let mut reader = read::Reader::new(archive)?;
    let mut section = "";
    while let Some(entry) = reader.next()? {
        match entry {
            read::Entry::Table(table) => section = table.name,
            read::Entry::File { .. } | read::Entry::Folder { .. } => section = form::FILES,
            read::Entry::End => told(Progress { section, rows: reader.rows(), of: None }),
            read::Entry::Row(_) | read::Entry::Piece(_) => {}
        }
    }
    Ok(reader.rows())
}
