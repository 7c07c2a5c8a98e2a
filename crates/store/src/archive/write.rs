//! Writes the lines of an archive, hashing and counting as it goes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sederunt_core::blob::{BlobPath, Home};
use sederunt_core::clock::Time;
use sederunt_core::{Error, Result};
use serde::Serialize;

use super::form::{CHECK_EVERY, FILES, Head, Mark, NAME, RowOut, VERSION, WHOLE};
use super::tables::Table;
use crate::driver::Row;

/// Lines that are to be written, in order, taken out of it as they come.
#[derive(Debug, Default)]
pub(super) struct Writer {
    lines: Vec<u8>,
    hash: blake3::Hasher,
    /// Where in `lines` what is not hashed yet begins.
    hashed: usize,
    section: &'static str,
    rows: u64,
    all_rows: u64,
    unchecked: u64,
}

impl Writer {
    /// An archive of a database with this schema.
    pub fn new(schema: i64) -> Result<Self> {
        let mut writer = Self::default();
        writer.line(&Head { sederunt: NAME.into(), version: VERSION, schema })?;
        Ok(writer)
    }

    pub fn begin_table(&mut self, table: &'static Table, columns: &[&'static str]) -> Result<()> {
        self.section = table.name;
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        self.line(&Mark::Table { table: table.name.to_owned(), columns })
    }

    pub fn row(&mut self, row: &Row) -> Result<()> {
        self.line(&RowOut(row))?;
        self.counted()
    }

    pub fn begin_files(&mut self) -> Result<()> {
        self.section = FILES;
        self.line(&Mark::Section { section: FILES.into() })
    }

    pub fn begin_file(&mut self, home: &Home, path: &BlobPath, size: u64, modified: Time) -> Result<()> {
        self.line(&Mark::File { file: place(home, path), size, modified: modified.nanos() })?;
        self.counted()
    }

    /// A piece of the file that was begun last, of a length that divides by three, or its last.
    pub fn piece(&mut self, bytes: &Bytes) -> Result<()> {
        self.line(&STANDARD.encode(bytes))
    }

    pub fn folder(&mut self, home: &Home, path: &BlobPath, modified: Time) -> Result<()> {
        self.line(&Mark::Folder { folder: place(home, path), modified: modified.nanos() })?;
        self.counted()
    }

    pub fn end(&mut self) -> Result<()> {
        let mark = Mark::End { end: self.section.into(), rows: self.rows, check: self.check() };
        self.all_rows += std::mem::take(&mut self.rows);
        self.unchecked = 0;
        self.line(&mark)
    }

    /// The last line; how many rows, files and folders there are.
    pub fn end_all(&mut self) -> Result<u64> {
        let mark = Mark::End { end: WHOLE.into(), rows: self.all_rows, check: self.check() };
        self.line(&mark)?;
        Ok(self.all_rows)
    }

    /// How many bytes of lines were not taken yet.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes the lines out.
    pub fn take(&mut self) -> Bytes {
        self.absorb();
        self.hashed = 0;
        std::mem::take(&mut self.lines).into()
    }

    fn counted(&mut self) -> Result<()> {
        self.rows += 1;
        self.unchecked += 1;
        if self.unchecked < CHECK_EVERY {
            return Ok(());
        }
        self.unchecked = 0;
        let check = self.check();
        self.line(&Mark::Check { check })
    }

    fn check(&mut self) -> String {
        self.absorb();
        self.hash.finalize().to_hex().to_string()
    }

    fn absorb(&mut self) {
        self.hash.update(self.lines.get(self.hashed..).unwrap_or_default());
        self.hashed = self.lines.len();
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.lines, line).map_err(Error::internal)?;
        self.lines.push(b'\n');
        Ok(())
    }
}

/// Tenant, session and path of a file or folder.
fn place(home: &Home, path: &BlobPath) -> [String; 3] {
    [home.tenant.as_str().to_owned(), home.session.to_string(), path.to_string()]
}
