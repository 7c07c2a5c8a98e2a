//! Runs one program with its output in a log file and a limit on its time.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::tally::Tally;

/// Where the logs go, wherever this is run from.
const LOGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/xtask");

/// Lines of a failed stage's log that are shown.
const TAIL: usize = 60;

/// How a stage went.
pub struct Outcome {
    /// Whether it ended well.
    pub passed: bool,
    /// What it counted.
    pub tally: Tally,
    /// What stands at the end of its line.
    pub note: String,
    /// The end of its log, if it failed.
    pub tail: Option<String>,
}

impl Outcome {
    /// A stage that would have said nothing, because `need` failed.
    pub fn not_run(need: &str) -> Self {
        let tally = Tally { passed: 0, failed: 1 };
        Self { passed: false, tally, note: format!("not run: needs {need}"), tail: None }
    }
}

/// A command without what `cargo run` tells this program of itself: build scripts that look at it would be run again by
/// every cargo that is started from here, and once more by the next that is not.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `words` and waits, at most `limit`. An error only if it could not be started.
pub fn program(name: &str, words: &[String], more: &[(&str, &str)], limit: Duration) -> Result<Outcome> {
    fs::create_dir_all(LOGS)?;
    let path = Path::new(LOGS).join(format!("{name}.log"));
    let log = File::create(&path)?;
    let (first, rest) = words.split_first().context("a stage has a program")?;
    let child = command(first)
        .args(rest)
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn();
    let ended = match child {
        Ok(mut child) => wait(&mut child, limit)?,
        Err(error) => {
            fs::write(&path, format!("{first}: {error}\n"))?;
            Ended::NotStarted
        }
    };
    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    let passed = matches!(ended, Ended::With(status) if status.success());
    let tally = Tally::of(&text, passed);
    let note = match ended {
        Ended::With(_) if tally.is_suite() => tally.to_string(),
        Ended::With(_) => String::new(),
        Ended::OutOfTime => format!("stopped after {} s", limit.as_secs()),
        Ended::NotStarted => "could not be started".to_owned(),
    };
    let tail = (!passed).then(|| {
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        let indented: String = shown.iter().map(|line| format!("    {line}\n")).collect();
        format!("{indented}    log: target/xtask/{name}.log")
    });
    Ok(Outcome { passed, tally, note, tail })
}

enum Ended {
    With(ExitStatus),
    OutOfTime,
    NotStarted,
}

/// Waits for the child; past the limit, ends it with all that it started.
fn wait(child: &mut Child, limit: Duration) -> Result<Ended> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::With(status));
        }
        if began.elapsed() > limit {
            // The child leads a process group of its own, so the servers that a test run started end with it.
            Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
            child.wait()?;
            return Ok(Ended::OutOfTime);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str, limit: Duration) -> Outcome {
        program(name, &["sh", "-c", script].map(str::to_owned), &[], limit).unwrap()
    }

    #[test]
    fn a_failing_program_shows_the_end_of_its_log() {
        let outcome = shell("self-test-failing", "echo the reason; exit 3", Duration::from_secs(10));
        assert!(!outcome.passed);
        assert_eq!(outcome.tally, Tally { passed: 0, failed: 1 });
        assert!(outcome.tail.unwrap().contains("the reason"));
    }

    #[test]
    fn a_program_that_hangs_is_ended_at_its_limit() {
        let outcome = shell("self-test-hanging", "sleep 600 & wait", Duration::from_millis(100));
        assert!(!outcome.passed);
        assert!(outcome.note.starts_with("stopped"));
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure_and_not_an_error() {
        let words = ["/nowhere/at/all".to_owned()];
        assert!(!program("self-test-missing", &words, &[], Duration::from_secs(1)).unwrap().passed);
    }
}
