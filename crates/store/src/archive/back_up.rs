//! The backup: one snapshot of the database, table by table, then the files.

use bytes::Bytes;
use futures_util::StreamExt as _;
use sederunt_core::blob::Blobs;
use tokio::sync::mpsc::Sender;

use super::write::Writer;
use super::{ArchiveError, Progress, Told, files, form, tables};
use crate::SqlStore;
use crate::driver::{Read, Snapshot};
use crate::migrations;
use crate::rows::Columns;

const SCHEMA: &str = "select coalesce(max(number), 0) from migrations";

/// From this schema on a database says that a restore is not complete.
const SINCE: i64 = 7;
const UNFINISHED: &str = "select count(*) from restores";

/// Lines are handed on once they have so many bytes.
const CHUNK: usize = 64 << 10;

/// Where the lines go.
pub(super) struct Out<'a> {
    pub writer: Writer,
    to: &'a Sender<Bytes>,
}

impl Out<'_> {
    /// Hands on what is written, once it is enough.
    pub async fn pass(&mut self) -> Result<(), ArchiveError> {
        if self.writer.len() < CHUNK { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        self.to.send(self.writer.take()).await.map_err(|_| ArchiveError::Stopped)
    }
}

impl SqlStore {
    /// Writes an archive of the database as it is when this begins, and of `blobs`, if there are any, as each is when it is
    /// read; the number of rows, files and folders. The lines go to `to` in chunks; whoever takes them sets the pace. Unless
    /// this returns `Ok`, they are no archive.
    pub async fn back_up(
        &self,
        blobs: Option<&dyn Blobs>,
        to: &Sender<Bytes>,
        told: Told<'_>,
    ) -> Result<u64, ArchiveError> {
        let mut snapshot = self.driver.snapshot().await?;
        let found = number(snapshot.as_mut(), Read::new(SCHEMA, Vec::new())).await?;
        let (schema, oldest, known) = (found, tables::OLDEST, migrations::newest());
        if found < oldest || found > known {
            return Err(ArchiveError::Schema { found, oldest, known });
        }
        if found >= SINCE && number(snapshot.as_mut(), Read::new(UNFINISHED, Vec::new())).await? > 0 {
            return Err(ArchiveError::Unfinished);
        }
        let tables = || tables::ALL.iter().map(|table| (table, table.columns(schema))).filter(|(_, c)| !c.is_empty());
        let mut of = 0;
        for (table, _) in tables() {
            of += u64::try_from(number(snapshot.as_mut(), table.count()).await?).unwrap_or_default();
        }
        let mut out = Out { writer: Writer::new(schema)?, to };
        let mut progress = Progress { section: "", rows: 0, of: Some(of) };
        for (table, columns) in tables() {
            progress.section = table.name;
            out.writer.begin_table(table, &columns)?;
            let mut found = snapshot.rows(table.rows(schema));
            while let Some(rows) = found.next().await {
                for row in rows? {
                    out.writer.row(&row)?;
                    progress.rows += 1;
                    out.pass().await?;
                }
                told(progress);
            }
            out.writer.end()?;
        }
        progress.section = form::FILES;
        out.writer.begin_files()?;
        if let Some(blobs) = blobs {
            let told = |done| told(Progress { rows: progress.rows + done, ..progress });
            files::write(snapshot.as_mut(), blobs, &mut out, told).await?;
        }
        out.writer.end()?;
        let rows = out.writer.end_all()?;
        out.flush().await?;
        Ok(rows)
    }
}

/// The number that a statement finds.
async fn number(snapshot: &mut dyn Snapshot, read: Read) -> Result<i64, ArchiveError> {
    let mut found = snapshot.rows(read);
    let row = found.next().await.transpose()?.and_then(|mut rows| rows.pop()).unwrap_or_default();
    Ok(Columns::of("migrations", row).int()?)
}
