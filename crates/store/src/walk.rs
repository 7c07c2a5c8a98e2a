//! Walks over the sessions of one owner by most recently updated, with each session where it stood when the walk began.
//!
//! A page as of a mark is made of two ordered runs: sessions whose last commit number is not above the mark stand where
//! they stood; those that have moved since are found in the log of left positions, at the place that they held at the
//! mark. Both runs start at the cursor and hold at most a page, so that a page costs the same wherever it is.

use std::cmp::Reverse;

use sederunt_core::clock::Time;
use sederunt_core::error::Reason;
use sederunt_core::id::{AgentId, UserId};
use sederunt_core::page::{Page, Position, Walk};
use sederunt_core::session::{Session, SessionFilter};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Params, Reach, Read, Row, params};
use crate::rows::{self, Columns, session_columns};
use crate::sessions::unhidden;

/// Draws the next commit number of a session's owner.
pub(crate) const DRAW: &str = "update heads set seq = seq + 1 where tenant = $1 and shard = 0 \
     and owner = (select owner from sessions where tenant = $1 and id = $2)";

/// Logs the position that a session is about to leave at the number just drawn.
pub(crate) const LEAVE: &str = "insert into moved (tenant, owner, client, updated, session, left_seq, made_seq, agent, at) \
     select s.tenant, s.owner, s.client, s.updated, s.id, h.seq, s.seq, s.agent, $3 from sessions s \
     join heads h on h.tenant = s.tenant and h.owner = s.owner and h.shard = 0 where s.tenant = $1 and s.id = $2 \
     and s.deleted is null";

const HEAD: &str = "select seq, trimmed from heads where tenant = $1 and owner = $2 and shard = 0";

/// The owner's next client by name: a client at a time costs a seek each, however many sessions there are.
pub(crate) const NEXT_CLIENT: &str =
    "select min(client) from sessions where tenant = $1 and owner = $2 and client > $3 and deleted is null";

macro_rules! living {
    () => {
        concat!(
            "(s.running > 0 or s.expires is null or s.expires > $6) \
              and ($7 = '' or $7 like '%' || s.agent || '%') and ",
            unhidden!()
        )
    };
}

macro_rules! standing {
    ($agent:literal) => {
        concat!(
            "select s.updated, ",
            session_columns!("s."),
            " from sessions s where s.tenant = $1 and s.owner = $2 and s.client = $3 \
              and (s.updated, s.id) < ($4, $5) and ",
            living!(),
            " and s.seq <= $8",
            $agent,
            " order by s.updated desc, s.id desc limit $9"
        )
    };
}
pub(crate) const STANDING: &str = standing!("");
pub(crate) const STANDING_WITH_AGENT: &str = standing!(" and s.agent = $10");

macro_rules! moved {
    ($agent:literal) => {
        concat!(
            "select m.updated, ",
            session_columns!("s."),
            " from moved m join sessions s on s.tenant = m.tenant and s.id = m.session \
              where m.tenant = $1 and m.owner = $2 and m.client = $3 and (m.updated, m.session) < ($4, $5) and ",
            living!(),
            " and m.made_seq <= $8 and m.left_seq > $8",
            $agent,
            " order by m.updated desc, m.session desc limit $9"
        )
    };
}
pub(crate) const MOVED: &str = moved!("");
pub(crate) const MOVED_WITH_AGENT: &str = moved!(" and m.agent = $10");

/// Behind every place: later than all times, and text that sorts after all hexadecimal digits.
const START: (i64, &str) = (i64::MAX, "~");

/// The most clients of one owner that a list without a client gathers.
const CLIENTS: usize = 256;

/// The page that is asked for.
struct Wanted<'a> {
    filter: &'a SessionFilter,
    owner: &'a UserId,
    /// The ids of the agents that the list is narrowed to; empty for all.
    among: String,
    after: (i64, String),
    now: Time,
    limit: u32,
}

impl Wanted<'_> {
    fn head(&self) -> Params {
        params![self.filter.tenant.as_str(), self.owner.as_str()]
    }

    /// The head of the list, then both runs of each client as of `mark`.
    fn reads(&self, mark: i64, clients: &[String]) -> Vec<Read> {
        let (standing, moved) =
            if self.filter.agent.is_some() { (STANDING_WITH_AGENT, MOVED_WITH_AGENT) } else { (STANDING, MOVED) };
        let runs = clients.iter().flat_map(|client| {
            let page = self.page(mark, client);
            [Read::new(standing, page.clone()), Read::new(moved, page)]
        });
        std::iter::once(Read::new(HEAD, self.head())).chain(runs).collect()
    }

    fn page(&self, mark: i64, client: &str) -> Params {
        let mut params = params![
            self.filter.tenant.as_str(),
            self.owner.as_str(),
            client,
            self.after.0,
            self.after.1.as_str(),
            self.now.nanos(),
            self.among.as_str(),
            mark,
            // One more, to know whether there is a next page.
            self.limit.saturating_add(1),
        ];
        params.extend(self.filter.agent.map(|agent| agent.to_string().into()));
        params
    }
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
        let Some(owner) = &filter.owner else {
            return Err(Error::internal("a walk by most recently updated is over the sessions of one owner"));
        };
        if agents.is_some_and(<[_]>::is_empty) || limit == 0 {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let among = agents.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let after = walk.map(|walk| (walk.after.updated.nanos(), walk.after.id.to_string()));
        let after = after.unwrap_or((START.0, START.1.to_owned()));
        let wanted = Wanted { filter, owner, among, after, now, limit };
        let mark = match walk {
            Some(walk) => walk.mark.first().copied().unwrap_or(i64::MAX),
            None => self.one(HEAD, wanted.head()).await?.map_or(Ok(0), seq)?,
        };
        let clients = self.clients(filter).await?;
        let mut found = self.driver.read(wanted.reads(mark, &clients), Reach::List).await?;
        if found.first_mut().and_then(Vec::pop).map_or(Ok(0), trimmed)? > mark {
            // The log no longer reaches back to the mark: the list as it is now, from the cursor on.
            found = self.driver.read(wanted.reads(i64::MAX, &clients), Reach::List).await?;
        }
        let mut placed = found.into_iter().skip(1).flatten().map(placed).collect::<Result<Vec<_>>>()?;
        placed.sort_by_key(|(updated, session)| Reverse((*updated, session.id)));
        let more = placed.len() > limit as usize;
        placed.truncate(limit as usize);
        let next = placed.last().filter(|_| more).map(|(updated, session)| Walk {
            mark: vec![mark],
            began: walk.map_or(now, |walk| walk.began),
            after: Position { updated: *updated, id: session.id },
        });
        Ok(Page { items: placed.into_iter().map(|(_, session)| session).collect(), next })
    }

    /// The clients whose sessions are wanted: the one that is named, or each that has made one for this owner.
    async fn clients(&self, filter: &SessionFilter) -> Result<Vec<String>> {
        if let Some(client) = &filter.client {
            return Ok(vec![client.as_str().to_owned()]);
        }
        let owner = filter.owner.as_ref().map_or("", |owner| owner.as_str());
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

fn seq(row: Row) -> Result<i64> {
    Columns::of("heads", row).int()
}

fn trimmed(row: Row) -> Result<i64> {
    let mut columns = Columns::of("heads", row);
    columns.int()?;
    columns.int()
}

/// A session and the update time of the place that it is shown at.
fn placed(row: Row) -> Result<(Time, Session)> {
    let mut columns = Columns::of("sessions", row);
    Ok((columns.time()?, rows::session_from(&mut columns)?))
}
