//! Kills the one server of a SQLite store at random instants under load, starts it again on the same data, and counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sederunt_rig::chance::Chance;
use sederunt_rig::server::{Server, Start, binary_beside};

use crate::SCRIPT;
use crate::count::{Found, stored_until};
use crate::course::Course;
use crate::crew::{self, Apis, Crew, Lefts};
use crate::nodes::Board;

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
    let mut lefts = Lefts::of(args.workers.max(1), args.azure_workers);
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
        let board = Board::new(vec![server.address]);
        let seen_until = stored_until(killed, strict);
        let counted = crew::count(&Apis::of(&server)?, &board, &mut lefts, seen_until, &mut chance).await;
        let mut found = counted.with_context(|| start.log())?;
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

/// Puts load on a server for `length`, then kills it. What the workers were told, and when it was killed.
async fn load(server: Server, lefts: Lefts, chance: &mut Chance, length: Duration) -> Result<(Lefts, Instant)> {
    let course = Arc::new(Course::default());
    let board = Board::new(vec![server.address]);
    let crew = Crew::begin(&Apis::of(&server)?, &board, &course, lefts, chance).await?;
    tokio::time::sleep(length).await;
    course.set_breaking(true);
    let at = Instant::now();
    server.kill()?;
    course.end();
    Ok((crew.end().await, at))
}
