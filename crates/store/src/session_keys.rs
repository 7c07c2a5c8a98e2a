//! Lists of sessions in the order of their keys, and how many there are, under conditions.

use sederunt_core::clock::Time;
use sederunt_core::id::Key;
use sederunt_core::session::{Owner, Session, SessionQuery};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Params, Reach, Read, Row, params};
use crate::rows::{self, Columns, session_columns};
use crate::session_conditions::{Split, Statement};
use crate::sessions::living;
use crate::slices::owners;

/// How many sessions are read at once where not all that are read may be shown.
const BATCH: u32 = 500;

/// `$1` to `$3` are tenant, agent and time.
macro_rules! of_agent {
    () => {
        "exists (select 1 from agents a where a.tenant = $1 and a.id = $2 and a.deleted is null)"
    };
}
const LIVING: &str = concat!(" and ", living!("s.", "$3"), " and ", of_agent!());
const BY_VALUE: &str = " from session_metadata d cross join sessions s where d.tenant = $1 and d.agent = $2 \
     and s.tenant = d.tenant and s.id = d.session and d.path = ";
const ALL: &str = " from sessions s where s.tenant = $1 and s.agent = $2";
/// Those that no sweep has put away yet.
const OVER: &str = "select count(*) from sessions s where s.tenant = $1 and s.agent = $2 and s.deleted is null \
     and s.due is not null and s.due <= $3 and s.lapsed = 0 and s.running = 0 and s.expires <= $3";

const COUNTED: &str =
    "select cast(coalesce(sum(c.sessions), 0) as bigint) from counts c where c.tenant = $1 and c.agent = $2";
const OF_VALUE: &str = "select count(*) from session_metadata d where d.tenant = $1 and d.agent = $2 and d.path = ";
const UNLAPSED: &str = "select count(*) from sessions s where s.tenant = $1 and s.agent = $2 and s.deleted is null \
     and s.lapsed = 0";

/// The owner, exactly.
const OWNER: &str = " and s.owner = ";
/// The same as an expression, so that the index of what is switched off is read: it is the shorter one.
const OWNER_BY_THE_WAY: &str = " and s.owner || '' = ";

/// A list to be read.
pub(crate) struct Listed<'a> {
    query: &'a SessionQuery,
    /// The tenant, the agent and the time: the first parameters of each statement.
    head: Params,
    split: Split<'a>,
}

impl<'a> Listed<'a> {
    pub(crate) fn of(query: &'a SessionQuery, now: Time) -> Result<Self> {
        let agent = query.filter.agent;
        let agent = agent.ok_or_else(|| Error::internal("a list of sessions by key is of one agent"))?;
        let head = params![query.filter.tenant.as_str(), agent.to_string(), now.nanos()];
        Ok(Self { query, head, split: Split::of(query.metadata.as_ref()) })
    }

    /// The sessions of the list, as far as SQL can tell them.
    fn statement(&self, what: &'static str) -> Statement {
        let mut statement = Statement::new(what, self.head.clone());
        match &self.split.leads {
            Some((path, value)) => {
                statement.push(BY_VALUE);
                statement.bind(path.as_str());
                statement.push(" and d.value = ");
                statement.bind(value.as_str());
            }
            None => statement.push(ALL),
        }
        statement.push(LIVING);
        let owner = match (&self.split.leads, self.query.enabled) {
            (Some(_), _) => " and d.owner = ",
            (None, Some(false)) => OWNER_BY_THE_WAY,
            (None, _) => OWNER,
        };
        self.narrow(&mut statement, owner);
        for condition in &self.split.said {
            statement.and_meets(condition);
        }
        statement
    }

    fn narrow(&self, statement: &mut Statement, exactly: &'static str) {
        self.owned(statement, exactly);
        statement.push(match self.query.enabled {
            None => "",
            Some(true) => " and s.enabled = 1",
            Some(false) => " and s.enabled = 0",
        });
        if let Some(client) = &self.query.filter.client {
            statement.push(" and s.client = ");
            statement.bind(client.as_str());
        }
    }

    fn owned(&self, statement: &mut Statement, exactly: &'static str) {
        match &self.query.filter.owner {
            None => {}
            Some(Owner { user, end_users: false }) => {
                statement.push(exactly);
                statement.bind(user.as_str());
            }
            behind @ Some(_) => {
                let pieces = [" and (s.owner = ", " or (s.owner > ", " and s.owner < "];
                for (piece, value) in pieces.into_iter().zip(owners(behind.as_ref())) {
                    statement.push(piece);
                    statement.bind(value);
                }
                statement.push("))");
            }
        }
    }

    pub(crate) fn page(&self, after: Option<&str>, limit: u32) -> Read {
        let mut statement = self.statement(concat!("select ", session_columns!("s.")));
        let leads = self.split.leads.is_some();
        statement.push(if leads { " and d.key > " } else { " and s.key > " });
        statement.bind(after.unwrap_or_default());
        statement.push(if leads { " order by d.key limit " } else { " order by s.key limit " });
        statement.bind(limit);
        read(statement)
    }

    /// Whether the count is a difference of three that indices hold.
    fn is_simple(&self) -> bool {
        let one_or_all = self.query.filter.owner.as_ref().is_none_or(|owner| !owner.end_users);
        self.split.is_simple() && one_or_all && self.query.filter.client.is_none() && self.query.enabled != Some(false)
    }

    /// How many there are that were not put away, and how many of those are not to be counted: what is over, and what is
    /// switched off if that is left out.
    pub(crate) fn counts(&self) -> Vec<Read> {
        let agent = self.head.iter().take(2).cloned().collect();
        let mut all = match (&self.split.leads, &self.query.filter.owner) {
            (Some((path, value)), _) => {
                let mut all = Statement::new(OF_VALUE, agent);
                all.bind(path.as_str());
                all.push(" and d.value = ");
                all.bind(value.as_str());
                self.owned(&mut all, " and d.owner = ");
                all
            }
            (None, None) => Statement::new(COUNTED, agent),
            (None, Some(_)) => {
                let mut all = Statement::new(UNLAPSED, agent);
                self.owned(&mut all, OWNER);
                all
            }
        };
        all.push(concat!(" and ", of_agent!()));
        let mut over = Statement::new(OVER, self.head.clone());
        self.owned(&mut over, OWNER);
        self.leading(&mut over);
        let mut reads = vec![read(all), read(over)];
        if self.query.enabled == Some(true) {
            let mut off = Statement::new("select count(*)", self.head.clone());
            off.push(ALL);
            off.push(LIVING);
            off.push(" and s.enabled = 0");
            self.owned(&mut off, OWNER_BY_THE_WAY);
            self.leading(&mut off);
            reads.push(read(off));
        }
        reads
    }

    /// That a session has the field that leads.
    fn leading(&self, statement: &mut Statement) {
        if let Some((path, value)) = &self.split.leads {
            statement.push(
                " and exists (select 1 from session_metadata m where m.tenant = $1 and m.session = s.id and m.path = ",
            );
            statement.bind(path.as_str());
            statement.push(" and m.value = ");
            statement.bind(value.as_str());
            statement.push(")");
        }
    }

    /// Whether a session meets what SQL could not say.
    fn shows(&self, session: &Session) -> bool {
        self.split.left.iter().all(|condition| condition.meets(&session.metadata) == Some(true))
    }
}

fn read(statement: Statement) -> Read {
    let (sql, params) = statement.finish();
    Read::new(sql, params)
}

impl SqlStore {
    pub(crate) async fn list_by_key(
        &self,
        query: &SessionQuery,
        after: Option<&Key>,
        limit: u32,
        now: Time,
    ) -> Result<Vec<Session>> {
        let listed = Listed::of(query, now)?;
        if listed.split.left.is_empty() {
            return self.read_by_key(listed.page(after.map(Key::as_str), limit)).await;
        }
        let mut shown = Vec::new();
        let mut after = after.cloned();
        while shown.len() < limit as usize {
            let batch = self.read_by_key(listed.page(after.as_ref().map(Key::as_str), BATCH)).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.key.clone());
            let wanted = limit as usize - shown.len();
            let whole = batch.len() < BATCH as usize;
            shown.extend(batch.into_iter().filter(|session| listed.shows(session)).take(wanted));
            if whole {
                break;
            }
        }
        Ok(shown)
    }

    pub(crate) async fn count_by_key(&self, query: &SessionQuery, now: Time) -> Result<u64> {
        let listed = Listed::of(query, now)?;
        if listed.is_simple() {
            let found = self.driver.read(listed.counts(), Reach::List).await?;
            let counts = found.into_iter().map(count).collect::<Result<Vec<_>>>()?;
            let (all, less) = counts.split_first().map_or((0, &[][..]), |(all, less)| (*all, less));
            return Ok(u64::try_from(all - less.iter().sum::<i64>()).unwrap_or(0));
        }
        if listed.split.left.is_empty() {
            let read = read(listed.statement("select count(*)"));
            let rows = self.driver.read(vec![read], Reach::List).await?.into_iter().next().unwrap_or_default();
            return Ok(u64::try_from(count(rows)?).unwrap_or(0));
        }
        let mut total = 0;
        let mut after: Option<Key> = None;
        loop {
            let batch = self.read_by_key(listed.page(after.as_ref().map(Key::as_str), BATCH)).await?;
            total += batch.iter().filter(|session| listed.shows(session)).count() as u64;
            match batch.last().filter(|_| batch.len() == BATCH as usize) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(total),
            }
        }
    }

    async fn read_by_key(&self, page: Read) -> Result<Vec<Session>> {
        let rows = self.driver.read(vec![page], Reach::List).await?.into_iter().next().unwrap_or_default();
        rows.into_iter().map(rows::session).collect()
    }
}

fn count(rows: Vec<Row>) -> Result<i64> {
    Columns::of("sessions", rows.into_iter().next().unwrap_or_default()).int()
}
