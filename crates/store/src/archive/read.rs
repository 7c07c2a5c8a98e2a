//! Reads an archive line by line, and holds each against what must stand there and against the hashes.

use std::io::{BufRead, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sederunt_core::blob::{BlobPath, Home};
use sederunt_core::clock::Time;

use super::ArchiveError;
use super::form::{FILES, Head, Kind, LINE_MAX, Mark, NAME, RowIn, VERSION, WHOLE};
use super::tables::{self, OLDEST, Table};
use crate::driver::Row;
use crate::migrations;

type Result<T> = std::result::Result<T, ArchiveError>;

/// What a line, or a few, say.
#[derive(Debug)]
pub(super) enum Entry {
    /// Rows of this table follow.
    Table(&'static Table),
    Row(Row),
    /// The rows of a table, or the files, are over.
    End,
    /// A file begins; pieces of it follow, as many bytes as it has.
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
}

/// Where in an archive one is.
#[derive(Debug)]
enum Place {
    /// After a section; with the index of the table that may come next.
    Between(usize),
    /// In a table, with the number of its columns.
    Table(usize, &'static Table, usize),
    /// In the files, with what is left of the one that was begun.
    Files(u64),
    /// Behind the last line.
    Over,
}

/// An archive that is read.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    schema: i64,
    hash: blake3::Hasher,
    line: u64,
    /// The line up to which all is known to be as it was written.
    checked: u64,
    place: Place,
    in_section: u64,
    rows: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    pub fn new(input: R) -> Result<Self> {
        let mut reader = Self {
            input,
            schema: 0,
            hash: blake3::Hasher::new(),
            line: 0,
            checked: 0,
            place: Place::Between(0),
            in_section: 0,
            rows: 0,
            text: Vec::new(),
        };
        if !reader.read_line().map_err(|error| match error {
            ArchiveError::Truncated { .. } => ArchiveError::Foreign,
            error => error,
        })? {
            return Err(ArchiveError::Foreign);
        }
        let head: Head = serde_json::from_slice(&reader.text).map_err(|_| ArchiveError::Foreign)?;
        if head.sederunt != NAME {
            return Err(ArchiveError::Foreign);
        }
        if head.version > VERSION {
            return Err(ArchiveError::NewerForm { found: head.version, known: VERSION });
        }
        if head.schema > migrations::newest() {
            return Err(ArchiveError::NewerSchema { found: head.schema, known: migrations::newest() });
        }
        if head.version == 0 || head.schema < OLDEST {
            return Err(reader.malformed("there was never such a version"));
        }
        reader.schema = head.schema;
        reader.absorb();
        Ok(reader)
    }

    /// The schema of what is in it.
    pub fn schema(&self) -> i64 {
        self.schema
    }

    /// How many lines were read.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many rows, files and folders were read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What the lines that were read hash to.
    pub fn hash(&self) -> String {
        self.hash.finalize().to_hex().to_string()
    }

    /// What comes next; `None` once the archive is over, and nothing is behind it.
    pub fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Place::Over = self.place {
                return match self.read_line() {
                    Ok(false) => Ok(None),
                    Ok(true) | Err(ArchiveError::Truncated { .. }) => {
                        Err(self.malformed("the archive was over before"))
                    }
                    Err(error) => Err(error),
                };
            }
            if !self.read_line()? {
                return Err(ArchiveError::Truncated { line: self.line });
            }
            let entry = self.entry()?;
            self.absorb();
            if let Some(entry) = entry {
                return Ok(Some(entry));
            }
        }
    }

    /// What the line says; `None` if it only says that all is well, or over.
    fn entry(&mut self) -> Result<Option<Entry>> {
        match (Kind::of(&self.text), &self.place) {
            (Some(Kind::Row), Place::Table(_, table, columns)) => {
                let row: RowIn = self.json()?;
                if row.0.len() != *columns {
                    return Err(self.malformed(format!("a row of {} has {columns} columns", table.name)));
                }
                self.count();
                Ok(Some(Entry::Row(row.0)))
            }
            (Some(Kind::Piece), Place::Files(left)) if *left > 0 => {
                let left = *left;
                let text: &str = self.json()?;
                let bytes = STANDARD.decode(text).map_err(|error| self.malformed(error))?;
                match left.checked_sub(bytes.len() as u64) {
                    Some(rest) if !bytes.is_empty() => self.place = Place::Files(rest),
                    _ => return Err(self.malformed("the piece does not fit its file")),
                }
                Ok(Some(Entry::Piece(bytes.into())))
            }
            (Some(Kind::Object), _) => {
                let mark = self.json()?;
                self.mark(mark)
            }
            _ => Err(self.malformed("this cannot stand here")),
        }
    }

    fn mark(&mut self, mark: Mark) -> Result<Option<Entry>> {
        match (mark, &self.place) {
            (Mark::Check { check }, _) => self.hold_against(&check).map(|()| None),
            (Mark::Table { table, columns }, Place::Between(next)) => {
                let at = tables::ALL.iter().position(|known| known.name == table);
                let Some((at, table)) = at.and_then(|at| Some((at, tables::ALL.get(at)?))) else {
                    return Err(self.malformed(format!("there is no table {table}")));
                };
                let skipped = tables::ALL.get(*next..at);
                if skipped.is_none_or(|some| some.iter().any(|table| !table.columns(self.schema).is_empty())) {
                    return Err(self.malformed(format!("the table {} stands elsewhere", table.name)));
                }
                if columns != table.columns(self.schema) {
                    return Err(self.malformed(format!("the table {} has other columns", table.name)));
                }
                self.place = Place::Table(at, table, columns.len());
                Ok(Some(Entry::Table(table)))
            }
            (Mark::Section { section }, Place::Between(next)) if section == FILES => {
                let missing = tables::ALL.get(*next..).unwrap_or_default();
                if missing.iter().any(|table| !table.columns(self.schema).is_empty()) {
                    return Err(self.malformed("tables are missing before this"));
                }
                self.place = Place::Files(0);
                Ok(None)
            }
            (Mark::File { file, size, modified }, Place::Files(0)) => {
                let (home, path) = self.named(file)?;
                self.place = Place::Files(size);
                self.count();
                Ok(Some(Entry::File { home, path, size, modified: Time::from_nanos(modified) }))
            }
            (Mark::Folder { folder, modified }, Place::Files(0)) => {
                let (home, path) = self.named(folder)?;
                self.count();
                Ok(Some(Entry::Folder { home, path, modified: Time::from_nanos(modified) }))
            }
            (Mark::End { end, rows, check }, place) => {
                let (name, counted, then) = match place {
                    Place::Table(at, table, _) => (table.name, self.in_section, Place::Between(at + 1)),
                    Place::Files(0) => (FILES, self.in_section, Place::Between(usize::MAX)),
                    Place::Between(usize::MAX) => (WHOLE, self.rows, Place::Over),
                    _ => return Err(self.malformed("this cannot end here")),
                };
                self.hold_against(&check)?;
                if end != name || rows != counted {
                    return Err(self.malformed(format!("{name} with {counted} rows ends here")));
                }
                self.in_section = 0;
                let over = matches!(then, Place::Over);
                self.place = then;
                Ok((!over).then_some(Entry::End))
            }
            _ => Err(self.malformed("this cannot stand here")),
        }
    }

    fn count(&mut self) {
        self.in_section += 1;
        self.rows += 1;
    }

    /// Refuses lines since the last hash that do not come to this one.
    fn hold_against(&mut self, check: &str) -> Result<()> {
        if self.hash() != check {
            return Err(ArchiveError::Altered { from: self.checked + 1, to: self.line });
        }
        self.checked = self.line;
        Ok(())
    }

    /// The home and path that a file's line names.
    fn named(&self, [tenant, session, path]: [String; 3]) -> Result<(Home, BlobPath)> {
        let session = session.parse().map_err(|_| self.malformed("the session has no such id"))?;
        let home = Home { tenant: tenant.as_str().into(), session };
        let artifacts = BlobPath::artifacts().to_string();
        let path = match path.strip_prefix(&artifacts) {
            Some("") => BlobPath::artifacts(),
            Some(rest) => {
                let id = rest.strip_prefix('/').and_then(|id| id.parse().ok());
                BlobPath::artifact(id.ok_or_else(|| self.malformed("there is no such path"))?)
            }
            None => path.parse().map_err(|error| self.malformed(error))?,
        };
        Ok((home, path))
    }

    fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.text).map_err(|error| self.malformed(error))
    }

    /// Reads a line, with its end; `false` if there is none.
    fn read_line(&mut self) -> Result<bool> {
        self.text.clear();
        let most = LINE_MAX as u64;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.text).map_err(ArchiveError::Read)?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        match self.text.last() {
            Some(b'\n') => Ok(true),
            _ if read as u64 == most => Err(self.malformed("the line is too long")),
            _ => Err(ArchiveError::Truncated { line: self.line }),
        }
    }

    fn absorb(&mut self) {
        self.hash.update(&self.text);
    }

    fn malformed(&self, what: impl std::fmt::Display) -> ArchiveError {
        ArchiveError::Malformed { line: self.line, what: what.to_string() }
    }
}
