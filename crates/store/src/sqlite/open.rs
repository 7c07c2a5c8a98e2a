//! Opening a data directory: who holds it, what is in it, whether this binary may touch it. Every question is asked
//! before anything is changed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::{Durability, Options, connect, metadata_rows};
use crate::migrations;

/// The database in the data directory.
const DATABASE: &str = "sederunt.db";

/// Locked by the process that holds the data directory.
const LOCK: &str = "sederunt.lock";

/// Marks a database as ours, in SQLite's own header: "SDRT".
const APPLICATION: i64 = 0x5344_5254;

/// Why a data directory was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum OpenError {
    #[error("{path} cannot be made: the directory above it does not exist")]
    MissingParent { path: PathBuf },
    #[error("there is no store in {path}")]
    Missing { path: PathBuf },
    #[error("{path} is in use by another process")]
    Locked { path: PathBuf },
    #[error("{path} cannot be written by this user")]
    ReadOnly { path: PathBuf },
    #[error("{path} has schema {found}, newer than this binary's {known}")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path} has schema {found}, older than this binary's {known}")]
    Outdated { path: PathBuf, found: i64, known: i64 },
    #[error("{path} is not a database of ours")]
    Foreign { path: PathBuf },
    #[error("{path} is damaged ({what})")]
    Damaged { path: PathBuf, what: String },
    #[error("there is no room left for {path}")]
    Full { path: PathBuf },
    #[error("{path} cannot be opened: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be opened: {source}")]
    Database { path: PathBuf, source: rusqlite::Error },
}

/// An open data directory.
pub(super) struct Opened {
    pub(super) file: PathBuf,
    pub(super) connection: Connection,
    pub(super) lock: File,
}

pub(super) fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    make_directory(path)?;
    let file = path.join(DATABASE);
    // Where no lock file is, none of us is; it is looked at before one is left in what may be another program's.
    if !path.join(LOCK).exists() {
        inspect(&file)?;
    }
    let lock = hold(path)?;
    let found = inspect(&file)?.map_or(0, |found| found.migration);
    let known = migrations::newest();
    if !options.migrate && found > 0 && found < known {
        return Err(OpenError::Outdated { path: path.to_owned(), found, known });
    }
    make_private(&file).map_err(|error| of_io(path, error))?;
    let connection = write_to(&file, options).map_err(|error| of_sqlite(&file, error))?;
    Ok(Opened { file, connection, lock })
}

/// What is in a data directory, found without changing anything, and without holding it any longer than this takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Whether it has an API key of any tenant.
    pub has_api_key: bool,
    /// The last migration that was applied; 0 if none was.
    pub schema: i64,
    /// The last migration that this binary knows.
    pub newest: i64,
}

/// Refuses what [`open`] would refuse.
pub(super) fn look_into(path: &Path) -> Result<Inspected, OpenError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if !path.is_dir() && parent.is_some_and(|parent| !parent.is_dir()) {
        return Err(OpenError::MissingParent { path: path.to_owned() });
    }
    let _held = if path.join(LOCK).exists() { Some(hold(path)?) } else { None };
    let file = path.join(DATABASE);
    let found = inspect(&file)?;
    let has_api_key = found.as_ref().is_some_and(|found| found.has_api_key);
    Ok(Inspected { has_api_key, schema: found.map_or(0, |found| found.migration), newest: migrations::newest() })
}

/// The file of a database that is there, and that this binary can read.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let file = path.join(DATABASE);
    match inspect(&file)? {
        Some(_) => Ok(file),
        None => Err(OpenError::Missing { path: path.to_owned() }),
    }
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => OpenError::MissingParent { path: path.to_owned() },
        _ => of_io(path, error),
    })
}

/// Makes the database's file, where there is none, for this user's eyes only. SQLite would make it for everyone's, and
/// gives the files beside it the rights of this one.
fn make_private(file: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

/// Locks the directory. The system lets go of the lock when the process ends, however it ends.
fn hold(path: &Path) -> Result<File, OpenError> {
    let lock = path.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(|e| of_io(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(of_io(path, error)),
    }
}

/// Asks a database, if there is one, whether it is ours, sound and not newer. Writes nothing. The cost does not grow with
/// its size: its length, its schema and the first page of each table are looked at; a whole check is a tool's work, not a
/// start's.
fn inspect(file: &Path) -> Result<Option<Found>, OpenError> {
    if !has_content(file) {
        return Ok(None);
    }
    let log = has_content(&beside(file, "-wal"));
    if !log {
        check_length(file)?;
    }
    let shared = beside(file, "-shm");
    let was_shared = shared.exists();
    let found = look(file, log).map_err(|error| of_sqlite(file, error));
    // SQLite makes this to read a log that was left behind. It holds nothing that the log does not.
    if !was_shared {
        _ = std::fs::remove_file(&shared);
    }
    match found? {
        None => Err(OpenError::Foreign { path: file.to_owned() }),
        Some(Found { migration, .. }) if migration > migrations::newest() => {
            Err(OpenError::Newer { path: file.to_owned(), found: migration, known: migrations::newest() })
        }
        found => Ok(found),
    }
}

/// What a database of ours has.
struct Found {
    /// The number of the last migration that was applied.
    migration: i64,
    has_api_key: bool,
}

/// What a database has; `None` if it is not ours.
fn look(file: &Path, log: bool) -> rusqlite::Result<Option<Found>> {
    // Without a log to read, SQLite is told that nothing changes: else it would make one.
    let (name, flags) = match log {
        true => (file.to_owned(), OpenFlags::SQLITE_OPEN_READ_ONLY),
        false => (immutable(file), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI),
    };
    let connection = connect(&name, flags)?;
    let mut statement = connection.prepare("select name from sqlite_master where type = 'table'")?;
    let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mark: i64 = connection.query_row("pragma application_id", [], |row| row.get(0))?;
    if mark != APPLICATION && !tables.is_empty() {
        return Ok(None);
    }
    for table in &tables {
        connection.query_row(&format!("select 1 from \"{table}\" limit 1"), [], |_| Ok(())).optional()?;
    }
    let api_key = "select 1 from credentials where kind = 'api_key' limit 1";
    let has_api_key = tables.iter().any(|table| table == "credentials")
        && connection.query_row(api_key, [], |_| Ok(())).optional()?.is_some();
    Ok(Some(Found { migration: applied(&connection)?, has_api_key }))
}

/// The file as a URI under which SQLite writes nothing at all.
fn immutable(file: &Path) -> PathBuf {
    let path = file.as_os_str().as_encoded_bytes().iter();
    let escaped: String = path.map(|byte| format!("%{byte:02x}")).collect();
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}

fn has_content(file: &Path) -> bool {
    file.metadata().is_ok_and(|m| m.len() > 0)
}

/// A file that SQLite keeps beside the database.
fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

/// Finds a file that was cut off: without a log beside it, it is as long as its header says.
fn check_length(file: &Path) -> Result<(), OpenError> {
    let read = || -> std::io::Result<(u64, u64)> {
        let mut header = [0; 100];
        let mut opened = File::open(file)?;
        let length = opened.metadata()?.len();
        opened.read_exact(&mut header)?;
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
        Ok((length, u64::from(pages) * page))
    };
    match read() {
        Ok((length, said)) if length < said => {
            Err(OpenError::Damaged { path: file.to_owned(), what: format!("{length} bytes of {said} are left") })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(OpenError::Damaged { path: file.to_owned(), what: "the header is cut off".to_owned() })
        }
        Err(error) => Err(of_io(file, error)),
    }
}

/// The number of the last migration that was applied; 0 if none was.
fn applied(connection: &Connection) -> rusqlite::Result<i64> {
    if !connection.table_exists(None, "migrations")? {
        return Ok(0);
    }
    connection.query_row("select coalesce(max(number), 0) from migrations", [], |row| row.get(0))
}

fn write_to(file: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let mut connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let synchronous = match options.durability {
        Durability::Full => "full",
        Durability::Off => "off",
    };
    let most = options.max_pages.map_or(String::new(), |pages| format!("pragma max_page_count={pages};"));
    // Only this connection writes, so only it checkpoints: every 4,000 pages (16 MiB).
    connection.execute_batch(&format!(
        "pragma busy_timeout=5000; pragma journal_mode=wal; pragma synchronous={synchronous}; \
         pragma wal_autocheckpoint=4000; pragma journal_size_limit=67108864; pragma cache_size=-32768; \
         pragma temp_store=memory; {most}"
    ))?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let applied = applied(connection)?;
    if applied == migrations::newest() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(migrations::TABLE)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    for migration in migrations::ALL.iter().filter(|m| m.number > applied) {
        transaction.execute_batch(migration.sql)?;
        transaction
            .execute("insert into migrations (number, name) values (?1, ?2)", (migration.number, migration.name))?;
    }
    metadata_rows::complete(&transaction, applied)?;
    transaction.commit()
}

fn of_io(path: &Path, source: std::io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::Full { path },
        _ => OpenError::Io { path, source },
    }
}

fn of_sqlite(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Damaged { path, what: source.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => OpenError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        _ => OpenError::Database { path, source },
    }
}
