//! A PostgreSQL for tests in other languages: each line of input, `database` or `stop HOW` or `restart`, is answered by one
//! line, and the end of input ends it.

use std::io::{BufRead as _, Write as _};

use anyhow::{Result, bail};
use sederunt_rig::postgres::{Postgres, Stop};

fn main() -> Result<()> {
    let postgres = Postgres::start()?;
    for line in std::io::stdin().lock().lines() {
        let answer = match line?.as_str() {
            "database" => postgres.database()?,
            "stop immediate" => postgres.stop(Stop::Immediate).map(|()| "stopped".to_owned())?,
            "stop kill" => postgres.stop(Stop::Kill).map(|()| "stopped".to_owned())?,
            "restart" => postgres.restart().map(|()| "started".to_owned())?,
            other => bail!("not a request: {other}"),
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}
