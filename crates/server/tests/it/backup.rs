//! Archives from the command line: taken beside a server, restored, moved between databases, gone on with after a kill; and
//! schemas brought up to date.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use rusqlite::Connection;
use sederunt_rig::postgres::Postgres;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::azure::Desk;
use crate::azure::talk::{desk_of, openai, plan};
use crate::azure::{at, session_at};
use crate::harness::Reply;

/// A place for archives and data directories, and the commands on them.
struct Shelf(TempDir);

/// What a command left.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A data directory here as a store's URL.
    fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.path(name).display())
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sederunt"));
        command.args(line).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEDERUNT_")) {
            command.env_remove(name);
        }
        command
    }

    async fn run(&self, line: &[&str]) -> Done {
        let mut command = self.command(line);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs what must work.
    async fn done(&self, line: &[&str]) -> String {
        let done = self.run(line).await;
        assert_eq!(done.code, 0, "{line:?}: {}", done.err);
        done.out
    }

    /// Runs what must fail with this code, and say this.
    async fn refused(&self, line: &[&str], code: i32, why: &str) {
        let done = self.run(line).await;
        assert_eq!(done.code, code, "{line:?}: {}", done.err);
        assert!(done.err.contains(why) && done.err.contains("\n  fix: "), "{line:?}: {}", done.err);
    }

    /// The archive of a store.
    async fn archive(&self, url: &str) -> String {
        self.done(&["backup", "-", "--from", url]).await
    }
}

fn database() -> String {
    Postgres::shared().unwrap().database().unwrap()
}

/// A desk with a conversation, files, a key and a turn behind it; what alice sees of them.
async fn used() -> (Desk, String) {
    let desk = desk_of(plan()).await;
    let session = desk.session("clerk").await;
    for (path, content) in [("notes.txt", "hello"), ("sub/empty.txt", "")] {
        let path = session_at("clerk", &format!("{session}/files/content")) + &format!("&path={path}");
        let put =
            desk.alice.request(Method::PUT, &path).header("content-type", "application/octet-stream").body(content);
        Reply::of(put).await.expect(201);
    }
    let first = desk.ask(json!({"input": "three words"})).await.json(200);
    let id = first["id"].as_str().unwrap().to_owned();
    desk.ask(json!({"input": "what did I say?", "previous_response_id": id})).await.json(200);
    (desk, session)
}

/// What alice is shown of her files and her responses.
async fn seen(desk: &Desk, session: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [session_at("clerk", session), session_at("clerk", &format!("{session}/files")), at("/agents")] {
        seen.push(desk.alice.get(&path).await.json(200));
    }
    let file = session_at("clerk", &format!("{session}/files/content")) + "&path=notes.txt";
    seen.push(json!(desk.alice.get(&file).await.expect(200).body));
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_server_keeps_moves_to_postgresql_and_back() {
    let shelf = Shelf::new();
    let (desk, session) = used().await;
    let before = seen(&desk, &session).await;
    let from = desk.house.store_url();
    let archive = shelf.archive(&from).await;
    shelf.refused(&["move", "--from", &from, "--to", &shelf.url("other")], 3, "in use").await;
    let data = desk.house.keep_data().await;
    assert_eq!(shelf.archive(&from).await, archive, "what a server has open is read as it is");

    let database = database();
    shelf.done(&["move", "--from", &from, "--to", &database]).await;
    assert_eq!(shelf.archive(&database).await, archive);
    drop(data);
    let node = Desk::of(plan().on(&database, 7)).await;
    assert_eq!(seen(&node, &session).await, before);
    shelf.refused(&["move", "--from", &database, "--to", &shelf.url("other")], 3, "serves from it").await;
    let said = node.ask(json!({"input": "three words"})).await.json(200);
    assert_eq!(said["status"], "completed");
    node.house.stop().await;

    let archive = shelf.archive(&database).await;
    shelf.done(&["move", "--from", &database, "--to", &shelf.url("back")]).await;
    assert_eq!(shelf.archive(&shelf.url("back")).await, archive);
    let back = Desk::of(plan().set("store.url", &shelf.url("back"))).await;
    assert_eq!(seen(&back, &session).await, before);
    back.house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_runs_during_a_backup_was_interrupted_where_it_is_restored() {
    let shelf = Shelf::new();
    let desk = desk_of(plan()).await;
    let response = desk.hanging(true).await;
    shelf.done(&["backup", "now.jsonl", "--from", &desk.house.store_url()]).await;
    for url in [shelf.url("restored"), database()] {
        shelf.done(&["restore", "now.jsonl", "--to", &url]).await;
        let plan = if url.starts_with("sqlite") { plan().set("store.url", &url) } else { plan().on(&url, 8) };
        let restored = Desk::of(plan).await;
        let begun = Instant::now();
        loop {
            let shown = restored.alice.get(&openai("clerk", &format!("/responses/{response}"))).await.json(200);
            match shown["status"].as_str().unwrap() {
                "in_progress" => assert!(begun.elapsed() < Duration::from_secs(30), "{shown}"),
                status => {
                    assert_eq!(status, "failed", "{shown}");
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
        restored.house.stop().await;
    }
    desk.house.stop().await;
}

/// Data in a directory: much of it in one table, so that a restore takes some time.
async fn filled(shelf: &Shelf, name: &str, rows: u32) -> String {
    let url = shelf.url(name);
    let made = ["key", "create", "--offline", "--user", "root", "--name", "first", "--grant", "all", "--set"];
    shelf.done(&[&made[..], &[&format!("store.url={url}")]].concat()).await;
    let database = Connection::open(shelf.path(name).join("sederunt.db")).unwrap();
    let many = "with recursive n (n) as (select 1 union all select n + 1 from n where n < ?1) \
                insert into request_keys select 'default', 'scope', n, hex(randomblob(100)), '', n from n";
    database.execute(many, [rows]).unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_and_a_move_that_were_killed_go_on_when_they_are_run_again() {
    let shelf = Shelf::new();
    let from = filled(&shelf, "data", 40_000).await;
    shelf.done(&["backup", "all.jsonl", "--from", &from]).await;
    let archive = shelf.archive(&from).await;
    let [restored, moved] = [shelf.url("restored"), shelf.url("moved")];
    for (line, to) in [
        (["restore", "all.jsonl", "--to", &restored].as_slice(), "restored"),
        (["move", "--from", &from, "--to", &moved].as_slice(), "moved"),
    ] {
        let mut killed = shelf.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let database = shelf.path(to).join("sederunt.db");
        while rows_done(&database).is_none_or(|rows| rows < 5_000) {
            assert!(killed.try_wait().unwrap().is_none(), "it was over before it could be killed");
            std::thread::yield_now();
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let url = shelf.url(to);
        let serve = ["serve", "--set", &format!("store.url={url}"), "--set", "http.listen=127.0.0.1:0"];
        shelf.refused(&serve, 3, "did not come to its end").await;
        shelf.refused(&["backup", "half.jsonl", "--from", &url], 2, "it is being restored itself").await;
        assert!(rows_done(&database).is_some_and(|rows| rows < 40_000));
        shelf.done(line).await;
        assert!(shelf.archive(&url).await == archive, "{to}");
    }
}

/// How many rows a restore has noted, as far as another process can see.
fn rows_done(database: &Path) -> Option<i64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(database, flags).ok()?;
    database.query_row("select rows_done from restores", [], |row| row.get(0)).ok()
}

#[tokio::test]
async fn an_archive_is_kept_private_and_never_written_over() {
    let shelf = Shelf::new();
    let from = filled(&shelf, "data", 1).await;
    shelf.done(&["backup", "a.jsonl", "--from", &from]).await;
    assert!(!shelf.path("a.jsonl.part").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(shelf.path("a.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    shelf.refused(&["backup", "a.jsonl", "--from", &from], 2, "there is such a file already").await;
    shelf.refused(&["backup", "b.jsonl", "--from", &shelf.url("none")], 3, "there is no store in").await;
    assert!(!shelf.path("b.jsonl").exists() && !shelf.path("b.jsonl.part").exists());
}

#[tokio::test]
async fn nothing_is_written_from_an_archive_that_is_not_as_it_was_written() {
    let shelf = Shelf::new();
    let from = filled(&shelf, "data", 3).await;
    let archive = shelf.archive(&from).await;
    let to = shelf.url("to");
    let write = |name: &str, text: &str| std::fs::write(shelf.path(name), text).unwrap();
    write("changed", &archive.replacen("\"root\"", "\"boot\"", 1));
    shelf.refused(&["restore", "changed", "--to", &to], 2, "are not as they were written").await;
    write("cut", &archive[..archive.len() - 9]);
    shelf.refused(&["restore", "cut", "--to", &to], 2, "before its end").await;
    write("other", "{}\n");
    shelf.refused(&["restore", "other", "--to", &to], 2, "it is not an archive").await;
    assert!(!shelf.path("to").exists());
    write("whole", &archive);
    shelf.done(&["restore", "whole", "--verify"]).await;
    assert!(!shelf.path("to").exists());
    shelf.done(&["restore", "whole", "--to", &to]).await;
    shelf.refused(&["restore", "whole", "--to", &to], 2, "the store has rows in").await;
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_by_migrate_or_refused_as_one_likes() {
    let shelf = Shelf::new();
    let url = filled(&shelf, "data", 1).await;
    let older = "drop table restores; delete from migrations where number >= 7";
    Connection::open(shelf.path("data").join("sederunt.db")).unwrap().execute_batch(older).unwrap();
    let set = format!("store.url={url}");
    let serve = ["serve", "--set", &set, "--set", "store.migrate=false", "--set", "http.listen=127.0.0.1:0"];
    shelf.refused(&serve, 3, "has schema 6, older than").await;
    shelf.refused(&["migrate", "--check", "--set", &set], 1, "it has schema 6").await;
    assert!(shelf.archive(&url).await.starts_with("{\"sederunt\":\"archive\",\"version\":1,\"schema\":6}\n"));
    let migrated: Value = serde_json::from_str(&shelf.done(&["migrate", "--json", "--set", &set]).await).unwrap();
    assert_eq!(migrated["before"], 6);
    assert_eq!(migrated["schema"], migrated["newest"]);
    shelf.done(&["migrate", "--check", "--set", &set]).await;
    let database = database();
    let set = format!("store.url={database}");
    shelf.refused(&["migrate", "--check", "--set", &set], 1, "it has schema 0").await;
    shelf.done(&["migrate", "--set", &set]).await;
    shelf.done(&["migrate", "--check", "--set", &set]).await;
}
