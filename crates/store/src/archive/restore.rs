//! The restore: batches of rows, each in a transaction that also notes how far the archive is in; then the files; then what
//! archives do not hold is made from what they do.

use std::io::BufRead;

use futures_util::{StreamExt as _, stream};
use sederunt_core::blob::{BlobPath, Blobs, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::{Error, Result};
use tokio::sync::mpsc::{self, Receiver};
use uuid::Uuid;

use super::parse::{Reached, Work, parse};
use super::{ArchiveError, Progress, Told, form, tables};
use crate::SqlStore;
use crate::driver::{Bulk, Guard, Outcome, Reach, Row, Step, Value, params};
use crate::rows::Columns;

const PROGRESS: &str = "select line, hash, rows_done, base from restores where name = 'restore'";
const BEGIN: &str = "insert into restores (name, line, hash, rows_done, base) values ('restore', 0, '', 0, $1) \
     on conflict do nothing";
const ADVANCE: &str = "update restores set line = $1, hash = $2, rows_done = $3 where name = 'restore' and line = $4";
const END: &str = "delete from restores where name = 'restore' and line = $1";

/// A session counts until it is hidden, or has lapsed.
const COUNT: &str = "insert into counts (tenant, agent, shard, sessions) \
     select s.tenant, s.agent, s.shard, count(*) from sessions s where s.deleted is null and s.lapsed = 0 \
     and exists (select 1 from agents a where a.tenant = s.tenant and a.id = s.agent) \
     group by s.tenant, s.agent, s.shard";
const COUNT_NONE: &str = "insert into counts (tenant, agent, shard, sessions) \
     select a.tenant, a.id, $1, 0 from agents a where true on conflict do nothing";
/// Owners' lists begin at a number that is above those of the database that the archive is of: whoever walks since then
/// walks on in the list as it is.
const HEADS: &str = "insert into heads (tenant, owner, shard, seq, trimmed) \
     select distinct s.tenant, s.owner, s.shard, $1, $1 from sessions s";

/// Batches that are parsed ahead.
const AHEAD: usize = 4;

/// What files may take: they had room before.
const ROOM: Room = Room { file: i64::MAX as u64, home: i64::MAX as u64, entries: i64::MAX as u64 };

/// A restore that has begun.
struct Begun {
    reached: Reached,
    base: i64,
}

impl SqlStore {
    /// Fills this empty store, and `blobs`, from an archive; how many rows, files and folders it has. What a restore of the
    /// same archive left behind that did not come to its end is gone on from. Until one has come to its end, the store
    /// [is not whole](Self::is_being_restored). An archive of an older schema is taken: what it does not have is as if its
    /// database had been migrated. `now` is the time of day.
    pub async fn restore(
        &self,
        blobs: &dyn Blobs,
        archive: impl BufRead + Send + 'static,
        now: Time,
        told: Told<'_>,
    ) -> std::result::Result<u64, ArchiveError> {
        let begun = match self.begun().await? {
            Some(begun) => begun,
            None => self.begin(now).await?,
        };
        let (sender, work) = mpsc::channel(AHEAD);
        let from = begun.reached.clone();
        // Ends when the archive does, or when nobody takes its work any more.
        let parsing = tokio::task::spawn_blocking(move || parse(archive, &from, &sender));
        let restored = Restore { store: self, blobs, work, begun, told, section: "" }.run().await;
        parsing.await.map_err(Error::internal)?;
        restored
    }

    /// Whether a restore has begun here that did not come to its end. Such a store must not be served.
    pub async fn is_being_restored(&self) -> Result<bool> {
        Ok(self.begun().await?.is_some())
    }

    async fn begun(&self) -> Result<Option<Begun>> {
        let Some(row) = self.one(PROGRESS, Vec::new()).await? else { return Ok(None) };
        let mut c = Columns::of("restores", row);
        let line = u64::try_from(c.int()?).map_err(Error::internal)?;
        let (hash, rows) = (c.text()?, u64::try_from(c.int()?).map_err(Error::internal)?);
        Ok(Some(Begun { reached: Reached { line, hash, rows }, base: c.int()? }))
    }

    async fn begin(&self, now: Time) -> std::result::Result<Begun, ArchiveError> {
        for table in tables::ALL {
            let found = self.driver.read(vec![table.any()], Reach::Point).await?;
            if found.first().is_some_and(|rows| !rows.is_empty()) {
                return Err(ArchiveError::NotEmpty { table: table.name });
            }
        }
        // Above the numbers of an earlier restore, unless an owner has made more than one change a second since then.
        let base = now.nanos() / 1_000_000_000;
        self.driver.transact(vec![Step::any(BEGIN, params![base])]).await?;
        self.begun().await?.ok_or(ArchiveError::Overtaken)
    }
}

struct Restore<'a> {
    store: &'a SqlStore,
    blobs: &'a dyn Blobs,
    work: Receiver<std::result::Result<Work, ArchiveError>>,
    begun: Begun,
    told: Told<'a>,
    section: &'static str,
}

impl Restore<'_> {
    async fn run(mut self) -> std::result::Result<u64, ArchiveError> {
        self.tell();
        loop {
            match self.next().await? {
                Work::Rows { table, columns, rows, reached } => {
                    self.section = table.name;
                    let bulk = self.completed(table.name, columns, rows)?;
                    self.advance(reached, Some(bulk)).await?;
                }
                Work::File { home, path, size, modified } => {
                    self.section = form::FILES;
                    self.write(&home, &path, size, modified).await?;
                }
                Work::Folder { home, path, modified } => {
                    self.section = form::FILES;
                    self.blobs.make_folder(&home, &path, ROOM, modified).await?;
                    self.blobs.stamp(&home, &path, modified).await?;
                }
                Work::Reached(reached) => self.advance(reached, None).await?,
                Work::Whole { rows } => return self.end().await.map(|()| rows),
                Work::Piece(_) => return Err(Error::internal("a piece of no file").into()),
            }
        }
    }

    async fn next(&mut self) -> std::result::Result<Work, ArchiveError> {
        self.work.recv().await.unwrap_or_else(|| Err(Error::internal("the archive's reader ended").into()))
    }

    fn tell(&self) {
        (self.told)(Progress { section: self.section, rows: self.begun.reached.rows, of: None });
    }

    /// Rows with the columns that archives leave out, where those are not their database's to fill.
    fn completed(&self, table: &'static str, mut columns: Vec<&'static str>, mut rows: Vec<Row>) -> Result<Bulk> {
        match table {
            "sessions" => {
                let id = columns.iter().position(|&column| column == "id").unwrap_or_default();
                columns.extend(["seq", "shard"]);
                for row in &mut rows {
                    let shard = self.shard(row.get(id))?;
                    row.extend(params![self.begun.base, shard]);
                }
            }
            // Nobody's node: whoever serves takes these over, as after a crash.
            "leases" => {
                columns.extend(["node", "beat"]);
                rows.iter_mut().for_each(|row| row.extend(params![Uuid::nil().to_string(), 0_i64]));
            }
            _ => {}
        }
        Ok(Bulk { table, columns, rows })
    }

    fn shard(&self, session: Option<&Value>) -> Result<u32> {
        match session {
            Some(Value::Text(id)) => {
                let id = id.parse().map_err(Error::internal)?;
                Ok(crate::shards::shard_of(id, self.store.driver.shards()))
            }
            _ => Err(Error::internal("a session without an id")),
        }
    }

    /// Adds the rows and notes how far the archive is in, in one transaction.
    async fn advance(&mut self, reached: Reached, bulk: Option<Bulk>) -> std::result::Result<(), ArchiveError> {
        let line = |reached: &Reached| i64::try_from(reached.line).map_err(Error::internal);
        let rows = i64::try_from(reached.rows).map_err(Error::internal)?;
        let params = params![line(&reached)?, reached.hash.as_str(), rows, line(&self.begun.reached)?];
        let note = vec![Step::guarded(Guard::Row, ADVANCE, params)];
        let outcome = match bulk {
            Some(bulk) => self.store.driver.load(note, bulk).await?,
            None => self.store.driver.transact(note).await?,
        };
        if let Outcome::Missed(_) = outcome {
            // Noted already: this is a transaction that comes again, since its end was not heard of.
            let stands = self.store.begun().await?.is_some_and(|begun| begun.reached == reached);
            if !stands {
                return Err(ArchiveError::Overtaken);
            }
        }
        self.begun.reached = reached;
        self.tell();
        Ok(())
    }

    /// Writes a file from the pieces that follow.
    async fn write(
        &mut self,
        home: &Home,
        path: &BlobPath,
        size: u64,
        modified: Time,
    ) -> std::result::Result<(), ArchiveError> {
        let (sender, pieces) = mpsc::channel(2);
        let content = stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) }).boxed();
        let put = self.blobs.put(home, path, content, ROOM, modified);
        let feed = async {
            let mut left = size;
            while left > 0 {
                match self.work.recv().await {
                    Some(Ok(Work::Piece(bytes))) => {
                        left = left.saturating_sub(bytes.len() as u64);
                        // Whoever takes no more says why.
                        _ = sender.send(Ok(bytes)).await;
                    }
                    Some(Err(error)) => {
                        _ = sender.send(Err(Error::internal("the file is not whole"))).await;
                        return Err(error);
                    }
                    _ => {
                        _ = sender.send(Err(Error::internal("the file is not whole"))).await;
                        return Err(Error::internal("the archive's reader ended").into());
                    }
                }
            }
            drop(sender);
            Ok(())
        };
        let (put, fed) = tokio::join!(put, feed);
        fed?;
        put?;
        Ok(())
    }

    /// Makes what archives leave out, and ends the restore.
    async fn end(&self) -> std::result::Result<(), ArchiveError> {
        let line = i64::try_from(self.begun.reached.line).map_err(Error::internal)?;
        let mut steps = vec![Step::guarded(Guard::Row, END, params![line]), Step::any(COUNT, Vec::new())];
        steps.extend((0..self.store.driver.shards()).map(|shard| Step::any(COUNT_NONE, params![shard])));
        steps.push(Step::any(HEADS, params![self.begun.base]));
        match self.store.driver.transact(steps).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missed(_) if self.store.is_being_restored().await? => Err(ArchiveError::Overtaken),
            Outcome::Missed(_) => Ok(()),
        }
    }
}
