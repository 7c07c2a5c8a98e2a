//! What is broken in a round, and how it is mended.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sederunt_rig::postgres::Stop;

use super::database::Database;
use super::stage::Stage;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Failure {
    /// The leader of the database: kill -9 of PostgreSQL with all its processes, and of its Patroni
    Leader,
    /// A standby, likewise
    Standby,
    /// The only database there is: kill -9 of all its processes, and a start some seconds later
    Restart,
    /// The same, with PostgreSQL told to stop at once
    Immediate,
    /// kill -9 of a node
    Node,
    /// kill -9 of two nodes of three
    TwoNodes,
    /// The network between a node and the database is cut, and heals
    Cut,
    /// SIGSTOP of a node, SIGCONT later
    Pause,
    /// The database has no room left, and gets some
    Disk,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader killed",
            Self::Standby => "standby killed",
            Self::Restart => "database killed",
            Self::Immediate => "database stopped",
            Self::Node => "node killed",
            Self::TwoNodes => "two nodes killed",
            Self::Cut => "node cut off",
            Self::Pause => "node paused",
            Self::Disk => "disk full",
        })
    }
}

/// How long things stay broken.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The load before anything breaks, and after all is mended.
    pub calm: Duration,
    /// A dead node: longer than the others take to notice.
    pub dead: Duration,
    /// A paused node.
    pub pause: Duration,
    /// A node that is cut off.
    pub cut: Duration,
    /// A database that is away or full.
    pub away: Duration,
    /// How many words a turn has to say that is under way when something breaks, at ten a second.
    pub words: usize,
    /// The longest until everybody is told that it was cut short.
    pub told: Duration,
}

/// The node to which what happens to one node happens; the cut is before it.
pub const VICTIM: usize = 0;

impl Failure {
    /// Whether the nodes themselves stay whole and connected, so that all that they said can be stored in the end.
    pub fn spares_nodes(self) -> bool {
        matches!(self, Self::Leader | Self::Standby | Self::Restart | Self::Immediate | Self::Disk)
    }

    /// The nodes that are there all the time.
    pub fn spared(self, nodes: usize) -> Vec<usize> {
        let broken = match self {
            Self::Node | Self::Cut | Self::Pause => 1,
            Self::TwoNodes => 2,
            Self::Leader | Self::Standby | Self::Restart | Self::Immediate | Self::Disk => 0,
        };
        (VICTIM + broken..nodes).collect()
    }

    /// Breaks it, and waits for what mends it or mends it; the moment from which on all must serve again.
    pub async fn strike(self, stage: &mut Stage, pace: Pace) -> Result<Instant> {
        match self {
            Self::Leader => {
                let patroni = stage.database.patroni()?;
                let leader = patroni.leader().context("somebody leads")?;
                patroni.kill(leader)?;
                tokio::task::block_in_place(|| patroni.wait_led())?;
            }
            Self::Standby => {
                let patroni = stage.database.patroni()?;
                let standby = patroni.standby().context("somebody follows")?;
                patroni.kill(standby)?;
                tokio::time::sleep(pace.away).await;
            }
            Self::Restart | Self::Immediate => {
                let how = if self == Self::Restart { Stop::Kill } else { Stop::Immediate };
                let Database::Single(postgres) = &stage.database else { anyhow::bail!("it would have a follower") };
                tokio::task::block_in_place(|| postgres.stop(how))?;
                tokio::time::sleep(pace.away).await;
                tokio::task::block_in_place(|| postgres.restart())?;
            }
            Self::Node | Self::TwoNodes => {
                stage.ring.kill(VICTIM)?;
                if self == Self::TwoNodes {
                    stage.ring.kill(VICTIM + 1)?;
                }
                tokio::time::sleep(pace.dead).await;
                stage.ring.revive()?;
            }
            Self::Cut => {
                stage.cut.cut();
                tokio::time::sleep(pace.cut).await;
                stage.cut.heal();
            }
            Self::Pause => {
                stage.ring.pause(VICTIM)?;
                tokio::time::sleep(pace.pause).await;
                stage.ring.wake(VICTIM)?;
            }
            Self::Disk => {
                let patroni = stage.database.patroni()?;
                let ballast = tokio::task::block_in_place(|| patroni.fill())?;
                tokio::time::sleep(pace.away).await;
                drop(ballast);
                tokio::task::block_in_place(|| patroni.wait_led())?;
            }
        }
        Ok(Instant::now())
    }
}
