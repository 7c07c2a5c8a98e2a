//! Turns one by one, wherever they stand: lists by time of creation, and what takes a turn out of them.

use sederunt_core::clock::Time;
use sederunt_core::error::Conflict;
use sederunt_core::id::{TenantId, TurnId};
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::session::Owner;
use sederunt_core::store::{TurnRecord, TurnStore};
use sederunt_core::turn::{Turn, TurnFilter};
use sederunt_core::{Error, Result};

use crate::driver::{Outcome, Params, Reach, Read, Row, params, unsettled};
use crate::rows::{self, Columns, turn_columns};
use crate::session_lists::place;
use crate::slices::{Reading, owned, owners};
use crate::turns::{ITEMS_BY_ID, held, records};
use crate::{SqlStore, TRIES, delete};

macro_rules! listed {
    ($filter:expr, $behind:literal, $direction:literal) => {
        concat!(
            "select ",
            turn_columns!("t."),
            " from turns t where t.tenant = $1 and (t.created, t.id) ",
            $behind,
            " ($2, $3) and t.deleted is null and t.kind <> 'import' and t.kind <> 'compact' \
             and (t.ended is null or t.recording <> 'nothing') \
             and ($5 < 0 or t.version = $5) and ",
            held!("t"),
            $filter,
            " order by t.created ",
            $direction,
            ", t.id ",
            $direction,
            " limit $4"
        )
    };
    ($filter:expr) => {
        [listed!($filter, ">", "asc"), listed!($filter, "<", "desc")]
    };
}
pub(crate) const BY_OWNER: [&str; 2] = listed!(" and t.agent = $6 and t.owner = $7");
pub(crate) const BY_AGENT: [&str; 2] = listed!(concat!(" and t.agent = $6 and ", owned!("t.owner", "$7", "$8", "$9")));
pub(crate) const BY_CONVERSATION: [&str; 2] = listed!(concat!(
    " and ($6 = '' or t.agent = $6) and t.conversation = $10 and ",
    owned!("t.owner", "$7", "$8", "$9")
));

macro_rules! next_agent {
    ($of:literal) => {
        concat!(
            "select min(agent) from turns where tenant = $1 and agent > $2 and deleted is null and kind <> 'import'",
            $of
        )
    };
}
/// The next agent by id that answered a turn: an agent at a time costs a seek each, however many turns there are.
pub(crate) const NEXT_AGENT: &str = next_agent!("");
pub(crate) const NEXT_AGENT_OF_OWNER: &str = next_agent!(" and owner = $3");

const PLACE: &str = "select created, id from turns where tenant = $1 and id = $2";

/// Lists of agents that are read at once.
const AT_ONCE: usize = 32;

impl SqlStore {
    pub(crate) async fn slice_turns(
        &self,
        filter: &TurnFilter,
        slice: &Slice<Created<TurnId>>,
    ) -> Result<Sliced<TurnRecord>> {
        let reading = Reading::of(slice);
        let turns = match filter.conversation {
            Some(_) => self.turns_of(filter, &reading, &[String::new()]).await?,
            None => {
                let agents = self.agents_of_turns(filter).await?;
                self.turns_of(filter, &reading, &agents).await?
            }
        };
        let Sliced { items: turns, more } = reading.sliced(turns, |(place, _)| *place);
        let tenant = filter.tenant.as_str();
        let of = |id: TurnId| Read::new(ITEMS_BY_ID, params![tenant, id.to_string()]);
        let items = self.driver.read(turns.iter().map(|((_, id), _)| of(*id)).collect(), Reach::List).await?;
        let turns = turns.into_iter().map(|(_, row)| row).collect();
        let records = records(std::iter::once(turns).chain(items).collect())?;
        Ok(Sliced { items: records, more })
    }

    /// The agents whose lists make up the one that is wanted.
    async fn agents_of_turns(&self, filter: &TurnFilter) -> Result<Vec<String>> {
        if let Some(agent) = filter.agent {
            return Ok(vec![agent.to_string()]);
        }
        let mut agents: Vec<String> = Vec::new();
        loop {
            let mut params = params![filter.tenant.as_str(), agents.last().map_or("", String::as_str)];
            let sql = match &filter.owner {
                Some(Owner { user, end_users: false }) => {
                    params.push(user.as_str().into());
                    NEXT_AGENT_OF_OWNER
                }
                _ => NEXT_AGENT,
            };
            let row = self.one(sql, params).await?;
            match row.map(|row| Columns::of("turns", row).maybe_text()).transpose()?.flatten() {
                Some(agent) => agents.push(agent),
                None => return Ok(agents),
            }
        }
    }

    /// The rows of the first turns of these agents' lists together, in the order that they are read in.
    async fn turns_of(
        &self,
        filter: &TurnFilter,
        reading: &Reading<Created<TurnId>>,
        agents: &[String],
    ) -> Result<Vec<(Created<TurnId>, Row)>> {
        let mut found: Vec<(Created<TurnId>, Row)> = Vec::new();
        for some in agents.chunks(AT_ONCE) {
            let reads = some.iter().map(|agent| read(filter, reading, agent)).collect();
            for row in self.driver.read(reads, Reach::List).await?.into_iter().flatten() {
                let turn: Turn = rows::turn(row.clone())?;
                found.push(((turn.created, turn.id), row));
            }
            found.sort_unstable_by(|(one, _), (other, _)| reading.order(one, other));
            found.truncate(reading.wanted() as usize);
        }
        Ok(found)
    }

    pub(crate) async fn place_of_turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<Created<TurnId>>> {
        self.one(PLACE, params![tenant.as_str(), turn.to_string()]).await?.map(place).transpose()
    }

    pub(crate) async fn remove_turn(&self, tenant: &TenantId, turn: TurnId, now: Time) -> Result<bool> {
        for _ in 0..TRIES {
            let Some(found) = self.turn(tenant, turn).await? else { return Ok(false) };
            if found.turn.ended.is_none() {
                return Err(Error::conflict(Conflict::Busy, turn));
            }
            if let Outcome::Done(_) = self.driver.transact(delete::turn(tenant, turn, now)).await? {
                return Ok(true);
            }
        }
        Err(unsettled())
    }
}

/// The list of one agent; of every agent if its id is empty, which only the list of a conversation can be.
fn read(filter: &TurnFilter, reading: &Reading<Created<TurnId>>, agent: &str) -> Read {
    let mut params: Params = params![filter.tenant.as_str()];
    params.extend(reading.start());
    params.extend(params![reading.wanted(), filter.version.map_or(-1, i64::from)]);
    match (filter.conversation, &filter.owner) {
        (Some(conversation), owner) => {
            let agent = filter.agent.map(|agent| agent.to_string()).unwrap_or_default();
            params.push(agent.into());
            params.extend(owners(owner.as_ref()));
            params.push(conversation.to_string().into());
            Read::new(reading.choose(BY_CONVERSATION), params)
        }
        (None, Some(Owner { user, end_users: false })) => {
            params.extend(params![agent, user.as_str()]);
            Read::new(reading.choose(BY_OWNER), params)
        }
        (None, owner) => {
            params.push(agent.into());
            params.extend(owners(owner.as_ref()));
            Read::new(reading.choose(BY_AGENT), params)
        }
    }
}
