//! Removing for good what was hidden: sessions, conversations, agents and the turns that are in none any more. What
//! another line goes through stays until that line goes.

use sederunt_core::Result;
use sederunt_core::clock::Time;

use crate::driver::{Params, Row, Step, params};
use crate::rows::Columns;
use crate::turns::{held_by_conversation, held_by_session};
use crate::{SqlStore, artifacts, delete};

pub(crate) const OF_HIDDEN_AGENTS: &str = "select s.tenant, s.id from agents a cross join sessions s \
     where a.deleted is not null and s.tenant = a.tenant and s.agent = a.id and s.deleted is null limit $1";
pub(crate) const HIDE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null";
pub(crate) const EMPTY_AGENTS: &str = "select a.tenant, a.id from agents a where a.deleted is not null \
     and not exists (select 1 from sessions s where s.tenant = a.tenant and s.agent = a.id and s.deleted is null) \
     and not exists (select 1 from leases l where l.tenant = a.tenant and l.agent = a.id) limit $1";
/// A turn that was accepted at the moment at which its agent was hidden.
pub(crate) const AT_WORK: &str = "select a.tenant, a.id from agents a where a.deleted is not null \
     and exists (select 1 from leases l where l.tenant = a.tenant and l.agent = a.id) limit $1";
const REMOVE_VERSIONS: &str = "delete from agent_versions where tenant = $1 and agent = $2";
const REMOVE_COUNTS: &str = "delete from counts where tenant = $1 and agent = $2";
const REMOVE_AGENT: &str = "delete from agents where tenant = $1 and id = $2 and deleted is not null";

/// Hidden sessions with no turn of their own alone that a turn of another session continues.
pub(crate) const SESSIONS: &str = concat!(
    "select h.tenant, h.id from sessions h where h.deleted is not null and not exists \
     (select 1 from turns t join turns c on c.tenant = t.tenant and c.parent = t.id and c.elsewhere = 1 \
     where t.tenant = h.tenant and t.session = h.id and (c.session is null or c.session <> h.id) and not ",
    held_by_conversation!("t"),
    ") limit $1"
);
pub(crate) const TURNS_OF_SESSION: &str = concat!(
    "select t.id from turns t where t.tenant = $1 and t.session = $2 and not ",
    held_by_conversation!("t"),
    " limit $3"
);
const REMOVE_METADATA: &str = "delete from session_metadata where tenant = $1 and session = $2";
pub(crate) const REMOVE_SESSION: &str = "delete from sessions where tenant = $1 and id = $2 and deleted is not null";

/// Hidden conversations with no turn of their own alone that a turn continues which stays.
pub(crate) const CONVERSATIONS: &str = concat!(
    "select h.tenant, h.id from conversations h where h.deleted is not null and not exists \
     (select 1 from turns t join turns c on c.tenant = t.tenant and c.parent = t.id and c.elsewhere = 1 \
     where t.tenant = h.tenant and t.conversation = h.id and not ",
    held_by_session!("t"),
    " and (c.conversation is null or c.conversation <> h.id or ",
    held_by_session!("c"),
    ")) limit $1"
);
pub(crate) const TURNS_OF_CONVERSATION: &str = concat!(
    "select t.id from turns t where t.tenant = $1 and t.conversation = $2 and not ",
    held_by_session!("t"),
    " limit $3"
);
/// What a deleted turn said stayed for the conversation's sake.
pub(crate) const UNMASK_DELETED: &str = "delete from item_masks where tenant = $1 and item in (select i.id from turns t \
     join items i on i.tenant = t.tenant and i.turn = t.id \
     where t.tenant = $1 and t.conversation = $2 and t.deleted is not null)";
pub(crate) const EMPTY_DELETED: &str = "delete from items where tenant = $1 and turn in \
     (select t.id from turns t where t.tenant = $1 and t.conversation = $2 and t.deleted is not null)";
pub(crate) const REMOVE_CONVERSATION: &str =
    "delete from conversations where tenant = $1 and id = $2 and deleted is not null";

/// Rows of deleted turns that stood alone, once their places in lists are no longer remembered and no turn follows them.
pub(crate) const DELETED_TURNS: &str = "delete from turns where (tenant, id) in (select t.tenant, t.id from turns t \
     where t.deleted < $1 and t.deleted is not null and t.session is null and t.conversation is null and not exists \
     (select 1 from turns c where c.tenant = t.tenant and c.parent = t.id and c.elsewhere = 1) limit $2) returning 1";

pub(crate) const REMOVE_MASKS: &str = "delete from item_masks where tenant = $1 \
     and item in (select id from items where tenant = $1 and turn = $2)";
const REMOVE_ITEMS: &str = "delete from items where tenant = $1 and turn = $2";
const REMOVE_PARTS: &str = "delete from parts where tenant = $1 and turn = $2";
const REMOVE_TURN: &str = "delete from turns where tenant = $1 and id = $2";

/// Statements of one transaction that removes rows, roughly.
const AT_ONCE: usize = 500;

/// One sort of hidden thing: what is found in it, and what removes it once it is empty.
struct Hidden {
    found: &'static str,
    turns: &'static str,
    remove: &'static [&'static str],
}

impl SqlStore {
    /// Hides sessions whose agent is hidden, and removes agents that have none left.
    pub(crate) async fn hide_with_agents(&self, now: Time, limit: u32) -> Result<u64> {
        let sessions = self.pairs(OF_HIDDEN_AGENTS, limit).await?;
        let mut steps: Vec<Step> = sessions
            .iter()
            .map(|(tenant, id)| Step::any(HIDE, params![tenant.as_str(), id.as_str(), now.nanos()]))
            .collect();
        for (tenant, id) in self.pairs(AT_WORK, limit).await? {
            steps.extend(delete::turns_of_agent(&tenant.as_str().into(), id.as_str(), now)?);
        }
        let agents = self.pairs(EMPTY_AGENTS, limit).await?;
        for (tenant, id) in &agents {
            let both = || params![tenant.as_str(), id.as_str()];
            steps.extend([REMOVE_VERSIONS, REMOVE_COUNTS, REMOVE_AGENT].map(|sql| Step::any(sql, both())));
        }
        self.run_unless_empty(steps).await?;
        Ok((sessions.len() + agents.len()) as u64)
    }

    /// Removes turns of hidden sessions, and the sessions that have none left; how many of both.
    pub(crate) async fn remove_sessions(&self, limit: u32) -> Result<u64> {
        let hidden = Hidden {
            found: SESSIONS,
            turns: TURNS_OF_SESSION,
            remove: &[REMOVE_METADATA, artifacts::REMOVE, REMOVE_SESSION],
        };
        self.remove_hidden(hidden, limit).await
    }

    /// Removes turns of hidden conversations, and the conversations that have none left; how many of both.
    pub(crate) async fn remove_conversations(&self, limit: u32) -> Result<u64> {
        let hidden = Hidden {
            found: CONVERSATIONS,
            turns: TURNS_OF_CONVERSATION,
            remove: &[UNMASK_DELETED, EMPTY_DELETED, REMOVE_CONVERSATION],
        };
        self.remove_hidden(hidden, limit).await
    }

    async fn remove_hidden(&self, hidden: Hidden, limit: u32) -> Result<u64> {
        let mut room = limit;
        let mut removed = 0;
        // Several share a transaction, up to a size that keeps nobody waiting for long.
        let mut steps = Vec::new();
        for (tenant, id) in self.pairs(hidden.found, limit).await? {
            let both = || -> Params { params![tenant.as_str(), id.as_str()] };
            let turns = self.list(hidden.turns, params![tenant.as_str(), id.as_str(), room]).await?;
            let found = u32::try_from(turns.len()).unwrap_or(u32::MAX);
            for row in turns {
                let turn = Columns::of("turns", row).text()?;
                let of_turn = || params![tenant.as_str(), turn.as_str()];
                let remove = [REMOVE_MASKS, REMOVE_ITEMS, REMOVE_PARTS, REMOVE_TURN];
                steps.extend(remove.map(|sql| Step::any(sql, of_turn())));
            }
            let emptied = found < room;
            if emptied {
                steps.extend(hidden.remove.iter().map(|sql| Step::any(sql, both())));
            }
            if steps.len() >= AT_ONCE {
                self.run_unless_empty(std::mem::take(&mut steps)).await?;
            }
            removed += u64::from(found) + u64::from(emptied);
            room -= found;
            if room == 0 {
                break;
            }
        }
        self.run_unless_empty(steps).await?;
        Ok(removed)
    }

    /// A list of two columns of text.
    async fn pairs(&self, sql: &'static str, limit: u32) -> Result<Vec<(String, String)>> {
        let pair = |row: Row| {
            let mut columns = Columns::of("sessions", row);
            Ok((columns.text()?, columns.text()?))
        };
        self.list(sql, params![limit]).await?.into_iter().map(pair).collect()
    }

    pub(crate) async fn run_unless_empty(&self, steps: Vec<Step>) -> Result<()> {
        if steps.is_empty() { Ok(()) } else { self.run(steps).await.map(drop) }
    }
}
