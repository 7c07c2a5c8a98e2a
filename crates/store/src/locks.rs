//! What a transaction holds before it reads, where transactions run side by side: what it reads after that stays so until
//! it is over. All hold things in one order, so that two of them rarely wait for each other: the key of the request, the
//! agent, the conversation, what a session that is opened counts in, sessions, what a session that goes counted in, the
//! lease, the turn. Where transactions run one after the other these steps are left out.

use sederunt_core::turn::Lane;

use crate::driver::{Step, params};

const CONVERSATION: &str = "select 1 from conversations where tenant = $1 and id = $2 for update";
const SESSION: &str = "select 1 from sessions where tenant = $1 and id = $2 for update";
const LEASE: &str = "select 1 from leases where tenant = $1 and lane = $2 for update";
const LEASES_OF_AGENT: &str = "select 1 from leases where tenant = $1 and agent = $2 order by lane for update";
const AGENT: &str = "select 1 from agents where tenant = $1 and id = $2 for update";
const COUNTS: &str = "select 1 from counts where tenant = $1 and agent = $2 order by shard for update";
const SESSIONS_OF_VERSION: &str = "select 1 from sessions where tenant = $1 and agent = $2 and version = $3 \
     and deleted is null order by id for update";
const CONVERSATION_OF_TURN: &str = "select 1 from conversations where tenant = $1 \
     and id = (select t.conversation from turns t where t.tenant = $1 and t.id = $2) for update";
const SESSIONS_OF_TURN: &str = "select 1 from sessions where tenant = $1 \
     and id in ($3, (select t.session from turns t where t.tenant = $1 and t.id = $2)) order by id for update";
const INSTRUCTION: &str = "select 1 from instructions where tenant = $1 and id = $2 order by version for update";
const FAMILY: &str = "select 1 from credentials where family = $1 order by id for update";
const FAMILY_OF: &str = "select 1 from credentials \
     where family = (select c.family from credentials c where c.id = $1) order by id for update";

/// A conversation: where it stands, how many turns it has, whether it is hidden.
pub(crate) fn conversation(tenant: &str, id: impl ToString) -> Step {
    Step::lock(CONVERSATION, params![tenant, id.to_string()])
}

/// The conversation of a turn, if it is of one: what else holds the turn is not hidden meanwhile.
pub(crate) fn conversation_of_turn(tenant: &str, turn: impl ToString) -> Step {
    Step::lock(CONVERSATION_OF_TURN, params![tenant, turn.to_string()])
}

/// A session: where it stands, what it counts, whether it is hidden.
pub(crate) fn session(tenant: &str, id: impl ToString) -> Step {
    Step::lock(SESSION, params![tenant, id.to_string()])
}

/// The session of a turn, and the other one that is named, which may be none.
pub(crate) fn sessions_of_turn(tenant: &str, turn: impl ToString, session: Option<impl ToString>) -> Step {
    let session = session.map(|session| session.to_string()).unwrap_or_default();
    Step::lock(SESSIONS_OF_TURN, params![tenant, turn.to_string(), session])
}

/// The sessions that are pinned to a version.
pub(crate) fn sessions_of_version(tenant: &str, agent: impl ToString, version: u32) -> Step {
    Step::lock(SESSIONS_OF_VERSION, params![tenant, agent.to_string(), version])
}

/// An agent: whether it is hidden.
pub(crate) fn agent(tenant: &str, id: impl ToString) -> Step {
    Step::lock(AGENT, params![tenant, id.to_string()])
}

/// How many sessions an agent has. Whoever adds one counts it first, and is waited for, or waits.
pub(crate) fn counts(tenant: &str, agent: impl ToString) -> Step {
    Step::lock(COUNTS, params![tenant, agent.to_string()])
}

/// Who holds a lane.
pub(crate) fn lease(tenant: &str, lane: &str) -> Step {
    Step::lock(LEASE, params![tenant, lane])
}

/// What a lane is of, which whoever accepts a turn in it holds too; if it is of no more than a turn, who holds it.
pub(crate) fn lane(tenant: &str, lane: &Lane) -> Step {
    match lane.0.split_once(':') {
        Some(("session", id)) => session(tenant, id),
        Some(("conversation", id)) => conversation(tenant, id),
        _ => self::lease(tenant, &lane.0),
    }
}

/// Who holds the lanes in which an agent answers.
pub(crate) fn leases_of_agent(tenant: &str, agent: impl ToString) -> Step {
    Step::lock(LEASES_OF_AGENT, params![tenant, agent.to_string()])
}

/// An instruction with all its versions. Whoever adds one holds the others: so none is added, and none goes.
pub(crate) fn instruction(tenant: &str, id: impl ToString) -> Step {
    Step::lock(INSTRUCTION, params![tenant, id.to_string()])
}

/// The credentials that were issued one for another. Whoever adds one holds the others.
pub(crate) fn family(family: &str) -> Step {
    Step::lock(FAMILY, params![family])
}

/// The same, by one of them.
pub(crate) fn family_of(credential: &str) -> Step {
    Step::lock(FAMILY_OF, params![credential])
}
