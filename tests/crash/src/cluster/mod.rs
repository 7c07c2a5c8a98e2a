//! Three nodes before a database, and what becomes of what they acknowledged when parts of it break.

mod cut;
mod database;
mod failure;
mod guard;
mod patroni;
mod reader;
mod report;
mod ring;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sederunt_rig::chance::Chance;
use sederunt_rig::postgres::Postgres;
use sederunt_rig::server::binary_beside;

use crate::SCRIPT;
use crate::count::stored_until;
use crate::course::Course;
use crate::crew::{self, Apis, Crew, Lefts};

use cut::Cut;
use database::{Database, url};
use failure::{Failure, Pace, VICTIM};
use patroni::Patroni;
use report::{Report, gaps};
use ring::Ring;
use story::{Fate, Turns};

/// How many nodes there are.
const NODES: usize = 3;
/// How many workers do the load over the Palantir API, and how many over the Azure API.
const WORKERS: (usize, usize) = (6, 2);
/// How many words a turn has to say that is cancelled, at ten a second; it says some of them in any case.
const WORDS: usize = 40;
/// How often every node must acknowledge something to be back.
const BACK: usize = 5;
/// The longest that may take once all is mended.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);
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
    Ok(reports.iter().all(|report| report.found.violations.is_empty()))
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
        words: 30,
        told: Duration::from_secs(10),
    };
    let arguments = ["--set", "node.beat=500ms", "--set", "node.dead_after=2s"].map(str::to_owned);
    let folder = tempfile::tempdir()?;
    let postgres = tokio::task::block_in_place(Postgres::start)?;
    let seed = chance(args.seed).number();
    let stage = Stage::set(Database::Single(postgres), &binary, folder.path(), &arguments, pace, seed).await?;
    let reports = stage.run(&failures).await?;
    println!("\n{}", report::table(&reports));
    Ok(reports.iter().all(|report| report.found.violations.is_empty()))
}

fn chance(seed: Option<u64>) -> Chance {
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()).wrapping_mul(0x2545_f491_4f6c_dd1d));
    println!("seed {seed}");
    Chance::new(seed)
}

/// A database, the nodes before it, and what their clients know. What is dropped first ends first.
#[derive(Debug)]
struct Stage {
    ring: Ring,
    cut: Cut,
    database: Database,
    pace: Pace,
    strict: bool,
    lefts: Lefts,
    chance: Chance,
}

impl Stage {
    async fn set(
        database: Database,
        binary: &Path,
        folder: &Path,
        arguments: &[String],
        pace: Pace,
        seed: u64,
    ) -> Result<Self> {
        let cut = Cut::before(&database.ports()).await?;
        let mut urls = vec![url(&database.ports()); NODES];
        if let Some(victim) = urls.get_mut(VICTIM) {
            *victim = url(cut.ports());
        }
        let strict = arguments.iter().any(|argument| argument.ends_with("=strict"));
        let script = ["--script".to_owned(), SCRIPT.to_owned()];
        let ring = Ring::start(binary, folder, &urls, &[arguments, &script].concat())?;
        let lefts = Lefts::of(WORKERS.0, WORKERS.1);
        Ok(Self { ring, cut, database, pace, strict, lefts, chance: Chance::new(seed) })
    }

    async fn run(mut self, failures: &[Failure]) -> Result<Vec<Report>> {
        self.cancel().await.with_context(|| self.logs())?;
        let mut reports = Vec::new();
        for &failure in failures {
            let began = Instant::now();
            let report = self.round(failure).await.with_context(|| format!("{failure}\n{}", self.logs()))?;
            println!("{failure}, {:.1} s: {}", began.elapsed().as_secs_f64(), report.found);
            for violation in &report.found.violations {
                println!("  VIOLATED: {violation}");
            }
            if !report.found.violations.is_empty() {
                println!("{}", self.logs());
            }
            reports.push(report);
        }
        Ok(reports)
    }

    /// A turn that runs on one node is read on another, resumed on a third and cancelled there.
    async fn cancel(&mut self) -> Result<()> {
        let apis = Apis::of_another(self.ring.server(VICTIM)?)?;
        apis.make_agent(self.ring.board()).await?;
        let turns = Turns::begin(&apis, self.ring.board(), VICTIM, &[1, 2], WORDS, &mut self.chance).await?;
        turns.cancel().await?;
        self.wait_quiet().await
    }

    async fn round(&mut self, failure: Failure) -> Result<Report> {
        let course = Arc::new(Course::default());
        let apis = Apis::of(self.ring.server(NODES - 1)?)?;
        let (pace, board) = (self.pace, self.ring.board().clone());
        let lefts = std::mem::take(&mut self.lefts);
        let crew = Crew::begin(&apis, &board, &course, lefts, &mut self.chance).await?;
        tokio::time::sleep(pace.calm).await;
        let others: Vec<_> = failure.spared(NODES).into_iter().filter(|node| *node != VICTIM).collect();
        let another = Apis::of_another(self.ring.server(NODES - 1)?)?;
        let turns = Turns::begin(&another, &board, VICTIM, &others, pace.words, &mut self.chance).await?;
        course.set_breaking(true);
        let broken = Instant::now();
        let mended = failure.strike(self, pace).await?;
        let back = self.wait_back(&course, mended).await?;
        course.set_breaking(false);
        tokio::task::block_in_place(|| self.database.mend())?;
        tokio::time::sleep(pace.calm).await;
        course.end();
        let mut lefts = crew.end().await;
        self.wait_quiet().await?;
        let spares = failure.spares_nodes();
        let seen_until = if spares { Instant::now() } else { stored_until(broken, self.strict) };
        let fate = if spares { Fate::Completes } else { Fate::Interrupted { broken, seen_until, within: pace.told } };
        let told = turns.check(fate).await;
        let mut found = crew::count(&apis, &board, &mut lefts, seen_until, &mut self.chance).await?;
        found.violations.extend(told.err().map(|error| format!("{error:#}")));
        self.lefts = lefts;
        let acknowledged = course.acknowledged();
        let (stood_still, waited) = gaps(&acknowledged, broken);
        Ok(Report { failure, stood_still, waited, back, acknowledged: acknowledged.len(), found })
    }

    /// Waits until every node has acknowledged something since `mended` and nothing has failed for a while; how long after
    /// `mended` something did last.
    async fn wait_back(&self, course: &Course, mended: Instant) -> Result<Duration> {
        loop {
            let failed = course.failed().unwrap_or(mended).max(mended);
            let acknowledged = course.acknowledged();
            let since = |node| acknowledged.iter().filter(|one| one.node == node && one.at >= failed).count();
            let counts: Vec<_> = (0..self.ring.len()).map(since).collect();
            if failed.elapsed() >= self.pace.calm && counts.iter().all(|count| *count >= BACK) {
                return Ok(failed.saturating_duration_since(mended));
            }
            if mended.elapsed() > PATIENCE {
                bail!("the service was not back {PATIENCE:?} after all was mended: {counts:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until nothing runs: what ran where a node died has been ended by another.
    async fn wait_quiet(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let held = tokio::task::block_in_place(|| self.database.execute("select count(*) from leases"))?;
            if held.trim() == "0" {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("{held} lanes are held, and nothing is asked for any more");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn logs(&self) -> String {
        let logs = (0..self.ring.len()).map(|at| {
            let log = self.ring.log(at);
            let from = log.char_indices().rev().nth(4_000).map_or(0, |(at, _)| at);
            format!("--- node {at}\n{}", log.get(from..).unwrap_or_default())
        });
        logs.collect()
    }
}
