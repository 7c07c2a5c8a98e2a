//! A PostgreSQL for tests. With a command as arguments: runs it, all its processes sharing the server. Without: each line of
//! input, `database`, `folder`, `stop HOW` or `restart`, is answered by one line, and the end of input ends it.

use std::io::{BufRead as _, Write as _};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use sederunt_rig::postgres::{Postgres, SHARED, Stop};

fn main() -> Result<ExitCode> {
    let postgres = Postgres::start()?;
    let mut arguments = std::env::args_os().skip(1);
    if let Some(program) = arguments.next() {
        let mut command = Command::new(&program);
        let status = command.args(arguments).env(SHARED, postgres.place()).status();
        let status = status.with_context(|| format!("{} cannot be run", program.display()))?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    for line in std::io::stdin().lock().lines() {
        let answer = match line?.as_str() {
            "database" => postgres.database()?,
            "folder" => postgres.folder().display().to_string(),
            "stop immediate" => postgres.stop(Stop::Immediate).map(|()| "stopped".to_owned())?,
            "stop kill" => postgres.stop(Stop::Kill).map(|()| "stopped".to_owned())?,
            "restart" => postgres.restart().map(|()| "started".to_owned())?,
            other => bail!("not a request: {other}"),
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(ExitCode::SUCCESS)
}
