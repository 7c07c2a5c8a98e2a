//! Turns that are begun on one node and read on the others, over every API, while something breaks or somebody cancels them.

mod azure;
mod palantir;
mod vectara;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sederunt_rig::chance::Chance;
use sederunt_rig::http::{Answer, Connection};

use super::reader::Heard;
use crate::crew::Apis;
use crate::nodes::Board;
use crate::record;

use azure::Response;
use palantir::Exchange;
use vectara::Input;

/// How much has come of a turn on its own node before it is looked at elsewhere.
const WORDS: usize = 4;

/// How such a turn is to end.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is said to its end.
    Completes,
    /// It is cut short, and everybody is told so within this time.
    Interrupted {
        /// When what ran it broke.
        broken: Instant,
        /// Up to which moment what was seen must be stored.
        seen_until: Instant,
        /// The longest that it may take until they are told.
        within: Duration,
    },
}

/// One long turn over each API, all on the node `home`, each read on the nodes `others`.
#[derive(Debug)]
pub struct Turns {
    response: Response,
    exchange: Exchange,
    input: Input,
}

impl Turns {
    /// Begins them, each with so many words to say, and waits until each has said some.
    pub async fn begin(
        apis: &Apis,
        board: &Board,
        home: usize,
        others: &[usize],
        words: usize,
        chance: &mut Chance,
    ) -> Result<Self> {
        let place = Place { board: board.clone(), home, others: others.to_vec() };
        let text = |chance: &mut Chance| {
            let words: Vec<_> = (0..words).map(|_| format!("{:x}", chance.below(1 << 16))).collect();
            format!("long {}", words.join(" "))
        };
        let key = Some(chance.uuid());
        let exchange = record::Exchange { text: text(chance), trace: chance.uuid(), key, stream: true };
        let (responded, put_in) = (text(chance), text(chance));
        // At once, so that none has come to its end before all of them have begun.
        let (response, exchange, input) = tokio::try_join!(
            Response::begin(&apis.azure, &place, responded),
            Exchange::begin(&apis.palantir, &place, exchange),
            Input::begin(&apis.palantir.token, &place, put_in),
        )?;
        Ok(Self { response, exchange, input })
    }

    /// Waits for their ends, and holds what everybody heard against what is stored.
    pub async fn check(self, fate: Fate) -> Result<()> {
        self.response.check(fate).await?;
        self.exchange.check(fate).await?;
        self.input.check(fate).await
    }

    /// Cancels them elsewhere, and holds what everybody heard against what is stored.
    pub async fn cancel(self) -> Result<()> {
        self.response.cancel().await?;
        self.input.cancel().await?;
        // Last, since it is told to its end.
        self.exchange.cancel().await
    }
}

/// Where a turn runs and where it is read.
#[derive(Clone, Debug)]
struct Place {
    board: Board,
    home: usize,
    others: Vec<usize>,
}

impl Place {
    fn address(&self, node: usize) -> Result<std::net::SocketAddr> {
        match self.board.addresses().get(node) {
            Some(address) => Ok(*address),
            None => anyhow::bail!("there is no node {node}"),
        }
    }

    fn home(&self) -> Result<std::net::SocketAddr> {
        self.address(self.home)
    }

    /// Asks the first or the last of the others.
    async fn ask(&self, last: bool, request: &[u8]) -> Result<Answer> {
        let node = if last { self.others.last() } else { self.others.first() };
        let address = self.address(node.copied().unwrap_or(self.home))?;
        Ok(Connection::open(address).await?.ask(request).await?)
    }
}

/// Whether somebody was told of an interruption in time.
fn in_time(who: &str, heard: &Heard, fate: Fate) -> Result<()> {
    if let (Fate::Interrupted { broken, within, .. }, Some((ended, _))) = (fate, heard.ended) {
        let took = ended.saturating_duration_since(broken);
        ensure!(took <= within, "{who} was told after {took:?}, not within {within:?}");
    }
    Ok(())
}
