//! A pooler between driver and server that lends its few connections a transaction at a time (PgBouncer).

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;
use sederunt_rig::postgres::{Installed, name_of};

use super::*;

/// Ends the pooler when its input closes, so that it outlives nobody.
const SCRIPT: &str = "pgbouncer \"$1\" 2>&1 <&- & pooler=$!; read -r _; kill -9 $pooler";

struct Pooler {
    shell: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// One with two connections to the server that the tests share.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = postgres::Postgres::shared().unwrap().port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new("/bin/sh");
        let installed = Installed::find().unwrap();
        installed.prepare(&mut command);
        if let Some((user, group)) = installed.run_as {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        command.args(["-c", SCRIPT, "sh"]).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(shell.stdout.take().unwrap());
        while !said.contains("process up") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "PgBouncer did not start: {said}");
        }
        while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        // What it logs from here on is read by nobody, so that it must not fill a pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { shell, port, _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

#[tokio::test]
async fn transactions_go_through_a_pooler_that_lends_a_connection_for_each() {
    let pooler = Pooler::start();
    let url = database();
    let driver = connect(&format!("postgres://postgres@127.0.0.1:{}/{}", pooler.port, name_of(&url))).await;
    let work = (1..=64_i64).map(async |id| {
        driver.transact(noted(id)).await.unwrap();
        let n = "select n from notes where id = $1";
        let reads = vec![Read::new(n, vec![id.into()]), Read::new("select 2", vec![])];
        assert_eq!(driver.read(reads, Reach::List).await.unwrap()[0], [[Value::Int(1)]]);
        assert_eq!(driver.transact(noted(id)).await.unwrap(), Outcome::Missed(Guard::Row));
        driver.transact(vec![Step::guarded(Guard::Row, RAISE, vec![id.into()])]).await.unwrap();
    });
    join_all(work).await;
    assert_eq!(rows(&driver, "select count(*) from notes where n = 2").await, [[Value::Int(64)]]);
    let steps = (100..1_100_i64).flat_map(noted).collect();
    assert!(matches!(driver.transact(steps).await.unwrap(), Outcome::Done(_)));
    driver.ping().await.unwrap();
    driver.close().await;
}
