//! Lists of sessions by time of creation.

use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::id::{AgentId, Key, SessionId, TenantId};
use sederunt_core::page::{Created, Slice, Sliced};
use sederunt_core::session::{Owner, Session, SessionFilter};

use crate::SqlStore;
use crate::driver::{Row, params};
use crate::rows::{self, Columns, session_columns};
use crate::sessions::{living, unhidden};
use crate::slices::{Reading, owned, owners};

macro_rules! listed {
    ($filter:expr, $behind:literal, $direction:literal) => {
        concat!(
            "select ",
            session_columns!("s."),
            " from sessions s where s.tenant = $1 and (s.created, s.id) ",
            $behind,
            " ($2, $3) and ($5 = 1 or (",
            living!("s.", "$6"),
            ")) and ($7 = '' or s.client = $7) and ",
            unhidden!(),
            $filter,
            " order by s.created ",
            $direction,
            ", s.id ",
            $direction,
            " limit $4"
        )
    };
    ($filter:expr) => {
        [listed!($filter, ">", "asc"), listed!($filter, "<", "desc")]
    };
}
pub(crate) const BY_CREATED: [&str; 2] = listed!(concat!(" and ", owned!("s.owner", "$8", "$9", "$10")));
pub(crate) const BY_AGENT: [&str; 2] =
    listed!(concat!(" and s.agent = $11 and ", owned!("s.owner", "$8", "$9", "$10")));
pub(crate) const BY_OWNER: [&str; 2] = listed!(" and s.owner = $8 and s.agent = $9");

pub(crate) const PLACE: &str =
    "select created, id from sessions where tenant = $1 and agent = $2 and key = $3 and deleted is null";
pub(crate) const GONE: &str = "select created, id from gone where tenant = $1 and agent = $2 and key = $3";

impl SqlStore {
    pub(crate) async fn slice_sessions(
        &self,
        filter: &SessionFilter,
        expired: bool,
        slice: &Slice<Created<SessionId>>,
        now: Time,
    ) -> Result<Sliced<Session>> {
        let reading = Reading::of(slice);
        let mut params = params![filter.tenant.as_str()];
        params.extend(reading.start());
        let client = filter.client.as_ref().map_or("", |client| client.as_str());
        params.extend(params![reading.wanted(), expired, now.nanos(), client]);
        let statements = match (&filter.owner, filter.agent) {
            (Some(Owner { user, end_users: false }), Some(agent)) => {
                params.extend(params![user.as_str(), agent.to_string()]);
                BY_OWNER
            }
            (owner, Some(agent)) => {
                params.extend(owners(owner.as_ref()));
                params.push(agent.to_string().into());
                BY_AGENT
            }
            (owner, None) => {
                params.extend(owners(owner.as_ref()));
                BY_CREATED
            }
        };
        let rows = self.list(reading.choose(statements), params).await?;
        Ok(reading.sliced(rows.into_iter().map(rows::session).collect::<Result<_>>()?, |found: &Session| {
            (found.created, found.id)
        }))
    }

    pub(crate) async fn place_of_session(
        &self,
        tenant: &TenantId,
        agent: AgentId,
        key: &Key,
    ) -> Result<Option<Created<SessionId>>> {
        let params = params![tenant.as_str(), agent.to_string(), key.as_str()];
        match self.one(PLACE, params.clone()).await? {
            Some(row) => place(row).map(Some),
            None => self.one(GONE, params).await?.map(place).transpose(),
        }
    }
}

/// A place in a list by time of creation, from the time and the id.
pub(crate) fn place<Id: std::str::FromStr>(row: Row) -> Result<Created<Id>> {
    let mut columns = Columns::of("gone", row);
    Ok((columns.time()?, columns.parsed()?))
}
