//! The journal: what happened in a session of late, as lines that somebody who looks after it can read. It is kept in
//! memory, bounded; what a process before this one knew is told again from the record, as far as that goes.
//!
//! A line says what happened, to which turn, how often and of which kind: nothing of what anybody said.

mod lines;
mod merged;
mod shelf;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_core::stream::BoxStream;
use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::clock::{Clock, Time};
use crate::error::{Error, Kind, Result};
use crate::id::{AgentId, SessionId, TenantId, TurnId};
use crate::session::Session;
use crate::store::Store;

pub(crate) use lines::Happened;
pub(crate) use merged::Others;
use shelf::Shelf;

/// How many lines a follower may be behind before it misses some.
const BEHIND: usize = 256;
/// The longest line, in bytes; what is longer is cut.
const LONGEST: usize = 1_024;
/// Turns read at once when lines are told again.
const TURNS: u32 = 500;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, by the time that people see.
    pub at: Time,
    /// Of which sort.
    pub stream: Stream,
    /// The turn that it happened to; the message names it.
    pub turn: Option<TurnId>,
    /// What happened.
    pub message: String,
}

/// What sort of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// What is done.
    Stdout,
    /// What went wrong.
    Stderr,
    /// How things stand.
    Status,
}

/// A session's lines from now on. It is closed when the session is forgotten, and says how many it has missed when its
/// reader is too slow.
pub type Following = broadcast::Receiver<LogLine>;

/// The journals of all sessions. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    shelf: Arc<Mutex<Shelf>>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    others: Option<Others>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) fn new(clock: Arc<dyn Clock>, store: Arc<dyn Store>, others: Option<Others>) -> Self {
        Self { shelf: Arc::default(), clock, store, others }
    }

    /// Adds a line. It must say nothing of what anybody said.
    pub fn say(&self, session: SessionId, stream: Stream, message: impl Into<String>) {
        self.add(session, None, stream, message.into());
    }

    /// Adds the line of something that happened to a turn.
    pub(crate) fn note(&self, session: Option<SessionId>, turn: TurnId, happened: &Happened<'_>) {
        if let Some(session) = session {
            self.add(session, Some(turn), happened.stream(), happened.tell(turn));
        }
    }

    /// The session's last lines, oldest first, at most 300, and those to come: none is lost between the two. Of turns that
    /// ran on another node the lines before are those that the record amounts to.
    pub async fn follow(&self, session: &Session) -> Result<(Vec<LogLine>, Following)> {
        if let Some(others) = &self.others {
            let elsewhere = others.follow(&session.tenant, session.id).await;
            let record = self.told_again(&session.tenant, session.id).await?;
            let (own, following) = self.shelf().follow(session.id, (session.tenant.clone(), session.agent), BEHIND);
            let following = elsewhere.behind(following, &record);
            return Ok((merged::merged(own, record), following));
        }
        if !self.shelf().is_whole(session.id) {
            let before = self.told_again(&session.tenant, session.id).await?;
            self.shelf().complete(session.id, before);
        }
        let agent = (session.tenant.clone(), session.agent);
        Ok(self.shelf().follow(session.id, agent, BEHIND))
    }

    /// The session's lines that are written on this node from now on; they end when the session is forgotten.
    pub(crate) async fn written_here(
        &self,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        let found = self.store.session(tenant, session).await?;
        let found = found.ok_or_else(|| Error::not_found(Kind::Session, session))?;
        let (_, following) = self.shelf().follow(session, (tenant.clone(), found.agent), BEHIND);
        let lines = stream::unfold(following, async |mut following| {
            loop {
                match following.recv().await {
                    Ok(line) => return Some((Ok(line), following)),
                    // What was missed is missed: a journal says what happened of late, as far as anybody could follow.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Ok(lines.boxed())
    }

    /// Drops a session's lines; whoever follows them is told that there will be no more.
    pub(crate) fn forget(&self, session: SessionId) {
        self.shelf().forget(session);
    }

    /// The same for the sessions of an agent that somebody follows. The lines of others nobody can ask for any more.
    pub(crate) fn forget_agent(&self, tenant: &TenantId, agent: AgentId) {
        self.shelf().forget_agent(tenant, agent);
    }

    fn add(&self, session: SessionId, turn: Option<TurnId>, stream: Stream, mut message: String) {
        message.truncate(message.floor_char_boundary(LONGEST));
        let line = LogLine { at: self.clock.now(), stream, turn, message };
        self.shelf().add(session, turn, line);
    }

    /// What the record knows: when each of the session's last turns began, and how it ended.
    async fn told_again(&self, tenant: &TenantId, session: SessionId) -> Result<Vec<(TurnId, LogLine)>> {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let turns = self.store.all_turns(tenant, session, after, TURNS).await?;
            after = turns.last().map(|turn| (turn.created, turn.id));
            lines.extend(turns.iter().flat_map(lines::of_record));
            let surplus = lines.len().saturating_sub(shelf::LINES);
            lines.drain(..surplus);
            if turns.len() < TURNS as usize {
                return Ok(lines);
            }
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Each of its methods leaves it whole, also if it panics at an allocation: at worst a line is missing.
        self.shelf.lock().unwrap_or_else(|e| e.into_inner())
    }
}
