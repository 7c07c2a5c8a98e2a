//! Sets up what the tests need from package registries, once: the vendors' SDKs at locked versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// The runner of the workspace's own tests: nextest where it is installed, else cargo's.
pub fn rust_tests() -> Vec<String> {
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|out| out.status.success());
    let words: &[&str] = if nextest {
        &["cargo", "nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--status-level", "fail"]
    } else {
        &["cargo", "test", "--workspace", "--locked", "--no-fail-fast"]
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A virtual environment under `target/sdk` with what a dialect's `requirements-<version>.txt` locks.
pub fn python(dialect: &str, version: &str) -> Result<bool> {
    let requirements = format!("tests/conformance/{dialect}/requirements-{version}.txt");
    let home = format!("target/sdk/{dialect}-{version}");
    once(Path::new(&home), &fs::read_to_string(&requirements)?, || {
        let pip = format!("{home}/bin/pip");
        Ok(succeeds("python3", &["-m", "venv", "--clear", &home])?
            && succeeds(&pip, &["install", "--disable-pip-version-check", "--no-input", "-r", &requirements])?)
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
    Ok(Command::new(program).args(arguments).status()?.success())
}
