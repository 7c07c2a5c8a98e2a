//! Archives: the same from every database, refused when they are not whole, restored to the end however often that is cut
//! short.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use proptest::prelude::*;
use sederunt_core::blob::Blobs;
use sederunt_core::clock::SystemTimer;
use sederunt_core::id::{Ids, SystemChance};
use sederunt_core::store::SystemStore as _;
use sederunt_store::{
    ArchiveError, BlobRows, Durability, Folder, Options, Postgres, PostgresOptions, Progress, SqlStore, Sqlite, verify,
};
use tokio::sync::{Notify, mpsc};

use crate::archive_text::{Content, Dice, Table, tables};
use crate::databases::Database;
use crate::world::at;

/// A store of one engine with its files, which starts empty.
struct End {
    store: SqlStore,
    files: Arc<dyn Blobs>,
    directory: tempfile::TempDir,
    _database: Option<Database>,
}

impl End {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Off, ..Options::default() };
        let store = Sqlite::open(directory.path(), options).unwrap();
        let files = Arc::new(Folder::open(directory.path(), false).unwrap());
        Self { store, files, directory, _database: None }
    }

    async fn postgres() -> Self {
        let database = Database::new().await;
        let store = Postgres::open(database.url(), PostgresOptions::default()).await.unwrap();
        let ids = Ids::new(Arc::new(SystemChance));
        let files = Arc::new(BlobRows::new(store.clone(), Arc::new(SystemTimer::default()), ids));
        Self { store, files, directory: tempfile::tempdir().unwrap(), _database: Some(database) }
    }

    async fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite(),
            Engine::Postgres => Self::postgres().await,
        }
    }

    async fn restore(&self, archive: impl Read + Send + 'static) -> Result<u64, ArchiveError> {
        self.store.restore(&*self.files, BufReader::new(archive), at(0), &|_| ()).await
    }

    async fn archive(&self) -> String {
        let (sender, mut chunks) = mpsc::channel::<bytes::Bytes>(4);
        let collect = async {
            let mut all = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                all.extend_from_slice(&chunk);
            }
            String::from_utf8(all).unwrap()
        };
        let back_up = async {
            self.store.back_up(Some(&*self.files), &sender, &|_| ()).await.unwrap();
            drop(sender);
        };
        tokio::join!(collect, back_up).0
    }

    async fn move_to(&self, to: &End) -> u64 {
        self.store.move_to(Some(&*self.files), (&to.store, &*to.files), at(0), &|_| ()).await.unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum Engine {
    Sqlite,
    Postgres,
}

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// The tables of an archive of this release, and its schema.
async fn form() -> (Vec<Table>, i64) {
    let end = End::sqlite();
    let archive = end.archive().await;
    end.store.close().await;
    let database = rusqlite::Connection::open(end.directory.path().join("sederunt.db")).unwrap();
    let schema = database.query_row("select max(number) from migrations", [], |row| row.get(0)).unwrap();
    (tables(&archive, &database), schema)
}

fn odd() -> Vec<String> {
    ["", "\0", "\u{1}\u{2}", "\n\r\t\\", "\\N", "\\.", "\"'", "é日本\u{10ffff}", "{\"a\":[1,null]}"]
        .map(str::to_owned)
        .into()
}

/// An archive with so many rows in each table, and files of so many sessions.
async fn some(rows: usize, homes: usize, seed: u64) -> String {
    let (tables, schema) = form().await;
    let texts = odd();
    Content { schema, tables: &tables, rows: &|_| rows, texts: &texts, homes, dice: Dice(seed) }.archive()
}

fn check(archive: &str) -> Result<u64, ArchiveError> {
    verify(archive.as_bytes(), &|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_the_same_from_every_database() {
    let archive = some(1100, 3, 1).await;
    let rows = check(&archive).unwrap();
    let (first, second, third) = (End::sqlite(), End::postgres().await, End::sqlite());
    assert_eq!(first.restore(Cursor::new(archive.clone())).await.unwrap(), rows);
    assert!(first.archive().await == archive, "from SQLite");
    assert_eq!(first.move_to(&second).await, rows);
    assert!(second.archive().await == archive, "from PostgreSQL");
    assert_eq!(second.move_to(&third).await, rows);
    assert!(third.archive().await == archive, "from SQLite again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cut_short_goes_on_where_it_stood() {
    let archive = some(700, 3, 2).await;
    for engine in ENGINES {
        let end = End::of(engine).await;
        let mut dice = Dice(3);
        let mut reached = 0;
        for cut in (1..=9).map(|tenth| archive.len() * tenth / 10 + dice.throw(997) as usize) {
            let failing = Cursor::new(archive.as_bytes()[..cut.min(archive.len() - 1)].to_vec()).chain(Broken);
            let error = end.restore(failing).await.unwrap_err();
            assert!(matches!(error, ArchiveError::Read(_)), "{error}");
            assert!(end.store.is_being_restored().await.unwrap());
        }
        let first = std::sync::OnceLock::new();
        let told = |progress: Progress| _ = first.set(progress.rows);
        let whole = BufReader::new(Cursor::new(archive.clone()));
        let rows = end.store.restore(&*end.files, whole, at(9), &told).await.unwrap();
        reached += first.get().copied().unwrap_or_default();
        assert!(reached > rows / 2, "{engine:?}: it began again at {reached} of {rows}");
        assert!(!end.store.is_being_restored().await.unwrap());
        assert!(end.archive().await == archive, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_between_any_two_batches_goes_on_where_it_stood() {
    let archive = some(700, 3, 10).await;
    let end = End::sqlite();
    let mut dice = Dice(11);
    for _ in 0..6 {
        let batches = AtomicU64::new(1 + dice.throw(6));
        let (reached, enough) = (Notify::new(), || batches.fetch_sub(1, Ordering::Relaxed) == 1);
        let told = |_| {
            if enough() {
                reached.notify_one()
            }
        };
        let whole = BufReader::new(Cursor::new(archive.clone()));
        tokio::select! {
            biased;
            () = reached.notified() => {}
            restored = end.store.restore(&*end.files, whole, at(0), &told) => {
                restored.unwrap();
                break;
            }
        }
    }
    if end.store.is_being_restored().await.unwrap() {
        end.restore(Cursor::new(archive.clone())).await.unwrap();
    }
    assert!(end.archive().await == archive);
}

/// A hundred thousand sessions from SQLite to PostgreSQL and back, cut short on the way; prints how long each step took.
/// Takes minutes where nothing is optimised.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_sessions_move_there_and_back() {
    let (tables, schema) = form().await;
    let many = |table: &str| match table {
        "sessions" | "turns" | "session_metadata" => 100_000,
        "items" | "parts" => 200_000,
        "leases" => 100,
        _ => 1000,
    };
    let texts = ["x".repeat(300)];
    let content = Content { schema, tables: &tables, rows: &many, texts: &texts, homes: 100, dice: Dice(12) };
    let archive = content.archive();
    println!("{} MB", archive.len() >> 20);
    let (here, there, back) = (End::sqlite(), End::postgres().await, End::sqlite());
    let told = |what: &str, begun: Instant, rows: u64| {
        println!("{what}: {rows} rows in {:.1} s", begun.elapsed().as_secs_f64());
        Instant::now()
    };
    let begun = Instant::now();
    let begun = told("restored to SQLite", begun, here.restore(Cursor::new(archive.clone())).await.unwrap());
    let half = Cursor::new(archive.as_bytes()[..archive.len() / 2].to_vec()).chain(Broken);
    there.restore(half).await.unwrap_err();
    let begun = told("half of it restored to PostgreSQL", begun, 0);
    let begun = told("the rest moved to PostgreSQL", begun, here.move_to(&there).await);
    assert!(there.archive().await == archive, "from PostgreSQL");
    let begun = told("read from PostgreSQL", begun, 0);
    told("moved back to SQLite", begun, there.move_to(&back).await);
    assert!(back.archive().await == archive, "from SQLite again");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("cut short"))
    }
}

#[tokio::test]
async fn a_restore_that_was_begun_is_not_gone_on_with_by_another_archive() {
    let [archive, other] = [some(300, 0, 4).await, some(300, 0, 5).await];
    let end = End::sqlite();
    let half = Cursor::new(archive.as_bytes()[..archive.len() / 2].to_vec()).chain(Broken);
    end.restore(half).await.unwrap_err();
    let error = end.restore(Cursor::new(other)).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Another), "{error}");
    let (sender, _chunks) = mpsc::channel(4);
    let error = end.store.back_up(None, &sender, &|_| ()).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Unfinished), "{error}");
    end.restore(Cursor::new(archive)).await.unwrap();
}

#[tokio::test]
async fn a_store_with_anything_in_it_is_not_restored_to() {
    let archive = some(2, 0, 6).await;
    for engine in ENGINES {
        let end = End::of(engine).await;
        end.restore(Cursor::new(archive.clone())).await.unwrap();
        let error = end.restore(Cursor::new(archive.clone())).await.unwrap_err();
        assert!(matches!(error, ArchiveError::NotEmpty { table: "agents" }), "{error}");
    }
}

#[tokio::test]
async fn an_archive_that_was_cut_off_is_refused_wherever_that_was() {
    let archive = some(2, 0, 7).await;
    let line = |length: usize| archive.as_bytes()[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
    for length in (0..archive.len()).step_by(17).chain([archive.len() - 1]) {
        match check(&archive[..archive.floor_char_boundary(length)]) {
            Err(ArchiveError::Truncated { line: said }) => assert!(said.abs_diff(line(length)) <= 1, "{said}"),
            Err(ArchiveError::Foreign) => assert_eq!(line(length), 0),
            other => panic!("{length}: {other:?}"),
        }
    }
    let error = check(&format!("{archive}{{}}\n")).unwrap_err();
    assert!(matches!(error, ArchiveError::Malformed { .. }), "{error}");
}

proptest! {
    #[test]
    fn an_archive_that_was_changed_is_refused_and_says_where(at: prop::sample::Index, flip in 1_u8..=255) {
        static ARCHIVE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let archive = ARCHIVE.get_or_init(|| runtime().block_on(some(20, 1, 8)));
        let at = at.index(archive.len());
        let mut changed = archive.clone().into_bytes();
        changed[at] ^= flip;
        let line = archive.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        match verify(changed.as_slice(), &|_| ()).unwrap_err() {
            ArchiveError::Altered { from, to } => prop_assert!((from..=to).contains(&line), "{from} {line} {to}"),
            // A line's end that was changed joins two lines.
            ArchiveError::Malformed { line: said, .. } => prop_assert!(said.abs_diff(line) <= 1, "{said} {line}"),
            ArchiveError::Truncated { .. } => prop_assert_eq!(at + 1, archive.len()),
            ArchiveError::Foreign | ArchiveError::NewerForm { .. } | ArchiveError::NewerSchema { .. } => {
                prop_assert_eq!(line, 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_rows_hold_comes_back(texts in prop::collection::vec(".{0,12}|[\0-\u{7}\\\\]{0,6}", 1..6), seed: u64, rows in 1_usize..6) {
        runtime().block_on(async {
            let (tables, schema) = form().await;
            let dice = Dice(seed);
            let archive = Content { schema, tables: &tables, rows: &|_| rows, texts: &texts, homes: 1, dice }.archive();
            let (here, there) = (End::sqlite(), End::sqlite());
            here.restore(Cursor::new(archive.clone())).await.unwrap();
            here.move_to(&there).await;
            assert_eq!(there.archive().await, archive);
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[tokio::test]
async fn an_older_archive_is_taken_and_a_newer_one_refused() {
    let (tables, schema) = form().await;
    let texts = odd();
    let content = |schema| Content { schema, tables: &tables, rows: &|_| 2, texts: &texts, homes: 0, dice: Dice(9) };
    let older = content(4).archive();
    let end = End::sqlite();
    end.restore(Cursor::new(older.clone())).await.unwrap();
    let (old, new) = (older.lines().skip(1), end.archive().await);
    let rows = |line: &&str| line.starts_with('[');
    assert!(old.filter(rows).eq(new.lines().filter(rows)));
    match check(&content(schema + 1).archive()) {
        Err(ArchiveError::NewerSchema { found, known }) => assert_eq!((found, known), (schema + 1, schema)),
        other => panic!("{other:?}"),
    }
    let newer = older.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(check(&newer), Err(ArchiveError::NewerForm { found: 2, known: 1 })));
    assert!(matches!(check("{\"a\":1}\n"), Err(ArchiveError::Foreign)));
}

/// Tables and columns that a restore makes from the others, or that are of running processes alone.
const LEFT_OUT: [(&str, &[&str]); 14] = [
    ("chunks", &[]),
    ("contents", &[]),
    ("counts", &[]),
    ("duties", &[]),
    ("files", &[]),
    ("heads", &[]),
    ("homes", &[]),
    ("leases", &["beat", "node"]),
    ("migrations", &[]),
    ("moved", &[]),
    ("nodes", &[]),
    ("restores", &[]),
    ("sessions", &["seq", "shard"]),
    ("waiting", &[]),
];

#[tokio::test]
async fn every_table_and_column_is_in_an_archive_unless_it_is_said_why_not() {
    let end = End::sqlite();
    let archive = end.archive().await;
    let database = rusqlite::Connection::open(end.directory.path().join("sederunt.db")).unwrap();
    let sql = "select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table'";
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut columns = database.prepare(sql).unwrap();
    let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut whole: BTreeMap<String, bool> = BTreeMap::new();
    for (table, column) in columns.map(Result::unwrap) {
        let mark = archive.lines().find(|line| line.starts_with(&format!("{{\"table\":\"{table}\"")));
        let is_in = mark.is_some_and(|mark| mark.contains(&format!("\"{column}\"")));
        *whole.entry(table.clone()).or_default() |= is_in;
        if !is_in {
            missing.entry(table).or_default().push(column);
        }
    }
    for (table, columns) in &mut missing {
        columns.sort();
        if !whole[table] {
            columns.clear();
        }
    }
    let said: BTreeMap<String, Vec<String>> = LEFT_OUT
        .iter()
        .map(|(table, columns)| ((*table).to_owned(), columns.iter().map(|&column| column.to_owned()).collect()))
        .collect();
    assert_eq!(missing, said);
}
