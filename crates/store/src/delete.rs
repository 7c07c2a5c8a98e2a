//! What is deleted is hidden in one step, whatever is in it: the steps for each thing. Rows go later, in batches.

use sederunt_core::Result;
use sederunt_core::clock::Time;
use sederunt_core::id::{AgentId, ConversationId, SessionId, TenantId, TurnId};
use sederunt_core::turn::{Ending, Lane};

use crate::driver::{Guard, Params, Step, params};
use crate::rows::json;
use crate::sessions::prolonged;
use crate::turns::held_by_conversation;
use crate::{locks, session_metadata};

/// A session counts until it is hidden, or has lapsed.
pub(crate) const COUNT_DOWN: &str = "update counts set sessions = sessions - coalesce((select 1 - s.lapsed \
     from sessions s where s.tenant = $1 and s.id = $2), 0) where tenant = $1 \
     and agent = (select agent from sessions where tenant = $1 and id = $2) \
     and shard = (select shard from sessions where tenant = $1 and id = $2)";
pub(crate) const HIDE: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 and deleted is null \
     and exists (select 1 from agents a where a.tenant = $1 and a.id = sessions.agent and a.deleted is null)";
pub(crate) const HIDE_EXPIRED: &str = "update sessions set deleted = $3 where tenant = $1 and id = $2 \
     and deleted is null and running = 0 and expires <= $3";
pub(crate) const RELEASE: &str = "delete from leases where tenant = $1 and lane in \
     (select lane from turns where tenant = $1 and session = $2 and ended is null)";
/// A turn of a conversation is there without its session, where it must not run for ever.
pub(crate) const END_IN_CONVERSATIONS: &str = "update turns set state = $4, ending = $5, ended = $3 \
     where tenant = $1 and session = $2 and ended is null and conversation is not null";
const CLEAR_QUEUE: &str = "delete from waiting where tenant = $1 and lane = $2";

macro_rules! remember_place {
    ($what:literal) => {
        concat!(
            "insert into gone (tenant, agent, key, id, created, at) ",
            $what,
            " and deleted is null on conflict (tenant, agent, key) do update \
             set id = excluded.id, created = excluded.created, at = excluded.at"
        )
    };
}
pub(crate) const PLACE_OF_SESSION: &str =
    remember_place!("select tenant, agent, key, id, created, $3 from sessions where tenant = $1 and id = $2");
pub(crate) const PLACES_OF_VERSION: &str = remember_place!(
    "select tenant, agent, key, id, created, $4 from sessions where tenant = $1 and agent = $2 and version = $3"
);
pub(crate) const PLACE_OF_CONVERSATION: &str =
    remember_place!("select tenant, '', id, id, created, $3 from conversations where tenant = $1 and id = $2");

macro_rules! end_turns {
    ($which:literal) => {
        concat!(
            "update turns set state = $4, ending = $5, ended = $3 where tenant = $1 and ended is null and id in ",
            $which
        )
    };
}
pub(crate) const END_OF_AGENT: &str = end_turns!("(select l.turn from leases l where l.tenant = $1 and l.agent = $2)");
pub(crate) const RELEASE_AGENT: &str = "delete from leases where tenant = $1 and agent = $2";
pub(crate) const HIDE_CONVERSATION: &str = "update conversations set deleted = $3, metadata = '{}' \
     where tenant = $1 and id = $2 and deleted is null";
pub(crate) const END_IN_LANE: &str = end_turns!("(select l.turn from leases l where l.tenant = $1 and l.lane = $2)");
pub(crate) const LEAVE_OF_LANE: &str = concat!(
    "update sessions set running = running - 1, ",
    prolonged!("$3"),
    " where tenant = $1 and id = (select t.session from leases l join turns t on t.tenant = l.tenant \
     and t.id = l.turn where l.tenant = $1 and l.lane = $2)"
);
const RELEASE_LANE: &str = "delete from leases where tenant = $1 and lane = $2";

macro_rules! leases_of_version {
    ($what:literal) => {
        concat!(
            "select l.",
            $what,
            " from leases l join turns t on t.tenant = l.tenant and t.id = l.turn \
             join sessions s on s.tenant = t.tenant and s.id = t.session \
             where l.tenant = $1 and l.agent = $2 and s.version = $3 and s.deleted is null"
        )
    };
}
pub(crate) const END_OF_VERSION: &str = concat!(
    "update turns set state = $5, ending = $6, ended = $4 where tenant = $1 and ended is null and id in (",
    leases_of_version!("turn"),
    ")"
);
pub(crate) const RELEASE_VERSION: &str =
    concat!("delete from leases where tenant = $1 and lane in (", leases_of_version!("lane"), ")");
pub(crate) const COUNT_DOWN_VERSION: &str = "update counts set sessions = sessions - (select count(*) from sessions s \
     where s.tenant = $1 and s.agent = $2 and s.version = $3 and s.shard = counts.shard \
     and s.deleted is null and s.lapsed = 0) where tenant = $1 and agent = $2";
pub(crate) const UNLIST_OF_VERSION: &str = "delete from session_metadata where tenant = $1 and session in \
     (select s.id from sessions s where s.tenant = $1 and s.agent = $2 and s.version = $3 and s.deleted is null)";
pub(crate) const HIDE_OF_VERSION: &str = "update sessions set deleted = $4 where tenant = $1 and agent = $2 \
     and version = $3 and deleted is null returning id";

pub(crate) const HIDE_TURN: &str = "update turns set deleted = $3, alias = id, tag = null where tenant = $1 and id = $2 \
     and deleted is null and ended is not null";
pub(crate) const COUNT_TURN_DOWN: &str = "update sessions set turns = turns - 1 where tenant = $1 and id = \
     (select t.session from turns t where t.tenant = $1 and t.id = $2 and t.kept = 1 and t.kind = 'message')";
macro_rules! unless_of_conversation {
    ($what:literal) => {
        concat!(
            $what,
            " and exists (select 1 from turns t where t.tenant = $1 and t.id = $2 and not (t.kept = 1 and ",
            held_by_conversation!("t"),
            "))"
        )
    };
}
pub(crate) const UNMASK_TURN: &str = unless_of_conversation!(
    "delete from item_masks where tenant = $1 \
     and item in (select i.id from items i where i.tenant = $1 and i.turn = $2)"
);
pub(crate) const EMPTY_TURN: &str = unless_of_conversation!("delete from items where tenant = $1 and turn = $2");
pub(crate) const BLANK_TURN: &str = unless_of_conversation!(
    "update turns set parameters = '{}', extra = '{}', usage = null where tenant = $1 and id = $2"
);
const DROP_PARTS: &str = "delete from parts where tenant = $1 and turn = $2";

/// How a turn ends whose session, conversation or agent is deleted: the column's word, and the ending.
fn cancelled() -> Result<Params> {
    Ok(params![Ending::Cancelled.word(), json(&Ending::Cancelled)?])
}

/// Deletes a session: a living agent's, in whatever state.
pub(crate) fn session(tenant: &TenantId, session: SessionId, now: Time) -> Result<Vec<Step>> {
    let stamped = params![tenant.as_str(), session.to_string(), now.nanos()];
    let mut steps = vec![locks::session(tenant.as_str(), session), Step::any(PLACE_OF_SESSION, stamped)];
    steps.extend(hide_session(tenant, session, now, HIDE)?);
    Ok(steps)
}

/// Hides a session if it has expired.
pub(crate) fn expired_session(tenant: &TenantId, session: SessionId, now: Time) -> Result<Vec<Step>> {
    hide_session(tenant, session, now, HIDE_EXPIRED)
}

/// Hides a session by `sql`, counts it off, releases its lanes and empties its queue.
fn hide_session(tenant: &TenantId, session: SessionId, now: Time, sql: &'static str) -> Result<Vec<Step>> {
    let both = || params![tenant.as_str(), session.to_string()];
    let stamped = params![tenant.as_str(), session.to_string(), now.nanos()];
    let mut ended = stamped.clone();
    ended.extend(cancelled()?);
    // A hidden session needs no commit number: no walk shows it, wherever it stood.
    Ok(vec![
        Step::once(Guard::Session, sql, stamped),
        Step::any(COUNT_DOWN, both()),
        Step::any(RELEASE, both()),
        Step::any(END_IN_CONVERSATIONS, ended),
        Step::any(CLEAR_QUEUE, params![tenant.as_str(), Lane::session(session).0]),
        session_metadata::removed(tenant.as_str(), &session.to_string()),
    ])
}

/// Ends the turns of an agent and releases their lanes.
pub(crate) fn turns_of_agent(tenant: &TenantId, agent: impl ToString, now: Time) -> Result<[Step; 3]> {
    let mut ended = params![tenant.as_str(), agent.to_string(), now.nanos()];
    ended.extend(cancelled()?);
    let release = params![tenant.as_str(), agent.to_string()];
    let held = locks::leases_of_agent(tenant.as_str(), agent);
    Ok([held, Step::any(END_OF_AGENT, ended), Step::any(RELEASE_AGENT, release)])
}

/// Hides the sessions that are pinned to a version; the last step returns their ids.
pub(crate) fn sessions_of_version(tenant: &TenantId, agent: AgentId, version: u32, now: Time) -> Result<Vec<Step>> {
    let which = || params![tenant.as_str(), agent.to_string(), version];
    let stamped = || params![tenant.as_str(), agent.to_string(), version, now.nanos()];
    let mut ended = stamped();
    ended.extend(cancelled()?);
    Ok(vec![
        Step::any(PLACES_OF_VERSION, stamped()),
        Step::any(COUNT_DOWN_VERSION, which()),
        Step::any(END_OF_VERSION, ended),
        Step::any(RELEASE_VERSION, which()),
        Step::any(UNLIST_OF_VERSION, which()),
        Step::any(HIDE_OF_VERSION, stamped()),
    ])
}

/// Deletes a conversation. A turn that runs in it ends, and its session lives on.
pub(crate) fn conversation(tenant: &TenantId, id: ConversationId, now: Time) -> Result<Vec<Step>> {
    let lane = Lane::conversation(id).0;
    let stamped = || params![tenant.as_str(), id.to_string(), now.nanos()];
    let of_lane = || params![tenant.as_str(), lane.as_str()];
    let left = params![tenant.as_str(), lane.as_str(), now.nanos()];
    let mut ended = left.clone();
    ended.extend(cancelled()?);
    Ok(vec![
        locks::conversation(tenant.as_str(), id),
        Step::any(PLACE_OF_CONVERSATION, stamped()),
        Step::once(Guard::Conversation, HIDE_CONVERSATION, stamped()),
        Step::any(LEAVE_OF_LANE, left),
        Step::any(END_IN_LANE, ended),
        Step::any(RELEASE_LANE, of_lane()),
        Step::any(CLEAR_QUEUE, of_lane()),
    ])
}

/// Deletes an ended turn. What it said stays if it stands in a conversation.
pub(crate) fn turn(tenant: &TenantId, turn: TurnId, now: Time) -> Vec<Step> {
    let both = || params![tenant.as_str(), turn.to_string()];
    let hide = params![tenant.as_str(), turn.to_string(), now.nanos()];
    let rest = [COUNT_TURN_DOWN, UNMASK_TURN, EMPTY_TURN, BLANK_TURN, DROP_PARTS];
    let hide = [locks::conversation_of_turn(tenant.as_str(), turn), Step::once(Guard::Row, HIDE_TURN, hide)];
    hide.into_iter().chain(rest.map(|sql| Step::any(sql, both()))).collect()
}
