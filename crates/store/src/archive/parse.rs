//! An archive taken apart into what a restore does in one go, on a thread of its own: reading and hashing go on while the
//! database writes.

use std::io::BufRead;

use bytes::Bytes;
use sederunt_core::blob::{BlobPath, Home};
use sederunt_core::clock::Time;
use tokio::sync::mpsc::Sender;

use super::ArchiveError;
use super::read::{Entry, Reader};
use super::tables::Table;
use crate::driver::{Row, Value};

/// A batch ends with so many rows, or so many bytes.
const ROWS: usize = 2000;
const BYTES: usize = 1 << 20;

/// After so many files and folders, or so many bytes of them, it is noted how far the restore has come.
const FILES: u64 = 64;
const FILE_BYTES: u64 = 16 << 20;

/// How far into an archive one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// Lines.
    pub line: u64,
    /// What those lines hash to.
    pub hash: String,
    /// Rows, files and folders in them.
    pub rows: u64,
}

impl Reached {
    fn by(reader: &Reader<impl BufRead>) -> Self {
        Self { line: reader.line(), hash: reader.hash(), rows: reader.rows() }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Work {
    /// Add these rows; the archive is then done up to there.
    Rows {
        table: &'static Table,
        columns: Vec<&'static str>,
        rows: Vec<Row>,
        reached: Reached,
    },
    /// Write a file of this size; pieces of it follow.
    File {
        home: Home,
        path: BlobPath,
        size: u64,
        modified: Time,
    },
    Piece(Bytes),
    Folder {
        home: Home,
        path: BlobPath,
        modified: Time,
    },
    /// Note that the archive is done up to there.
    Reached(Reached),
    /// It was read to its end, and is as it was written.
    Whole {
        rows: u64,
    },
}

/// Reads an archive, passes over what `from` says is done, and hands on the rest. Blocks. Ends early if nobody takes it.
pub(super) fn parse(archive: impl BufRead, from: &Reached, to: &Sender<Result<Work, ArchiveError>>) {
    let parsed = Parser::begin(archive, from, to).and_then(Parser::run);
    if let Err(Some(error)) = parsed {
        // Whoever is gone needs no reason.
        _ = to.blocking_send(Err(error));
    }
}

/// Why no more is parsed: an error, or nobody takes it.
type Halt = Option<ArchiveError>;

struct Parser<'a, R> {
    reader: Reader<R>,
    to: &'a Sender<Result<Work, ArchiveError>>,
    table: Option<&'static Table>,
    rows: Vec<Row>,
    bytes: usize,
    /// Of files since it was last noted how far one is.
    files: u64,
    file_bytes: u64,
    /// What is missing of the file that was begun.
    left: u64,
}

impl<'a, R: BufRead> Parser<'a, R> {
    fn begin(archive: R, from: &Reached, to: &'a Sender<Result<Work, ArchiveError>>) -> Result<Self, Halt> {
        let mut parser = Self {
            reader: Reader::new(archive)?,
            to,
            table: None,
            rows: Vec::new(),
            bytes: 0,
            files: 0,
            file_bytes: 0,
            left: 0,
        };
        while parser.reader.line() < from.line {
            match parser.reader.next()? {
                Some(Entry::Table(table)) => parser.table = Some(table),
                Some(_) => {}
                None => return Err(Some(ArchiveError::Another)),
            }
        }
        if from.line > 0 && Reached::by(&parser.reader) != *from {
            return Err(Some(ArchiveError::Another));
        }
        Ok(parser)
    }

    fn run(mut self) -> Result<(), Halt> {
        while let Some(entry) = self.reader.next()? {
            match entry {
                Entry::Table(table) => self.table = Some(table),
                Entry::Row(row) => self.row(row)?,
                Entry::End => self.end()?,
                Entry::File { home, path, size, modified } => {
                    self.send(Work::File { home, path, size, modified })?;
                    self.left = size;
                    self.file(size)?;
                }
                Entry::Piece(bytes) => {
                    let more = bytes.len() as u64;
                    self.send(Work::Piece(bytes))?;
                    self.left = self.left.saturating_sub(more);
                    self.file(0)?;
                }
                Entry::Folder { home, path, modified } => {
                    self.send(Work::Folder { home, path, modified })?;
                    self.file(0)?;
                }
            }
        }
        let rows = self.reader.rows();
        self.send(Work::Whole { rows })
    }

    fn row(&mut self, row: Row) -> Result<(), Halt> {
        self.bytes += row.iter().map(size).sum::<usize>();
        self.rows.push(row);
        if self.rows.len() < ROWS && self.bytes < BYTES { Ok(()) } else { self.flush() }
    }

    fn end(&mut self) -> Result<(), Halt> {
        self.flush()?;
        self.table = None;
        Ok(())
    }

    /// Hands on the rows that have come together.
    fn flush(&mut self) -> Result<(), Halt> {
        let Some(table) = self.table.filter(|_| !self.rows.is_empty()) else { return Ok(()) };
        self.bytes = 0;
        let (rows, columns) = (std::mem::take(&mut self.rows), table.columns(self.reader.schema()));
        self.send(Work::Rows { table, columns, rows, reached: Reached::by(&self.reader) })
    }

    /// Counts a file of so many bytes, a folder or a piece, and notes how far one is when no file is half done.
    fn file(&mut self, bytes: u64) -> Result<(), Halt> {
        self.files += 1;
        self.file_bytes += bytes;
        if self.left > 0 || (self.files < FILES && self.file_bytes < FILE_BYTES) {
            return Ok(());
        }
        (self.files, self.file_bytes) = (0, 0);
        self.send(Work::Reached(Reached::by(&self.reader)))
    }

    fn send(&self, work: Work) -> Result<(), Halt> {
        self.to.blocking_send(Ok(work)).map_err(|_| None)
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Int(_) => 8,
        Value::Text(text) => text.len() + 8,
        Value::Bytes(bytes) => bytes.len() + 8,
    }
}
