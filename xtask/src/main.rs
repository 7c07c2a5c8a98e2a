//! The single door to what this workspace checks: `cargo xtask test` runs everything, and CI calls the same.

mod commands;
mod guard;
mod install;
mod run;
mod schedule;
mod stages;
mod tally;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
cargo xtask test [STAGE…]    every stage, or these and what they need
cargo xtask check            fmt, clippy and guard
cargo xtask stages           the names of the stages
cargo xtask crash [ARG…]     break servers and databases under load, then count
cargo xtask bench [ARG…]     the budgets beside their yardsticks";

fn main() -> ExitCode {
    match dispatch() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went well; an error if the question itself was wrong.
fn dispatch() -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    env::set_current_dir(root)?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    match (command, rest) {
        ("test", chosen) => stages::run(chosen),
        ("check", []) => stages::run(&["fmt", "clippy", "guard"].map(str::to_owned)),
        ("stages", []) => {
            stages::ALL.iter().for_each(|stage| println!("{:28} {}", stage.name, stage.about));
            Ok(true)
        }
        ("guard", []) => guard::run(),
        ("commands", []) => commands::run(),
        ("install-postgresql", []) => install::postgresql(),
        ("install-python", [dialect, version]) => install::python(dialect, version),
        ("install-node", [suite]) => install::node(suite),
        ("crash", []) => Ok(crash(&["alone".to_owned()])? & crash(&["cluster".to_owned()])?),
        ("crash", arguments) => crash(arguments),
        ("bench", arguments) => Ok(install::postgresql()? && program("sederunt-bench", arguments)?),
        _ => bail!("unknown command\n{USAGE}"),
    }
}

/// One server that is killed, or a cluster whose parts die.
fn crash(arguments: &[String]) -> Result<bool> {
    let cluster = arguments.first().is_some_and(|what| what == "cluster");
    let ready = !cluster || (install::postgresql()? && install::patroni("target/patroni")?);
    Ok(ready && program("sederunt-crash", arguments)?)
}

/// Runs a program of the tests, built for release. It starts the server that lies beside it, so both are built.
fn program(name: &str, arguments: &[String]) -> Result<bool> {
    let build = ["build", "--release", "--locked", "-p", "sederunt", "-p", name];
    if !run::command("cargo").args(build).status()?.success() {
        return Ok(false);
    }
    Ok(run::command(&format!("target/release/{name}")).args(arguments).status()?.success())
}
