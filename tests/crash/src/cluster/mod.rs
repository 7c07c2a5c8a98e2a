//! Three nodes before a database, and what becomes of what they acknowledged when parts of it break.

mod cut;
mod database;
mod failure;
mod guard;
mod patroni;
mod reader;
mod report;
mod ring;
mod stage;
mod story;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use sederunt_rig::chance::Chance;
use sederunt_rig::postgres::Postgres;
use sederunt_rig::server::binary_beside;

use database::Database;
use failure::{Failure, Pace};
use patroni::Patroni;
use report::Report;
use stage::Stage;

/// The room on the disk that is filled.
const DISK: u64 = 1 << 29;

/// Breaks a cluster of databases and nodes, one part after another, under load.
#[derive(Debug, clap::Args)]
pub struct Long {
    /// What breaks, one after the other; everything unless named
    #[arg(value_enum)]
    failures: Vec<Failure>,
    /// Where Patroni and etcd are installed
    #[arg(long, value_name = "DIR", default_value = "target/patroni")]
    patroni: PathBuf,
    /// The node's program; the one that lies beside this program unless named
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// What the load is drawn from; drawn itself unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Where to write what was found, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The short form: nodes that notice quickly, before a single database.
#[derive(Debug, clap::Args)]
pub struct Short {
    /// What breaks, one after the other; everything that can unless named
    #[arg(value_enum)]
    failures: Vec<Failure>,
    /// The node's program; the one that lies beside this program unless named
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// What the load is drawn from; drawn itself unless given
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the rounds before a database cluster. Whether every promise was kept.
pub async fn long(args: Long) -> Result<bool> {
    let all = [
        Failure::Leader,
        Failure::Standby,
        Failure::Node,
        Failure::TwoNodes,
        Failure::Cut,
        Failure::Pause,
        Failure::Disk,
    ];
    let failures = if args.failures.is_empty() { all.to_vec() } else { args.failures };
    let binary = args.binary.map_or_else(binary_beside, Ok)?;
    let pace = Pace {
        calm: Duration::from_secs(3),
        dead: Duration::from_secs(20),
        pause: Duration::from_secs(60),
        cut: Duration::from_secs(30),
        away: Duration::from_secs(20),
        words: 150,
        told: Duration::from_secs(30),
    };
    // What a client has seen of a reply is held to as well.
    let arguments = ["--set", "store.stream_durability=strict"].map(str::to_owned);
    let mut chance = chance(args.seed);
    let (on_full, on_disk): (Vec<_>, Vec<_>) = failures.into_iter().partition(|failure| *failure == Failure::Disk);
    let mut reports = Vec::new();
    for (failures, disk) in [(on_disk, None), (on_full, Some(DISK))] {
        if failures.is_empty() {
            continue;
        }
        let patroni = tokio::task::block_in_place(|| Patroni::start(&args.patroni, disk))?;
        let folder = patroni.folder().join("nodes");
        let stage = Stage::set(Database::Cluster(patroni), &binary, &folder, &arguments, pace, chance.number());
        reports.extend(stage.await?.run(&failures).await?);
    }
    println!("\n{}", report::table(&reports));
    if let Some(file) = args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report::as_json(&reports))?)?;
    }
    Ok(reports.iter().all(Report::is_kept))
}

/// Runs the rounds before a single database. Whether every promise was kept.
pub async fn short(args: Short) -> Result<bool> {
    let all = [Failure::Restart, Failure::Node, Failure::TwoNodes, Failure::Cut, Failure::Pause];
    let failures = if args.failures.is_empty() { all.to_vec() } else { args.failures };
    let binary = args.binary.map_or_else(binary_beside, Ok)?;
    let pace = Pace {
        calm: Duration::from_millis(700),
        dead: Duration::from_millis(3_500),
        pause: Duration::from_secs(5),
        cut: Duration::from_secs(5),
        away: Duration::from_secs(2),
        words: 45,
        told: Duration::from_secs(10),
    };
    let arguments = ["--set", "node.beat=500ms", "--set", "node.dead_after=2s"].map(str::to_owned);
    let folder = tempfile::tempdir()?;
    let postgres = tokio::task::block_in_place(Postgres::start)?;
    let seed = chance(args.seed).number();
    let stage = Stage::set(Database::Single(postgres), &binary, folder.path(), &arguments, pace, seed).await?;
    let reports = stage.run(&failures).await?;
    println!("\n{}", report::table(&reports));
    Ok(reports.iter().all(Report::is_kept))
}

fn chance(seed: Option<u64>) -> Chance {
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()).wrapping_mul(0x2545_f491_4f6c_dd1d));
    println!("seed {seed}");
    Chance::new(seed)
}
