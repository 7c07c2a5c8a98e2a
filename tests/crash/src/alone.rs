//! Kills the one server of a SQLite store at random instants under load, starts it again on the same data, and counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sederunt_rig::chance::Chance;
use sederunt_rig::http::Connection;
use sederunt_rig::server::{Server, Start, binary_beside};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::count::{Count, Found, stored_until};
use crate::load::Worker;
use crate::record::Left;
use crate::{SCRIPT, azure};

/// A load lasts at least this long, and at most as long again and a second more.
const LOAD: Duration = Duration::from_millis(250);

/// Kills the server under load and counts what is left.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often it is killed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// The server; the one that lies beside this program unless named
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// What the load and the instants are drawn from; drawn itself unless given
    #[arg(long)]
    seed: Option<u64>,
    /// How many connections do the load over the Palantir API
    #[arg(long, default_value_t = 24)]
    workers: usize,
    /// How many more do it over the Azure API
    #[arg(long, default_value_t = 8)]
    azure_workers: usize,
    /// The longest a start after a crash may take, in milliseconds
    #[arg(long, default_value_t = 500, value_name = "MS")]
    ready_within: u64,
}

/// Runs the rounds and prints what each came to.
pub async fn run(args: Args) -> Result<Found> {
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()).wrapping_mul(0x2545_f491_4f6c_dd1d));
    println!("seed {seed}");
    let folder = tempfile::tempdir()?;
    let binary = args.binary.clone().map_or_else(binary_beside, Ok)?;
    let mut chance = Chance::new(seed);
    let mut lefts = Lefts {
        palantir: (0..args.workers.max(1)).map(|_| Left::default()).collect(),
        azure: (0..args.azure_workers).map(|_| azure::Left::default()).collect(),
    };
    let mut total = Found::default();
    let mut slowest = Duration::ZERO;
    for round in 1..=args.rounds {
        let strict = round % 2 == 0;
        let durability = if strict { "strict" } else { "relaxed" };
        let data = folder.path().join("data");
        let start = Start {
            binary: binary.clone(),
            folder: folder.path().to_owned(),
            arguments: ["--data", &data.display().to_string(), "--script", SCRIPT, "--set"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("store.stream_durability={durability}")])
                .collect(),
        };
        let length = LOAD + Duration::from_millis(chance.below(LOAD.as_millis() as usize + 1_000) as u64);
        let server = start.run()?;
        let (left, killed) = load(server, std::mem::take(&mut lefts), &mut chance, length).await?;
        lefts = left;
        if chance.percent(30) {
            start.run_and_kill(Duration::from_millis(chance.below(60) as u64))?;
        }
        let server = start.run()?;
        slowest = slowest.max(server.took);
        let count = Count {
            api: api(&server)?,
            connection: Connection::open(server.address).await?,
            seen_until: stored_until(killed, strict),
            found: Found::default(),
        };
        let mut found = count.run(&mut lefts.palantir).await.with_context(|| start.log())?;
        let count = azure::Count {
            api: azure::Api { token: server.token().to_owned() },
            connection: Connection::open(server.address).await?,
            seen_until: stored_until(killed, strict),
            chance: Chance::new(chance.number()),
            found: Found::default(),
        };
        found += count.run(&mut lefts.azure).await.with_context(|| start.log())?;
        let server_ready = server.took;
        if server_ready > Duration::from_millis(args.ready_within) {
            found.violations.push(format!("ready after {server_ready:?}, not within {} ms", args.ready_within));
        }
        server.kill()?;
        let (length, ready) = (length.as_millis(), server_ready.as_millis());
        println!("round {round}: {durability}, killed after {length} ms, ready in {ready} ms, {found}");
        for violation in &found.violations {
            println!("  VIOLATED: {violation}");
        }
        total += found;
    }
    println!("{} rounds, slowest start {} ms: {total}", args.rounds, slowest.as_millis());
    Ok(total)
}

fn api(server: &Server) -> Result<Api> {
    Ok(Api { token: server.token().to_owned(), agent: server.agent("echo")?.to_owned() })
}

/// What all workers leave behind.
#[derive(Debug, Default)]
struct Lefts {
    palantir: Vec<Left>,
    azure: Vec<azure::Left>,
}

/// Puts load on a server for `length`, then kills it. What the workers were told, and when it was killed.
async fn load(server: Server, lefts: Lefts, chance: &mut Chance, length: Duration) -> Result<(Lefts, Instant)> {
    let killed = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for (number, left) in lefts.palantir.into_iter().enumerate() {
        let chance = Chance::new(chance.number());
        let worker = Worker { api: api(&server)?, chance, left, slow: number % 2 == 0, killed: killed.clone() };
        workers.spawn(worker.run(server.address));
    }
    let azure = azure::Api { token: server.token().to_owned() };
    let made = Connection::open(server.address).await?.ask(&azure.agent()).await?;
    anyhow::ensure!(made.status == 200, "the agent cannot be made: {}", made.text());
    let mut azure_workers = JoinSet::new();
    for left in lefts.azure {
        let chance = Chance::new(chance.number());
        let worker = azure::Worker { api: azure.clone(), chance, left, killed: killed.clone() };
        azure_workers.spawn(worker.run(server.address));
    }
    tokio::time::sleep(length).await;
    killed.store(true, Ordering::SeqCst);
    let at = Instant::now();
    server.kill()?;
    Ok((Lefts { palantir: workers.join_all().await, azure: azure_workers.join_all().await }, at))
}
