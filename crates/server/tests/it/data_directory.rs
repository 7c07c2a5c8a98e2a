//! A data directory that is refused: nothing is written there, and the person is told what to do about this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sederunt_core::store::SystemStore as _;
use sederunt_store::{Options, Sqlite};
use tempfile::TempDir;

/// What `dev` or `serve` says of a data directory, having left everything under `parent` as it was.
fn refused(command: &str, data: &Path, parent: &Path) -> String {
    let before = files(parent);
    let mut run = Command::new(env!("CARGO_BIN_EXE_sederunt"));
    match command {
        "dev" => run.args(["dev", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--data"]).arg(data),
        other => run
            .args([other, "--set", "http.listen=127.0.0.1:0", "--set", "node.internal=", "--set"])
            .arg(format!("store.url=sqlite:{}", data.display())),
    };
    let done = run.current_dir(parent).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert_eq!(files(parent), before, "{said}");
    said
}

/// Every file and directory under `path`, files with their length.
fn files(path: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.insert(entry.path(), 0);
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    found
}

/// A data directory that was made, used and closed, with this done to its database.
async fn edited(statement: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (data, options) = (folder.path().join("data"), Options::default());
    Sqlite::open(&data, options).unwrap().close().await;
    rusqlite::Connection::open(data.join("sederunt.db")).unwrap().execute_batch(statement).unwrap();
    folder
}

const COMMANDS: [(&str, &str); 3] = [("dev", "--data"), ("serve", "store.url"), ("check", "store.url")];

#[test]
fn another_programs_data_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("sederunt.db")).unwrap();
    database.execute_batch("create table theirs (id integer)").unwrap();
    for (command, setting) in COMMANDS {
        let said = refused(command, folder.path(), folder.path());
        assert!(said.contains("is not a database of ours"), "{said}");
        assert!(said.contains(&format!("fix: name another directory with {setting}\n")), "{said}");
    }
}

#[test]
fn damaged_data_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sederunt.db"), "not a database ".repeat(999)).unwrap();
    for (command, setting) in COMMANDS {
        let said = refused(command, folder.path(), folder.path());
        assert!(said.contains(&format!("fix: restore a backup, or name another directory with {setting}")), "{said}");
    }
}

#[tokio::test]
async fn newer_data_is_left_alone() {
    let folder = edited("insert into migrations (number, name) values (9999, 'future')").await;
    for (command, _) in COMMANDS {
        let said = refused(command, &folder.path().join("data"), folder.path());
        assert!(said.contains("has schema 9999") && said.contains("fix: use the newer binary"), "{said}");
    }
}

#[test]
fn only_the_last_directory_of_a_path_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for (command, _) in COMMANDS {
        let said = refused(command, &folder.path().join("no/such/place"), folder.path());
        assert!(said.contains("fix: make the directory above it, or name another"), "{said}");
    }
}

#[tokio::test]
async fn data_that_is_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let open = Sqlite::open(&data, Options::default()).unwrap();
    for (command, _) in COMMANDS {
        let said = refused(command, &data, folder.path());
        assert!(said.contains("fix: stop the other process, or name another"), "{said}");
    }
    open.close().await;
}

#[tokio::test]
async fn a_check_says_that_nobody_could_use_the_server_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &[&str]| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_sederunt"));
        let url = format!("store.url=sqlite:{}", folder.path().join("data").display());
        run.args(line).args(["--set", &url]).current_dir(folder.path()).output().unwrap()
    };
    let unfit = || {
        let done = run(&["check"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains("the store holds no API key"), "{said}");
    };
    unfit();
    assert!(files(folder.path()).is_empty());
    Sqlite::open(&folder.path().join("data"), Options::default()).unwrap().close().await;
    unfit();
    let made = run(&["key", "create", "--offline", "--user", "root", "--name", "first", "--grant", "all"]);
    assert!(made.status.success(), "{made:?}");
    let before = files(folder.path());
    assert!(run(&["check"]).status.success());
    assert_eq!(files(folder.path()), before);
}
