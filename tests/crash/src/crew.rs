//! All who do the load of a round, over every API, and the count of what they leave.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use sederunt_rig::chance::Chance;
use sederunt_rig::server::Server;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::azure;
use crate::count::{Count, Found};
use crate::course::Course;
use crate::load::Worker;
use crate::nodes::{Board, Nodes};
use crate::record::Left;

/// What all workers leave behind.
#[derive(Debug, Default)]
pub struct Lefts {
    palantir: Vec<Left>,
    azure: Vec<azure::Left>,
}

impl Lefts {
    /// Nothing yet, of so many workers over each API.
    pub fn of(palantir: usize, azure: usize) -> Self {
        Self {
            palantir: (0..palantir).map(|_| Left::default()).collect(),
            azure: (0..azure).map(|_| azure::Left::default()).collect(),
        }
    }
}

/// How every node is spoken to.
#[derive(Clone, Debug)]
pub struct Apis {
    pub palantir: Api,
    pub azure: azure::Api,
}

impl Apis {
    /// As a server's ready file says, for its first user.
    pub fn of(server: &Server) -> Result<Self> {
        Self::with(server, server.token())
    }

    /// For its second user, whose lists are others.
    pub fn of_another(server: &Server) -> Result<Self> {
        Self::with(server, server.second_token())
    }

    fn with(server: &Server, token: &str) -> Result<Self> {
        let palantir = Api { token: token.to_owned(), agent: server.agent("echo")?.to_owned() };
        Ok(Self { palantir, azure: azure::Api { token: token.to_owned() } })
    }

    /// Makes the agent that answers over the Azure API, if it is not there.
    pub async fn make_agent(&self, board: &Board) -> Result<()> {
        let made = Nodes::new(board, 0).ask(&self.azure.agent()).await?;
        ensure!(made.status == 200, "the agent cannot be made: {}", made.text());
        Ok(())
    }
}

/// Workers at work.
#[derive(Debug)]
pub struct Crew {
    palantir: JoinSet<Left>,
    azure: JoinSet<azure::Left>,
}

impl Crew {
    /// Sets them to work on the nodes of a board, where the others left off.
    pub async fn begin(
        apis: &Apis,
        board: &Board,
        course: &Arc<Course>,
        lefts: Lefts,
        chance: &mut Chance,
    ) -> Result<Self> {
        apis.make_agent(board).await?;
        let mut crew = Self { palantir: JoinSet::new(), azure: JoinSet::new() };
        for (number, left) in lefts.palantir.into_iter().enumerate() {
            let (chance, slow) = (Chance::new(chance.number()), number % 2 == 0);
            let worker = Worker { api: apis.palantir.clone(), chance, left, slow, course: course.clone() };
            // The first stay with a node each, so that what holds up one node does not look as if it held up the others.
            let stays = number < board.addresses().len();
            let nodes = if stays { Nodes::only(board, number) } else { Nodes::new(board, number) };
            crew.palantir.spawn(worker.run(nodes));
        }
        for (number, left) in lefts.azure.into_iter().enumerate() {
            let chance = Chance::new(chance.number());
            let worker = azure::Worker { api: apis.azure.clone(), chance, left, course: course.clone() };
            crew.azure.spawn(worker.run(Nodes::new(board, number)));
        }
        Ok(crew)
    }

    /// Waits until all of them have ended.
    pub async fn end(self) -> Lefts {
        Lefts { palantir: self.palantir.join_all().await, azure: self.azure.join_all().await }
    }
}

/// Counts what stands against what was left, and settles there what was unsure. What was seen by `seen_until` must be stored.
pub async fn count(
    apis: &Apis,
    board: &Board,
    lefts: &mut Lefts,
    seen_until: Instant,
    chance: &mut Chance,
) -> Result<Found> {
    let (api, nodes) = (apis.palantir.clone(), Nodes::new(board, 0));
    let count = Count { api, nodes, seen_until, found: Found::default() };
    let mut found = count.run(&mut lefts.palantir).await.context("over the Palantir API")?;
    let (api, nodes, chance) = (apis.azure.clone(), Nodes::new(board, 0), Chance::new(chance.number()));
    let count = azure::Count { api, nodes, seen_until, chance, found: Found::default() };
    found += count.run(&mut lefts.azure).await.context("over the Azure API")?;
    Ok(found)
}
