//! Walks over the sessions of one owner by most recently updated, with each session where it stood when the walk began.
//!
//! A page as of a mark is made of two ordered runs: sessions whose last commit number is not above the mark stand where
//! they stood; those that have moved since are found in the log of left positions, at the place that they held at the
//! mark. Each run starts at the cursor and holds at most a page, so that a page costs the same wherever it is. The
//! standing run is read first: what moves between the two reads is found twice, at one place, and never missed.

use std::cmp::Reverse;

use sederunt_core::clock::Time;
use sederunt_core::error::Reason;
use sederunt_core::id::{AgentId, UserId};
use sederunt_core::page::{Page, Position, Walk};
use sederunt_core::session::{Owner, Session, SessionFilter};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Params, Reach, Read, Row, params};
use crate::rows::{self, Columns, session_columns};
use crate::sessions::unhidden;

/// Draws the next commit number of a session's owner.
pub(crate) const DRAW: &str = "update heads set seq = seq + 1 where tenant = $1 and shard = 0 \
     and owner = (select owner from sessions where tenant = $1 and id = $2)";

/// Logs the position that a session is about to leave at the number just drawn.
pub(crate) const LEAVE: &str = "insert into moved (tenant, owner, left_seq, made_seq, client, agent, session, updated, at) \
     select s.tenant, s.owner, h.seq, s.seq, s.client, s.agent, s.id, s.updated, $3 from sessions s \
     join heads h on h.tenant = s.tenant and h.owner = s.owner and h.shard = 0 where s.tenant = $1 and s.id = $2 \
     and s.deleted is null";

const HEAD: &str = "select seq, trimmed from heads where tenant = $1 and owner = $2 and shard = 0";

/// The owner's next client by name: a client at a time costs a seek each, however many sessions there are.
pub(crate) const NEXT_CLIENT: &str =
    "select min(client) from sessions where tenant = $1 and owner = $2 and client > $3 and deleted is null";

macro_rules! living {
    () => {
        concat!(
            "s.lapsed = 0 and (s.running > 0 or s.expires is null or s.expires > $6) \
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
    ($updated:literal, $session:literal, $rest:literal) => {
        concat!(
            "select m.updated, ",
            session_columns!("s."),
            " from moved m join sessions s on s.tenant = m.tenant and s.id = m.session \
              where m.tenant = $1 and m.owner = $2 and m.client = $3 and (",
            $updated,
            ", ",
            $session,
            ") < ($4, $5) and ",
            living!(),
            " and m.made_seq <= $8 and m.left_seq > $8 and (",
            $updated,
            ", ",
            $session,
            ") >= ($10, $11)",
            $rest,
            " order by ",
            $updated,
            " desc, ",
            $session,
            " desc limit $9"
        )
    };
}
/// The few that have moved since the mark, sorted: expressions, so that the index by commit number is used.
pub(crate) const MOVED_OF_FEW: &str = moved!("m.updated + 0", "m.session || ''", "");
pub(crate) const MOVED_OF_FEW_WITH_AGENT: &str = moved!("m.updated + 0", "m.session || ''", " and m.agent = $12");
/// Of many, those in the stretch of the list that the page covers.
pub(crate) const MOVED_OF_MANY: &str = moved!("m.updated", "m.session", "");
pub(crate) const MOVED_OF_MANY_WITH_AGENT: &str = moved!("m.updated", "m.session", " and m.agent = $12");

/// Up to how many moves are few.
const FEW: i64 = 256;

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
    after: Place,
    now: Time,
    limit: u32,
}

/// A place in the list, as it is bound: update time and id.
type Place = (i64, String);

/// A run of the list: sessions with the update times of the places that they are shown at.
type Run = Vec<(Time, Session)>;

impl Wanted<'_> {
    fn head(&self) -> Params {
        params![self.filter.tenant.as_str(), self.owner.as_str()]
    }

    /// What the parameters of all four runs begin with.
    fn page(&self, mark: i64, client: &str) -> Params {
        params![
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
        ]
    }

    /// Those that stand where they stood at `mark`.
    fn standing(&self, mark: i64, client: &str) -> Read {
        let mut params = self.page(mark, client);
        let Some(agent) = self.filter.agent else { return Read::new(STANDING, params) };
        params.push(agent.to_string().into());
        Read::new(STANDING_WITH_AGENT, params)
    }

    /// Those that stood between the cursor and `until` at `mark`, and have moved since.
    fn moved(&self, mark: i64, client: &str, until: Place, few: bool) -> Read {
        let mut params = self.page(mark, client);
        params.extend(params![until.0, until.1]);
        let Some(agent) = self.filter.agent else {
            return Read::new(if few { MOVED_OF_FEW } else { MOVED_OF_MANY }, params);
        };
        params.push(agent.to_string().into());
        Read::new(if few { MOVED_OF_FEW_WITH_AGENT } else { MOVED_OF_MANY_WITH_AGENT }, params)
    }

    /// The place after which nothing of a client's list can be on the page.
    fn end(&self, standing: &Run) -> Place {
        let full = standing.len() > self.limit as usize;
        let last = standing.last().filter(|_| full);
        last.map_or((i64::MIN, String::new()), |(updated, session)| (updated.nanos(), session.id.to_string()))
    }
}

/// How far an owner's commits have come, and how far the log has been forgotten.
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
        let after = walk.map(|walk| (walk.after.updated.nanos(), walk.after.id.to_string()));
        let after = after.unwrap_or((START.0, START.1.to_owned()));
        let wanted = Wanted { filter, owner, among, after, now, limit };
        let mark = match walk {
            Some(walk) => walk.mark.first().copied().unwrap_or(i64::MAX),
            None => self.one(HEAD, wanted.head()).await?.map_or(Ok(Head::default()), head)?.seq,
        };
        let mut placed = self.placed(&wanted, mark).await?;
        placed.sort_by_key(|(updated, session)| Reverse((*updated, session.id)));
        placed.dedup_by_key(|(_, session)| session.id);
        let more = placed.len() > limit as usize;
        placed.truncate(limit as usize);
        let next = placed
            .last()
            .filter(|_| more)
            .map(|(updated, session)| Walk { mark: vec![mark], after: Position { updated: *updated, id: session.id } });
        Ok(Page { items: placed.into_iter().map(|(_, session)| session).collect(), next })
    }

    /// All that the page as of `mark` is made of, in no order.
    async fn placed(&self, wanted: &Wanted<'_>, mark: i64) -> Result<Run> {
        let clients = self.clients(wanted.filter).await?;
        let standing = |mark| clients.iter().map(move |client| wanted.standing(mark, client)).collect();
        let (seen, mut runs) = self.runs(wanted, standing(mark)).await?;
        let mut trimmed = seen.trimmed;
        if trimmed <= mark && seen.seq > mark {
            let few = seen.seq.saturating_sub(mark) <= FEW;
            let ends = runs.iter().map(|run| wanted.end(run));
            let moved = clients.iter().zip(ends).map(|(client, end)| wanted.moved(mark, client, end, few)).collect();
            let (then, found) = self.runs(wanted, moved).await?;
            runs.extend(found);
            trimmed = then.trimmed;
        }
        if trimmed > mark {
            // The log no longer reaches back to the mark: the list as it is now, from the cursor on.
            runs = self.runs(wanted, standing(i64::MAX)).await?.1;
        }
        Ok(runs.into_iter().flatten().collect())
    }

    /// The head of the list and the runs that the reads find, on one snapshot.
    async fn runs(&self, wanted: &Wanted<'_>, reads: Vec<Read>) -> Result<(Head, Vec<Run>)> {
        let reads = std::iter::once(Read::new(HEAD, wanted.head())).chain(reads).collect();
        let mut found = self.driver.read(reads, Reach::List).await?.into_iter();
        let seen = found.next().and_then(|mut rows| rows.pop()).map_or(Ok(Head::default()), head)?;
        let runs = found.map(|rows| rows.into_iter().map(placed).collect()).collect::<Result<_>>()?;
        Ok((seen, runs))
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

fn head(row: Row) -> Result<Head> {
    let mut columns = Columns::of("heads", row);
    Ok(Head { seq: columns.int()?, trimmed: columns.int()? })
}

/// A session and the update time of the place that it is shown at.
fn placed(row: Row) -> Result<(Time, Session)> {
    let mut columns = Columns::of("sessions", row);
    Ok((columns.time()?, rows::session_from(&mut columns)?))
}
