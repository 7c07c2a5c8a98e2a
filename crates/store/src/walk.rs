//! Walks over the sessions of one owner by most recently updated, with each session where it stood when the walk began.
//!
//! A page as of a mark is made of two ordered runs: sessions whose last commit number is not above the mark stand where
//! they stood; those that have moved since are found in the log of left positions, at the place that they held at the
//! mark. Each run starts at the cursor and holds at most a page, so that a page costs the same wherever it is. The
//! standing run is read first: what moves between the two reads is found twice, at one place, and never missed.
//!
//! Each shard of an owner's sessions has commit numbers and a mark of its own. Whoever draws a number holds the row that
//! it is drawn from until the end of the transaction: what is seen of a shard is all that was done up to the number seen.

use std::cmp::Reverse;

use sederunt_core::clock::Time;
use sederunt_core::error::Reason;
use sederunt_core::id::AgentId;
use sederunt_core::page::{Page, Position, Walk};
use sederunt_core::session::{Owner, Session, SessionFilter};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Reach, Read, Row, params};
use crate::rows::{self, Columns};
use crate::walk_runs::{Marks, Run, Wanted};

/// Draws the next commit number of a session's owner and shard.
pub(crate) const DRAW: &str = "update heads set seq = seq + 1 where tenant = $1 \
     and owner = (select owner from sessions where tenant = $1 and id = $2) \
     and shard = (select shard from sessions where tenant = $1 and id = $2)";

/// Logs the position that a session is about to leave at the number just drawn.
pub(crate) const LEAVE: &str = "insert into moved (tenant, owner, shard, left_seq, made_seq, client, agent, session, \
     updated, at) select s.tenant, s.owner, s.shard, h.seq, s.seq, s.client, s.agent, s.id, s.updated, $3 from sessions s \
     join heads h on h.tenant = s.tenant and h.owner = s.owner and h.shard = s.shard where s.tenant = $1 and s.id = $2 \
     and s.deleted is null";

const HEADS: &str = "select shard, seq, trimmed from heads where tenant = $1 and owner = $2";

/// The owner's next client by name: a client at a time costs a seek each, however many sessions there are.
pub(crate) const NEXT_CLIENT: &str =
    "select min(client) from sessions where tenant = $1 and owner = $2 and client > $3 and deleted is null";

/// Up to how many moves are few.
const FEW: i64 = 256;

/// The most clients of one owner that a list without a client gathers.
const CLIENTS: usize = 256;

/// How far a shard's commits have come, and how far its log has been forgotten.
#[derive(Clone, Copy, Default)]
struct Head {
    seq: i64,
    trimmed: i64,
}

impl SqlStore {
    pub(crate) async fn walk(
        &self,
        filter: &SessionFilter,
        agents: Option<&[AgentId]>,
        walk: Option<&Walk>,
        now: Time,
        limit: u32,
    ) -> Result<Page<Session, Walk>> {
        let Some(Owner { user: owner, end_users: false }) = &filter.owner else {
            return Err(Error::internal("a walk by most recently updated is over the sessions of one owner"));
        };
        if agents.is_some_and(<[_]>::is_empty) || limit == 0 {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let among = agents.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let wanted = Wanted::of(filter, owner, among, walk, now, limit);
        let marks = match walk {
            // Of a shard that the mark does not know the list is shown as it is.
            Some(walk) => {
                let mut marks = walk.mark.clone();
                marks.resize(self.driver.shards() as usize, i64::MAX);
                marks
            }
            None => {
                let heads = self.few(HEADS, params![filter.tenant.as_str(), owner.as_str()]).await?;
                self.heads(heads)?.iter().map(|head| head.seq).collect()
            }
        };
        let mut placed = self.placed(&wanted, &marks).await?;
        placed.sort_by_key(|(updated, session)| Reverse((*updated, session.id)));
        placed.dedup_by_key(|(_, session)| session.id);
        let more = placed.len() > limit as usize;
        placed.truncate(limit as usize);
        let next = placed
            .last()
            .filter(|_| more)
            .map(|(updated, session)| Walk { mark: marks, after: Position { updated: *updated, id: session.id } });
        Ok(Page { items: placed.into_iter().map(|(_, session)| session).collect(), next })
    }

    /// All that the page as of `marks` is made of, in no order.
    async fn placed(&self, wanted: &Wanted<'_>, marks: &Marks) -> Result<Run> {
        let clients = self.clients(wanted.filter).await?;
        let mut marks = marks.to_vec();
        loop {
            let standing = clients.iter().map(|client| wanted.standing(&marks, client)).collect();
            let (mut heads, mut runs) = self.runs(wanted, standing).await?;
            let moves = heads.iter().zip(&marks).map(|(head, mark)| head.seq.saturating_sub(*mark).max(0));
            let moves = moves.fold(0, i64::saturating_add);
            if moves > 0 && !is_forgotten(&heads, &marks) {
                let few = moves <= FEW;
                let moved = clients.iter().zip(&runs).map(|(client, run)| wanted.moved(&marks, client, run, few));
                let (then, found) = self.runs(wanted, moved.collect()).await?;
                runs.extend(found);
                heads = then;
            }
            if !is_forgotten(&heads, &marks) {
                return Ok(runs.into_iter().flatten().collect());
            }
            // Where the log no longer reaches back to the mark: the list as it is now, from the cursor on.
            let forgotten = heads.iter().zip(&mut marks).filter(|(head, mark)| head.trimmed > **mark);
            forgotten.for_each(|(_, mark)| *mark = i64::MAX);
        }
    }

    /// The heads of the list and the runs that the reads find, on one snapshot.
    async fn runs(&self, wanted: &Wanted<'_>, reads: Vec<Read>) -> Result<(Vec<Head>, Vec<Run>)> {
        let heads = Read::new(HEADS, params![wanted.filter.tenant.as_str(), wanted.owner.as_str()]);
        let mut found = self.driver.read(std::iter::once(heads).chain(reads).collect(), Reach::List).await?.into_iter();
        let heads = self.heads(found.next().unwrap_or_default())?;
        let runs = found.map(|rows| rows.into_iter().map(placed).collect()).collect::<Result<_>>()?;
        Ok((heads, runs))
    }

    /// The head of each shard, in which nothing was done yet if it has no row.
    fn heads(&self, rows: Vec<Row>) -> Result<Vec<Head>> {
        let mut heads = vec![Head::default(); self.driver.shards() as usize];
        for row in rows {
            let mut columns = Columns::of("heads", row);
            let shard = columns.small()?;
            if let Some(head) = heads.get_mut(shard as usize) {
                *head = Head { seq: columns.int()?, trimmed: columns.int()? };
            }
        }
        Ok(heads)
    }

    /// The clients whose sessions are wanted: the one that is named, or each that has made one for this owner.
    async fn clients(&self, filter: &SessionFilter) -> Result<Vec<String>> {
        if let Some(client) = &filter.client {
            return Ok(vec![client.as_str().to_owned()]);
        }
        let owner = filter.owner.as_ref().map_or("", |owner| owner.user.as_str());
        let mut clients: Vec<String> = Vec::new();
        while clients.len() < CLIENTS {
            let after = clients.last().map_or("", String::as_str);
            let row = self.one(NEXT_CLIENT, params![filter.tenant.as_str(), owner, after]).await?;
            match row.map(|row| Columns::of("sessions", row).maybe_text()).transpose()?.flatten() {
                Some(client) => clients.push(client),
                None => return Ok(clients),
            }
        }
        Err(Error::invalid("client", Reason::NotAllowed(format!("more than {CLIENTS} clients: name one"))))
    }
}

/// Whether the log of a shard no longer reaches back to its mark.
fn is_forgotten(heads: &[Head], marks: &Marks) -> bool {
    heads.iter().zip(marks).any(|(head, mark)| head.trimmed > *mark)
}

/// A session and the update time of the place that it is shown at.
fn placed(row: Row) -> Result<(Time, Session)> {
    let mut columns = Columns::of("sessions", row);
    Ok((columns.time()?, rows::session_from(&mut columns)?))
}
