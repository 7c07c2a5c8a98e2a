//! Sets up what the tests need from package registries, once: the vendors' SDKs at locked versions, and PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The runner of the workspace's own tests, with a PostgreSQL for them: nextest where it is installed, else cargo's.
pub fn rust_tests() -> Vec<String> {
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|out| out.status.success());
    // Each test is a process of its own under nextest, and starts no PostgreSQL where the run has one.
    let runner: &[&str] = if nextest {
        &["cargo", "nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "fail"]
    } else {
        &["cargo", "test", "--workspace", "--locked", "--no-fail-fast"]
    };
    std::iter::once(&"target/debug/sederunt-test-postgres").chain(runner).map(|&word| word.to_owned()).collect()
}

/// A virtual environment under `target/sdk` with what a dialect's `requirements-<version>.txt` locks.
pub fn python(dialect: &str, version: &str) -> Result<bool> {
    let requirements = format!("tests/conformance/{dialect}/requirements-{version}.txt");
    environment(&format!("target/sdk/{dialect}-{version}"), &requirements)
}

/// Patroni and etcd, in a virtual environment at `home`.
pub fn patroni(home: &str) -> Result<bool> {
    environment(home, "tests/crash/patroni/requirements.txt")
}

fn environment(home: &str, requirements: &str) -> Result<bool> {
    once(Path::new(home), &fs::read_to_string(requirements)?, || {
        let pip = format!("{home}/bin/pip");
        Ok(succeeds("python3", &["-m", "venv", "--clear", home])?
            && succeeds(&pip, &["install", "--disable-pip-version-check", "--no-input", "-r", requirements])?)
    })
}

/// The packages of a `package-lock.json`, beside the tests that import them: `suite` is their folder below the suites.
pub fn node(suite: &str) -> Result<bool> {
    let folder = format!("tests/conformance/{suite}");
    let lock = fs::read_to_string(format!("{folder}/package-lock.json"))?;
    once(&Path::new(&folder).join("node_modules"), &lock, || {
        succeeds("npm", &["ci", "--no-audit", "--no-fund", "--prefix", &folder])
    })
}

/// PostgreSQL's programs and PgBouncer, from Debian's packages where they are missing and this process may install them.
pub fn postgresql() -> Result<bool> {
    if has_postgresql() {
        return Ok(true);
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0");
    let apt = Command::new("apt-get").arg("--version").output().is_ok_and(|out| out.status.success());
    if !(root && apt) {
        bail!(
            "the programs of PostgreSQL (initdb, postgres, psql) or PgBouncer are missing: install Debian's packages \
             `postgresql` and `pgbouncer`, or their like"
        );
    }
    let install = ["install", "--yes", "--no-install-recommends", "postgresql", "pgbouncer"];
    // The lists of packages may be missing on a new machine, and as a rule are not.
    let installed =
        succeeds("apt-get", &install)? || (succeeds("apt-get", &["update"])? && succeeds("apt-get", &install)?);
    Ok(installed && has_postgresql())
}

/// Whether there is a version of which a server can be started, and a pooler to stand before it.
fn has_postgresql() -> bool {
    let pooler = Command::new("pgbouncer").arg("--version").output().is_ok_and(|out| out.status.success());
    let of_debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured =
        configured.and_then(|out| String::from_utf8(out.stdout).ok()).map(|path| PathBuf::from(path.trim()));
    pooler && of_debian.chain(configured).any(|programs| programs.join("initdb").is_file())
}

/// Does `work` unless `home` says that it was done for the same `lock`; a half-done one is done again.
fn once(home: &Path, lock: &str, work: impl FnOnce() -> Result<bool>) -> Result<bool> {
    let stamp = home.join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == lock) {
        return Ok(true);
    }
    let done = work()?;
    if done {
        fs::write(&stamp, lock)?;
    }
    Ok(done)
}

fn succeeds(program: &str, arguments: &[&str]) -> Result<bool> {
    Ok(Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?.success())
}
