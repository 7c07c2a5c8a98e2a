//! What is on the way to a path in a home, and changes of it as one transaction.

use sederunt_core::Result;
use sederunt_core::blob::{BlobPath, Entry, Home, Room};
use sederunt_core::clock::Time;

use super::{Files, too_large};
use crate::driver::{Guard, Params, Reach, Read, Row, Step, params};
use crate::rows::Columns;
use crate::{SqlStore, refusals};

const HOME: &str = "select revision, bytes, entries, modified from homes where tenant = $1 and session = $2";
pub(crate) const FILE: &str = "select content, size, modified from files \
     where tenant = $1 and session = $2 and place = $3 and name = $4";
pub(crate) const BELOW: &str = "select count(*), cast(coalesce(sum(size), 0) as bigint) from files \
     where tenant = $1 and session = $2 and (folder = $3 or (folder >= $4 and folder < $5))";

const MAKE_HOME: &str = "insert into homes (tenant, session, revision, bytes, entries, modified) \
     values ($1, $2, 1, $3, $4, $5) on conflict do nothing";
const CHANGE_HOME: &str = "update homes set revision = revision + 1, bytes = $4, entries = $5, modified = $6 \
     where tenant = $1 and session = $2 and revision = $3";
const PUT_FILE: &str = "insert into files (tenant, session, place, name, folder, content, size, modified) \
     values ($1, $2, $3, $4, $5, $6, $7, $8) \
     on conflict (tenant, session, place, name) do update \
     set content = excluded.content, size = excluded.size, modified = excluded.modified";
const STAMP: &str = "update files set modified = $5 where tenant = $1 and session = $2 and place = $3 and name = $4";
const NEW_CONTENT: &str =
    "insert into contents (id, tenant, session, size, draft, at) values ($1, $2, $3, $4, 0, null)";
const PLACE: &str = "update contents set draft = 0, at = null where id = $1 and draft = 1";
const LET_GO: &str = "update contents set at = $2 where id = $1 and at is null";
pub(super) const LET_GO_BELOW: &str = "update contents set at = $4 where tenant = $1 and session = $2 and at is null \
     and id in (select content from files where tenant = $1 and session = $2 and (folder = $3 or (folder >= $5 and folder < $6)))";
const REMOVE: &str = "delete from files where tenant = $1 and session = $2 and place = $3 and name = $4";
pub(super) const REMOVE_BELOW: &str = "delete from files where tenant = $1 and session = $2 \
     and (folder = $3 or (folder >= $4 and folder < $5))";
pub(super) const ADD_CHUNK: &str =
    "insert into chunks (content, number, body) values ($1, $2, $3) on conflict do nothing";

/// A home as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub revision: i64,
    pub bytes: u64,
    pub entries: u64,
    pub modified: Time,
}

/// A file, or a folder, which has no content.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub content: String,
    pub size: u64,
    pub modified: Time,
}

impl File {
    pub fn is_folder(&self) -> bool {
        self.content.is_empty()
    }

    pub fn entry(&self, name: &str) -> Entry {
        Entry { name: name.to_owned(), size: self.size, is_folder: self.is_folder(), modified: self.modified }
    }
}

/// What is there on the way to a path, at one moment.
#[derive(Debug)]
pub(super) struct Seen {
    path: BlobPath,
    pub home: Option<Held>,
    on_the_way: Files,
}

/// What is below a folder.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Below {
    pub entries: u64,
    pub bytes: u64,
}

/// A folder's path as rows have it.
fn written(names: &[String]) -> String {
    names.join("/")
}

/// What stands for a folder's path in keys.
pub(super) fn place(folder: &[String]) -> String {
    blake3::hash(written(folder).as_bytes()).to_hex().to_string()
}

/// The key of what the names lead to: the place of what it is in, and its own name.
fn key(names: &[String]) -> Option<(String, String)> {
    names.split_last().map(|(name, folder)| (place(folder), name.clone()))
}

/// A file out of its content, size and time.
pub(super) fn file(columns: &mut Columns) -> Result<File> {
    Ok(File { content: columns.text()?, size: unsigned(columns.int()?), modified: columns.time()? })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The written paths of what is below a folder are between these two: `/` and `0` are neighbours.
fn between(path: &BlobPath) -> [String; 3] {
    let folder = written(path.names());
    [folder.clone(), format!("{folder}/"), format!("{folder}0")]
}

/// What is below a folder.
pub(super) async fn below(store: &SqlStore, home: &Home, path: &BlobPath) -> Result<Below> {
    let mut which = params![home.tenant.as_str(), home.session.to_string()];
    which.extend(between(path).map(Into::into));
    let Some(row) = store.one(BELOW, which).await? else { return Ok(Below::default()) };
    let mut columns = Columns::of("files", row);
    Ok(Below { entries: unsigned(columns.int()?), bytes: unsigned(columns.int()?) })
}

impl Seen {
    /// Reads the home, and each name on the way to the path.
    pub async fn read(store: &SqlStore, home: &Home, path: &BlobPath) -> Result<Self> {
        let which = || params![home.tenant.as_str(), home.session.to_string()];
        let keys: Vec<_> = (1..=path.names().len()).filter_map(|n| key(path.names().get(..n)?)).collect();
        let look = |(place, name): &(String, String)| {
            Read::new(FILE, which().into_iter().chain(params![place.as_str(), name.as_str()]).collect::<Params>())
        };
        let reads = std::iter::once(Read::new(HOME, which())).chain(keys.iter().map(look)).collect();
        let mut found = store.driver.read(reads, Reach::Point).await?.into_iter();
        let home = found.next().and_then(|mut rows| rows.pop()).map(held).transpose()?;
        let mut on_the_way = Files::new();
        for (key, mut rows) in keys.into_iter().zip(found) {
            if let Some(row) = rows.pop() {
                on_the_way.insert(key, file(&mut Columns::of("files", row))?);
            }
        }
        Ok(Self { path: path.clone(), home, on_the_way })
    }

    fn at(&self, names: &[String]) -> Option<&File> {
        self.on_the_way.get(&key(names)?)
    }

    /// What is at the path itself.
    pub fn target(&self) -> Option<&File> {
        self.at(self.path.names())
    }

    /// The file that a new one at the path would replace. `Invalid(path)` if a folder is there, or a file on the way.
    pub fn replaced(&self) -> Result<Option<&File>> {
        let names = self.path.names();
        let ways = (1..names.len()).filter_map(|n| self.at(names.get(..n)?));
        if ways.into_iter().any(|file| !file.is_folder()) {
            return Err(refusals::leads_through_file(&self.path));
        }
        match self.at(names) {
            Some(found) if found.is_folder() => Err(refusals::is_folder(&self.path)),
            found => Ok(found),
        }
    }

    /// A change that begins with the home as it is.
    pub fn change(&self, home: &Home) -> Change {
        let held = self.home.unwrap_or(Held { revision: 0, bytes: 0, entries: 0, modified: Time::from_nanos(0) });
        Change { home: home.clone(), before: held, after: held, more: Vec::new(), let_go: Vec::new() }
    }
}

fn held(row: Row) -> Result<Held> {
    let mut c = Columns::of("homes", row);
    Ok(Held { revision: c.int()?, bytes: unsigned(c.int()?), entries: unsigned(c.int()?), modified: c.time()? })
}

/// What is to become of a home, in one transaction.
#[derive(Debug)]
pub(super) struct Change {
    home: Home,
    /// As it was read; its revision is 0 if it is not there.
    before: Held,
    after: Held,
    more: Vec<Step>,
    /// Steps that take the moment at which what they name is let go.
    let_go: Vec<(&'static str, Params, Params)>,
}

impl Change {
    fn which(&self) -> Params {
        params![self.home.tenant.as_str(), self.home.session.to_string()]
    }

    fn at(&self, names: &[String]) -> Params {
        let (place, name) = key(names).unwrap_or_default();
        self.which().into_iter().chain(params![place, name]).collect()
    }

    /// Makes the folders that are not there. `Invalid(path)` if a file is on the way.
    pub fn make_folders(&mut self, seen: &Seen, names: &[String], path: &BlobPath, now: Time) -> Result<()> {
        if self.before.revision == 0 {
            self.after.modified = now;
        }
        for n in 1..=names.len() {
            let Some(way) = names.get(..n) else { break };
            match seen.at(way) {
                Some(found) if found.is_folder() => {}
                Some(_) => return Err(refusals::leads_through_file(path)),
                None => {
                    let mut row = self.at(way);
                    let folder = way.split_last().map_or(&[] as &[String], |(_, folder)| folder);
                    row.extend(params![written(folder), "", 0i64, now.nanos()]);
                    self.more.push(Step::any(PUT_FILE, row));
                    self.after.entries += 1;
                    self.stamp(folder, now);
                }
            }
        }
        Ok(())
    }

    /// Puts a file in its place, whose content is a draft, or else this one chunk.
    pub fn put_file(
        &mut self,
        seen: &Seen,
        content: &str,
        size: u64,
        chunk: Option<bytes::Bytes>,
        now: Time,
    ) -> Result<()> {
        let (path, replaced) = (&seen.path, seen.replaced()?);
        let (_, folder) = path.split_last().ok_or_else(|| refusals::is_folder(path))?;
        self.make_folders(seen, folder, path, now)?;
        match chunk {
            None => self.more.push(Step::guarded(Guard::Unused, PLACE, params![content])),
            Some(chunk) => {
                let row = params![content, self.home.tenant.as_str(), self.home.session.to_string(), signed(size)];
                self.more.push(Step::any(NEW_CONTENT, row));
                if !chunk.is_empty() {
                    self.more.push(Step::any(ADD_CHUNK, params![content, 0i64, chunk]));
                }
            }
        }
        match replaced {
            Some(old) => {
                self.let_go.push((LET_GO, params![old.content.as_str()], Params::new()));
                self.after.bytes = self.after.bytes.saturating_sub(old.size);
            }
            None => self.after.entries += 1,
        }
        self.after.bytes += size;
        let mut row = self.at(path.names());
        row.extend(params![written(folder), content, signed(size), now.nanos()]);
        self.more.push(Step::any(PUT_FILE, row));
        self.stamp(folder, now);
        Ok(())
    }

    /// Notes when what is in a folder changed.
    pub fn stamp(&mut self, folder: &[String], now: Time) {
        if folder.is_empty() {
            self.after.modified = now;
        } else {
            let row = self.at(folder).into_iter().chain(params![now.nanos()]).collect();
            self.more.push(Step::any(STAMP, row));
        }
    }

    pub fn remove_file(&mut self, path: &BlobPath, file: &File) {
        self.let_go.push((LET_GO, params![file.content.as_str()], Params::new()));
        self.more.push(Step::any(REMOVE, self.at(path.names())));
        self.after.entries = self.after.entries.saturating_sub(1);
        self.after.bytes = self.after.bytes.saturating_sub(file.size);
    }

    pub fn remove_folder(&mut self, path: &BlobPath, below: Below) {
        let [folder, from, to] = between(path);
        let before = self.which().into_iter().chain(params![folder.as_str()]).collect();
        self.let_go.push((LET_GO_BELOW, before, params![from.as_str(), to.as_str()]));
        let all = self.which().into_iter().chain(params![folder, from, to]).collect();
        self.more.push(Step::any(REMOVE_BELOW, all));
        self.more.push(Step::any(REMOVE, self.at(path.names())));
        self.after.entries = self.after.entries.saturating_sub(below.entries + 1);
        self.after.bytes = self.after.bytes.saturating_sub(below.bytes);
    }

    /// Refuses what the home has no room for.
    pub fn within(&self, room: Room) -> Result<()> {
        if self.after.entries > room.entries.max(self.before.entries) {
            return Err(too_large(Room::ENTRIES, room.entries));
        }
        if self.after.bytes > room.home {
            return Err(too_large(Room::HOME, room.home));
        }
        Ok(())
    }

    /// The transaction: the home as it was read, or nothing at all.
    pub fn steps(self, wall: Time) -> Vec<Step> {
        let which = self.which();
        let after = params![signed(self.after.bytes), signed(self.after.entries), self.after.modified.nanos()];
        let first = if self.before.revision == 0 {
            Step::guarded(Guard::Row, MAKE_HOME, which.into_iter().chain(after).collect())
        } else {
            let which = which.into_iter().chain(params![self.before.revision]);
            Step::guarded(Guard::Row, CHANGE_HOME, which.chain(after).collect())
        };
        let let_go = self.let_go.into_iter().map(|(sql, before, behind)| {
            Step::any(sql, before.into_iter().chain(params![wall.nanos()]).chain(behind).collect())
        });
        std::iter::once(first).chain(let_go).chain(self.more).collect()
    }
}
