//! Three nodes before a database cluster, and what becomes of what they acknowledged when parts of it die.

mod guard;
mod patroni;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use patroni::Patroni;

/// Breaks a cluster, one part after another, under load.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where Patroni and etcd are installed
    #[arg(long, value_name = "DIR", default_value = "target/patroni")]
    patroni: PathBuf,
}

/// Runs the rounds.
pub async fn run(args: Args) -> Result<bool> {
    let began = Instant::now();
    let mut cluster = Patroni::start(&args.patroni, None)?;
    println!("whole after {:?}, ports {:?}", began.elapsed(), cluster.ports());
    for at in [cluster.leader(), cluster.standby()].into_iter().flatten() {
        let began = Instant::now();
        cluster.kill(at)?;
        while cluster.execute("select 1").is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        println!("member {at} killed, served again after {:?}", began.elapsed());
        cluster.revive()?;
        cluster.wait_whole()?;
        println!("whole again after {:?}", began.elapsed());
    }
    Ok(true)
}
