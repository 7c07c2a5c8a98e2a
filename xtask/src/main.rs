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
cargo xtask crash [ARG…]     kill -9 under load, then count
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
            stages::ALL.iter().for_each(|stage| println!("{:24} {}", stage.name, stage.about));
            Ok(true)
        }
        ("guard", []) => guard::run(),
        ("commands", []) => commands::run(),
        ("install-postgresql", []) => install::postgresql(),
        ("install-python", [dialect, version]) => install::python(dialect, version),
        ("install-node", [suite]) => install::node(suite),
        ("crash" | "bench", arguments) => {
            let program = format!("sederunt-{command}");
            // The program starts the server that lies beside it, so both are built.
            let build = ["build", "--release", "--locked", "-p", "sederunt", "-p", &program];
            if !run::command("cargo").args(build).status()?.success() {
                return Ok(false);
            }
            Ok(run::command(&format!("target/release/{program}")).args(arguments).status()?.success())
        }
        _ => bail!("unknown command\n{USAGE}"),
    }
}
