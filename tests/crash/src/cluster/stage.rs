//! A round: load, something that breaks, the wait until all serve again, and the count.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sederunt_rig::chance::Chance;

use super::cut::Cut;
use super::database::{Database, url};
use super::failure::{Failure, Pace, VICTIM};
use super::report::{Report, gaps};
use super::ring::Ring;
use super::story::{Fate, Turns};
use crate::SCRIPT;
use crate::count::stored_until;
use crate::course::Course;
use crate::crew::{self, Apis, Crew, Lefts};

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
/// A database, the nodes before it, and what their clients know. What is dropped first ends first.
#[derive(Debug)]
pub struct Stage {
    pub ring: Ring,
    pub cut: Cut,
    pub database: Database,
    pace: Pace,
    strict: bool,
    lefts: Lefts,
    chance: Chance,
}

impl Stage {
    /// Starts three nodes before a database.
    pub async fn set(
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

    /// Has one thing break after the other.
    pub async fn run(mut self, failures: &[Failure]) -> Result<Vec<Report>> {
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
