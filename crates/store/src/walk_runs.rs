//! The runs that a page of a walk is made of, as statements.

use sederunt_core::clock::Time;
use sederunt_core::id::UserId;
use sederunt_core::page::{Position, Walk};
use sederunt_core::session::{Session, SessionFilter};

use crate::driver::{Params, Read, Value, params};
use crate::rows::session_columns;
use crate::sessions::unhidden;

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
    ($mark:expr, $agent:literal) => {
        concat!(
            "select s.updated, ",
            session_columns!("s."),
            " from sessions s where s.tenant = $1 and s.owner = $2 and s.client = $3 \
              and (s.updated, s.id) < ($4, $5) and ",
            living!(),
            " and s.seq <= ",
            $mark,
            $agent,
            " order by s.updated desc, s.id desc limit $9"
        )
    };
}

macro_rules! moved {
    ($from:expr, $mark:expr, $client:literal, $updated:literal, $session:literal, $rest:literal) => {
        concat!(
            "select m.updated, ",
            session_columns!("s."),
            " from ",
            $from,
            " join sessions s on s.tenant = m.tenant and s.id = m.session \
              where m.tenant = $1 and m.owner = $2 and ",
            $client,
            " = $3 and (",
            $updated,
            ", ",
            $session,
            ") < ($4, $5) and ",
            living!(),
            " and m.made_seq <= ",
            $mark,
            " and m.left_seq > ",
            $mark,
            " and (",
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

/// The statements of a page, each for all agents and for one.
pub(crate) struct Statements {
    /// Those that have not moved since the mark.
    pub(crate) standing: [&'static str; 2],
    /// The few that have moved since the mark, sorted: expressions, so that the index by commit number is used.
    pub(crate) few: [&'static str; 2],
    /// Of many that have, those in the stretch of the list that the page covers.
    pub(crate) many: [&'static str; 2],
}

/// Where there is one shard, `$8` is its mark.
pub(crate) const OF_ONE_SHARD: Statements = Statements {
    standing: [standing!("$8", ""), standing!("$8", " and s.agent = $10")],
    few: [
        moved!("moved m", "$8", "m.client", "m.updated + 0", "m.session || ''", " and m.shard = 0"),
        moved!("moved m", "$8", "m.client", "m.updated + 0", "m.session || ''", " and m.shard = 0 and m.agent = $12"),
    ],
    many: [
        moved!("moved m", "$8", "m.client", "m.updated", "m.session", ""),
        moved!("moved m", "$8", "m.client", "m.updated", "m.session", " and m.agent = $12"),
    ],
};

/// The mark of a shard, out of the text of all: one behind the other, each 19 digits.
macro_rules! mark_of {
    ($shard:literal) => {
        concat!("cast(substr($8, 1 + 19 * ", $shard, ", 19) as bigint)")
    };
}
/// The log, to be searched shard by shard.
macro_rules! log {
    () => {
        "heads h join moved m on m.tenant = h.tenant and m.owner = h.owner and m.shard = h.shard"
    };
}

/// Where there are several, `$8` is the text of their marks.
pub(crate) const OF_SEVERAL_SHARDS: Statements = Statements {
    standing: [standing!(mark_of!("s.shard"), ""), standing!(mark_of!("s.shard"), " and s.agent = $10")],
    few: [
        moved!(log!(), mark_of!("h.shard"), "m.client || ''", "m.updated + 0", "m.session || ''", ""),
        moved!(log!(), mark_of!("h.shard"), "m.client || ''", "m.updated + 0", "m.session || ''", " and m.agent = $12"),
    ],
    many: [
        moved!("moved m", mark_of!("m.shard"), "m.client", "m.updated", "m.session", ""),
        moved!("moved m", mark_of!("m.shard"), "m.client", "m.updated", "m.session", " and m.agent = $12"),
    ],
};

/// Behind every place: later than all times, and text that sorts after all hexadecimal digits.
const START: (i64, &str) = (i64::MAX, "~");

/// A place in the list, as it is bound: update time and id.
type Place = (i64, String);

/// A run of the list: sessions with the update times of the places that they are shown at.
pub(crate) type Run = Vec<(Time, Session)>;

/// The marks of an owner's shards, the first shard's first.
pub(crate) type Marks = [i64];

/// The page that is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) filter: &'a SessionFilter,
    pub(crate) owner: &'a UserId,
    /// The ids of the agents that the list is narrowed to; empty for all.
    among: String,
    after: Place,
    now: Time,
    limit: u32,
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(
        filter: &'a SessionFilter,
        owner: &'a UserId,
        among: String,
        walk: Option<&Walk>,
        now: Time,
        limit: u32,
    ) -> Self {
        let place = |Position { updated, id }| (updated.nanos(), id.to_string());
        let after = walk.map_or((START.0, START.1.to_owned()), |walk| place(walk.after));
        Self { filter, owner, among, after, now, limit }
    }

    /// What the parameters of all statements begin with.
    fn page(&self, marks: &Marks, client: &str) -> Params {
        params![
            self.filter.tenant.as_str(),
            self.owner.as_str(),
            client,
            self.after.0,
            self.after.1.as_str(),
            self.now.nanos(),
            self.among.as_str(),
            bound(marks),
            // One more, to know whether there is a next page.
            self.limit.saturating_add(1),
        ]
    }

    /// The one of two statements for all agents or for one, with these parameters.
    fn read(&self, [all, of_agent]: [&'static str; 2], mut params: Params) -> Read {
        let Some(agent) = self.filter.agent else { return Read::new(all, params) };
        params.push(agent.to_string().into());
        Read::new(of_agent, params)
    }

    /// Those that stand where they stood at the marks.
    pub(crate) fn standing(&self, marks: &Marks, client: &str) -> Read {
        self.read(statements(marks).standing, self.page(marks, client))
    }

    /// Those that stood between the cursor and the end of the standing run, and have moved since.
    pub(crate) fn moved(&self, marks: &Marks, client: &str, standing: &Run, few: bool) -> Read {
        let Statements { few: of_few, many, .. } = statements(marks);
        let (updated, id) = self.end(standing);
        let mut params = self.page(marks, client);
        params.extend(params![updated, id]);
        self.read(if few { of_few } else { many }, params)
    }

    /// The place after which nothing of a client's list can be on the page.
    fn end(&self, standing: &Run) -> Place {
        let full = standing.len() > self.limit as usize;
        let last = standing.last().filter(|_| full);
        last.map_or((i64::MIN, String::new()), |(updated, session)| (updated.nanos(), session.id.to_string()))
    }
}

fn statements(marks: &Marks) -> Statements {
    if marks.len() == 1 { OF_ONE_SHARD } else { OF_SEVERAL_SHARDS }
}

/// The marks as `$8`.
fn bound(marks: &Marks) -> Value {
    match marks {
        [mark] => (*mark).into(),
        marks => marks.iter().map(|mark| format!("{mark:019}")).collect::<String>().into(),
    }
}
