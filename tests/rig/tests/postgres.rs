//! The PostgreSQL of the tests: what it keeps, and that it leaves nothing behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sederunt_rig::postgres::{Postgres, Stop, name_of};

#[test]
fn what_was_committed_outlives_every_way_to_end_it() {
    let postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    let name = name_of(&url);
    postgres.execute(name, "create table t (n int)").unwrap();
    for (n, how) in (1..).zip([Stop::Fast, Stop::Immediate, Stop::Kill]) {
        postgres.execute(name, "insert into t values (1)").unwrap();
        postgres.stop(how).unwrap();
        assert!(postgres.execute(name, "select 1").is_err(), "it answers after {how:?}");
        postgres.restart().unwrap();
        assert_eq!(postgres.execute(name, "select count(*) from t").unwrap(), n.to_string(), "after {how:?}");
    }
}

#[tokio::test]
async fn a_database_made_from_another_has_what_that_has() {
    let postgres = Postgres::shared().unwrap();
    for _ in 0..2 {
        let prepare = async |url: String| {
            postgres.execute(name_of(&url), "create table t as select 7 as n").unwrap();
        };
        postgres.template("original", prepare).await.unwrap();
        let url = postgres.database_like("original").unwrap();
        assert_eq!(postgres.execute(name_of(&url), "select n from t").unwrap(), "7");
        assert_eq!(postgres.execute(name_of(&url), "show server_encoding").unwrap(), "UTF8");
        postgres.drop_database(&url).unwrap();
        assert!(postgres.execute(name_of(&url), "select 1").is_err());
    }
}

#[test]
fn all_processes_of_a_run_share_one() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_sederunt-test-postgres"));
    let done = run.args(["sh", "-c", "echo $TEST_POSTGRES; exit 3"]).output().unwrap();
    assert!(!done.status.success());
    let said = String::from_utf8(done.stdout).unwrap();
    let (port, folder) = said.trim().split_once(' ').unwrap();
    assert!(port.parse::<u16>().is_ok() && !Path::new(folder).exists());
}

#[test]
fn it_ends_and_takes_its_folder_along_when_its_test_is_killed() {
    let mut test = Command::new(env!("CARGO_BIN_EXE_sederunt-test-postgres"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(test.stdin.as_mut().unwrap(), "database").unwrap();
    let mut url = String::new();
    BufReader::new(test.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    assert!(url.starts_with("postgres://"), "{url}");
    let folder = std::env::temp_dir().join(format!("sederunt-pg-{}-0", test.id()));
    let server = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(server.lines().next().unwrap());
    assert!(process.exists());
    test.kill().unwrap();
    test.wait().unwrap();
    let began = Instant::now();
    while folder.exists() || is_alive(&process) {
        assert!(began.elapsed() < Duration::from_secs(20), "it is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs, rather than being only not yet waited for.
fn is_alive(process: &Path) -> bool {
    std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
