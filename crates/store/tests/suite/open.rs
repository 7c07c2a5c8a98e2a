//! Opening and closing a data directory: what is refused is told apart, and left as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sederunt_core::condition::{Condition, Field, Operator, Scalar};
use sederunt_core::error::Error;
use sederunt_core::session::{SessionFilter, SessionQuery};
use sederunt_core::store::SystemStore as _;
use sederunt_core::turn::Recording;
use sederunt_store::{OpenError, Options, SqlStore, Sqlite};

use crate::world::{World, at, newest, text};

fn open(path: &Path) -> Result<SqlStore, OpenError> {
    Sqlite::open(path, Options::default())
}

/// Why `path` is not opened; everything in it is as it was before.
fn refused(path: &Path) -> OpenError {
    let before = files(path);
    let error = open(path).unwrap_err();
    assert_eq!(files(path).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{error}");
    assert!(files(path) == before, "{error}");
    error
}

/// The files in a directory, with their bytes.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// A closed data directory with one session in it.
async fn used() -> World {
    let world = World::sqlite();
    let agent = world.agent("helper").await;
    world.session(&agent, at(0)).await;
    world.store.close().await;
    world
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let file = path.join("sederunt.db");
    let mut bytes = std::fs::read(&file).unwrap();
    change(&mut bytes);
    std::fs::write(&file, bytes).unwrap();
}

#[tokio::test]
async fn a_closed_store_refuses_and_opens_again_with_what_was_in_it() {
    let world = used().await;
    assert!(matches!(world.store.ping().await, Err(Error::Unavailable { .. })));
    let agents = world.store.agents(&world.tenant, None, 9).await;
    assert!(matches!(agents, Err(Error::Unavailable { .. })));
    let reopened = open(world.directory.path()).unwrap();
    let reopened = world.with(reopened);
    reopened.store.ping().await.unwrap();
    assert_eq!(reopened.store.agents(&reopened.tenant, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_at_once() {
    let world = World::sqlite();
    let session = world.session(&world.agent("helper").await, at(0)).await;
    let turn = world.talk(&session, "hi", at(1)).await;
    // What a process that is killed here leaves behind.
    let left = tempfile::tempdir().unwrap();
    for file in ["sederunt.db", "sederunt.db-wal"] {
        std::fs::copy(world.directory.path().join(file), left.path().join(file)).unwrap();
    }
    let recovered = world.with(open(left.path()).unwrap());
    assert_eq!(recovered.read(&session).await.unwrap().last_turn, Some(turn.id));
}

#[tokio::test]
async fn a_directory_is_held_by_one_process() {
    let world = World::sqlite();
    let path = world.directory.path();
    assert!(matches!(open(path).unwrap_err(), OpenError::Locked { .. }));
    world.store.close().await;
    open(path).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let world = used().await;
    let database = rusqlite::Connection::open(world.directory.path().join("sederunt.db")).unwrap();
    database.execute("insert into migrations (number, name) values (9999, 'future')", []).unwrap();
    drop(database);
    let error = refused(world.directory.path());
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let is_damaged = |path: &Path| {
        let error = refused(path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    };
    let garbage = tempfile::tempdir().unwrap();
    std::fs::write(garbage.path().join("sederunt.db"), "not a database ".repeat(999)).unwrap();
    is_damaged(garbage.path());
    let world = used().await;
    edit(world.directory.path(), |bytes| bytes.truncate(bytes.len() / 2));
    is_damaged(world.directory.path());
    edit(world.directory.path(), |bytes| bytes.truncate(50));
    is_damaged(world.directory.path());
    let world = used().await;
    edit(world.directory.path(), |bytes| bytes[8192..].fill(0xaa));
    is_damaged(world.directory.path());
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(directory.path().join("sederunt.db")).unwrap();
    database.execute_batch("create table theirs (id integer)").unwrap();
    drop(database);
    assert!(matches!(refused(directory.path()), OpenError::Foreign { .. }));
}

#[test]
fn a_database_of_another_program_that_died_is_refused_with_its_log_left_alone() {
    let (theirs, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = rusqlite::Connection::open(theirs.path().join("sederunt.db")).unwrap();
    database.execute_batch("pragma journal_mode=wal; create table theirs (id integer)").unwrap();
    for file in ["sederunt.db", "sederunt.db-wal"] {
        std::fs::copy(theirs.path().join(file), left.path().join(file)).unwrap();
    }
    assert!(matches!(refused(left.path()), OpenError::Foreign { .. }));
}

#[test]
fn a_full_disk_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { max_pages: Some(3), ..Options::default() };
    let error = Sqlite::open(directory.path(), options).unwrap_err();
    assert!(matches!(error, OpenError::Full { .. }), "{error}");
    open(directory.path()).unwrap();
}

#[test]
fn a_missing_parent_is_told() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(open(&directory.path().join("a/b")).unwrap_err(), OpenError::MissingParent { .. }));
    open(&directory.path().join("a")).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_written_is_told() {
    // A place where even root may make no files.
    assert!(matches!(open(Path::new("/sys/fs")).unwrap_err(), OpenError::ReadOnly { .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path(), Options::default()).unwrap();
    store.ping().await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        let name = file.file_name();
        if name.to_string_lossy().starts_with("sederunt.db") {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{name:?}");
        }
    }
}

/// A data directory as the first release left it: with one agent, one session, and one kept turn in it.
fn of_the_first_release(path: &Path) {
    let database = rusqlite::Connection::open(path.join("sederunt.db")).unwrap();
    database.execute_batch(include_str!("../../migrations/0001_first.sql")).unwrap();
    let [agent, session, turn, item] = OLD;
    let rows = format!(
        r#"pragma application_id = {};
        create table migrations (number bigint not null primary key, name text not null);
        insert into migrations values (1, 'first');
        insert into agents values ('acme', '{agent}', 'helper', 1, 5, 5, 1, 1, 1, 1, '{{}}', null);
        insert into agent_versions values ('acme', '{agent}', 1, 1, 0, 1, 0, 5, '{{"name":"helper"}}');
        insert into counts values ('acme', '{agent}', 0, 1);
        insert into heads values ('acme', 'alice', 0, 2, 0);
        insert into sessions values ('acme', '{session}', 'desk', '{agent}', 1, 'alice', 'personal', null, 'hi',
            '{{"tier":"gold","at":{{"desk":3}}}}', 1, null, 6, 7, 7, null, null, 0, 1, 1, 1, '{turn}', '{{}}', 2, null);
        insert into turns values ('acme', '{turn}', '{session}', null, '{agent}', 1, 'alice', 'personal', null, 1,
            'message', 'session:{session}', 'done', '{{"how":"done"}}', 1, 'mine', null, 'discard', 'finish', '{{}}', null,
            6, 7, '{{}}', 1, 1, 0);
        insert into items values ('acme', '{turn}', 0, '{item}', '{session}', 6,
            '{{"type":"user_message","text":"the \"extra\": one"}}');"#,
        0x5344_5254
    );
    database.execute_batch(&rows).unwrap();
}

const OLD: [&str; 4] = [
    "018bcfe5-6800-7000-8000-000000000001",
    "018bcfe5-6800-7000-8000-000000000002",
    "018bcfe5-6800-7000-8000-000000000003",
    "018bcfe5-6800-7000-8000-000000000004",
];

#[tokio::test]
async fn what_the_first_release_wrote_is_read_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    of_the_first_release(directory.path());
    let world = World::sqlite().with(open(directory.path()).unwrap());
    let id = OLD[1].parse().unwrap();
    let session = world.store.session(&world.tenant, id).await.unwrap().unwrap();
    assert_eq!((session.retention, session.idle_after, session.asleep), (None, None, false));
    let records = world.store.turns(&world.tenant, id, 0, 9).await.unwrap();
    let turn = &records[0].turn;
    assert_eq!((turn.inputs, turn.place, turn.recording), (1, None, Recording::Items));
    assert_eq!(text(&records[0].items[0]), r#"the "extra": one"#);
    assert!(records[0].items[0].extra.is_empty());
    let next = world.talk(&session, "on", at(1)).await;
    assert_eq!((next.parent, next.number), (Some(turn.id), Some(2)));
    let listed = world.store.sessions_by_created(&world.everything(), false, &newest(None, 9), at(2)).await.unwrap();
    assert_eq!(listed.items.iter().map(|session| session.id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn sessions_of_the_first_release_are_found_by_their_metadata() {
    let directory = tempfile::tempdir().unwrap();
    of_the_first_release(directory.path());
    let world = World::sqlite().with(open(directory.path()).unwrap());
    let filter = SessionFilter { agent: Some(OLD[0].parse().unwrap()), ..world.everything() };
    let desk = |number: i64| {
        let value = Scalar::Number(number.into());
        let field = Field(vec!["at".into(), "desk".into()]);
        Some(Condition::Compare { field, operator: Operator::Equal, value })
    };
    for (number, found) in [(3, 1), (4, 0)] {
        let query = SessionQuery { filter: filter.clone(), enabled: None, metadata: desk(number) };
        assert_eq!(world.store.count_sessions_by(&query, at(1)).await.unwrap(), found);
        let listed = world.store.sessions_by_key(&query, None, 9, at(1)).await.unwrap();
        assert_eq!(listed.len() as u64, found);
    }
}
