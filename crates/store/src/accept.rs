//! Accepting a turn: lane, turn and input in one transaction, and what it means when that does not go through.

use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::TurnId;
use sederunt_core::item::Item;
use sederunt_core::store::{Accept, ConversationStore, Finish, Keyed, SessionStore, TurnStore};
use sederunt_core::turn::{Parent, Turn};
use sederunt_core::{Error, Result};

use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::requests::remember;
use crate::rows::{self, Columns, item_json, json, word};
use crate::sessions::{attended, living, stopped};
use crate::turns::held;
use crate::{SqlStore, TRIES, artifacts, finish, locks};

const AGENT: &str = "select 1 from agents where tenant = $1 and id = $2 and enabled = 1 and deleted is null";
pub(crate) const ENTER: &str = concat!(
    "update sessions set running = running + 1, asleep = 0, ",
    stopped!("$3"),
    ", ",
    attended!("$3"),
    " where tenant = $1 and id = $2 and enabled = 1 and ",
    living!("", "$3"),
    " and exists (select 1 from agents a where a.tenant = $1 and a.id = sessions.agent and a.enabled = 1 \
     and a.deleted is null)"
);
pub(crate) const CONVERSATION: &str = "select 1 from conversations where tenant = $1 and id = $2 and deleted is null";
pub(crate) const BIND: &str = "update conversations set session = $3 where tenant = $1 and id = $2 and deleted is null";
pub(crate) const HOLD: &str = "insert into leases (tenant, lane, node, token, beat, turn, agent) \
     values ($1, $2, $3, $4, 0, $5, $6) on conflict do nothing";
const HELD: &str = "select 1 from leases where tenant = $1 and lane = $2";

macro_rules! insert_turn {
    ($parent:literal, $elsewhere:literal, $condition:expr) => {
        concat!(
            "insert into turns (tenant, id, session, conversation, agent, version, owner, client, kind, lane, state, \
             kept, alias, tag, on_failure, on_disconnect, recording, parameters, created, extra, items, inputs, parent, \
             elsewhere) \
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'running', 0, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
             $20, ",
            $parent,
            ", ",
            $elsewhere,
            " where ",
            $condition,
            " on conflict do nothing returning parent"
        )
    };
}
const INSERT_ROOT: &str = insert_turn!("null", "0", "true");
pub(crate) const INSERT_AT_HEAD: &str = insert_turn!(
    "(select last_turn from sessions where tenant = $1 and id = $3)",
    "coalesce((select case when p.conversation is null then 0 else 1 end from sessions s \
     join turns p on p.tenant = s.tenant and p.id = s.last_turn where s.tenant = $1 and s.id = $3), 0)",
    "true"
);
pub(crate) const INSERT_AT_STILL_HEAD: &str = insert_turn!(
    "$21",
    "coalesce((select case when p.conversation is null then 0 else 1 end from turns p \
     where p.tenant = $1 and p.id = $21), 0)",
    "exists (select 1 from sessions s where s.tenant = $1 and s.id = $3 and s.last_turn = $21)"
);
pub(crate) const INSERT_AT_CONVERSATION: &str = insert_turn!(
    "(select head from conversations where tenant = $1 and id = $4)",
    "coalesce((select case when c.head is null then 0 else 1 end from conversations c \
     where c.tenant = $1 and c.id = $4), 0)",
    "true"
);
pub(crate) const INSERT_AFTER: &str = insert_turn!(
    "$21",
    "(select case when p.session = $3 and p.conversation is null then 0 else 1 end \
     from turns p where p.tenant = $1 and p.id = $21)",
    concat!(
        "exists (select 1 from turns p where p.tenant = $1 and p.id = $21 and p.kept = 1 and p.deleted is null and ",
        held!("p"),
        ")"
    )
);
pub(crate) const INSERT_ITEM: &str = "insert into items (tenant, turn, position, id, session, created, body) \
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";
pub(crate) const TAKE_WAITING: &str = "delete from waiting where tenant = $1 and lane = $2 and id = $3";

impl SqlStore {
    pub(crate) async fn accept(&self, accept: &Accept) -> Result<Keyed<Option<TurnId>>> {
        let mut missed = None;
        for _ in 0..TRIES {
            let steps = self.acceptance(accept)?;
            let insert = steps.iter().position(|step| step.guard == Some(Guard::Row)).unwrap_or_default();
            match self.driver.transact(steps).await? {
                Outcome::Done(mut rows) => {
                    let row = rows.get_mut(insert).and_then(Vec::pop).unwrap_or_default();
                    return Columns::of("turns", row).maybe_parsed().map(Keyed::Applied);
                }
                Outcome::Missed(guard) => {
                    if let Some(found) = self.settle_accept(accept, guard).await? {
                        return Ok(found);
                    }
                    missed = Some(guard);
                }
            }
        }
        Err(given_up(accept, missed))
    }

    /// Accepts and ends a turn in one transaction, which leaves no lease.
    pub(crate) async fn import(&self, accept: &Accept, finish: &Finish) -> Result<Turn> {
        for _ in 0..TRIES {
            let mut steps = self.acceptance(accept)?;
            steps.extend(finish::steps(finish)?);
            let end = steps.iter().rposition(|step| step.guard == Some(Guard::Row)).unwrap_or_default();
            let found = match self.driver.transact(steps).await? {
                Outcome::Done(mut rows) => {
                    return rows::turn(rows.get_mut(end).and_then(Vec::pop).unwrap_or_default());
                }
                Outcome::Missed(guard) => self.settle_accept(accept, guard).await?,
            };
            let id = match found {
                None => continue,
                Some(Keyed::Applied(_)) => accept.turn.id,
                Some(Keyed::Replayed(id)) => id.parse()?,
            };
            let stored = self.turn(&accept.turn.tenant, id).await?;
            return stored.map(|stored| stored.turn).ok_or_else(|| Error::not_found(Kind::Turn, id));
        }
        Err(unsettled())
    }

    /// What a miss means; `None` if what was in the way has gone.
    async fn settle_accept(&self, accept: &Accept, guard: Guard) -> Result<Option<Keyed<Option<TurnId>>>> {
        let turn = &accept.turn;
        if let Some(stored) = self.turn(&turn.tenant, turn.id).await? {
            return Ok(Some(Keyed::Applied(stored.turn.parent)));
        }
        match guard {
            Guard::Request => self.replayed(&turn.tenant, accept.request.as_ref(), turn.id).await,
            Guard::Opening => match &accept.opens {
                Some(session) => self.make_room(session).await.map(|()| None),
                None => Ok(None),
            },
            Guard::Conversation => match turn.conversation {
                Some(id) if self.conversation(&turn.tenant, id).await?.is_none() => {
                    Err(Error::not_found(Kind::Conversation, id))
                }
                _ => Ok(None),
            },
            Guard::Session | Guard::Agent => self.refusal(turn).await.map(|()| None),
            Guard::Lane => {
                let held = self.one(HELD, params![turn.tenant.as_str(), accept.fence.lane.0.as_str()]).await?;
                held.map_or(Ok(None), |_| Err(Error::conflict(Conflict::Busy, &accept.fence.lane)))
            }
            Guard::Row => {
                let taken = match turn.session {
                    Some(session) => self.turn_by_alias(&turn.tenant, session, &turn.alias).await?,
                    None => None,
                };
                match (taken, accept.parent) {
                    (Some(_), _) => Err(Error::conflict(Conflict::AlreadyExists, &turn.alias)),
                    (None, Parent::Turn(parent)) => {
                        let found = self.turn(&turn.tenant, parent).await?;
                        let kept = found.is_some_and(|found| found.turn.kept);
                        if kept { Ok(None) } else { Err(Error::not_found(Kind::Turn, parent)) }
                    }
                    (None, Parent::StillHead(head)) => {
                        let session = match turn.session {
                            Some(session) => self.session(&turn.tenant, session).await?,
                            None => None,
                        };
                        let is_head = session.is_some_and(|session| session.last_turn == Some(head));
                        if is_head { Ok(None) } else { Err(Error::conflict(Conflict::Stale, head)) }
                    }
                    (None, Parent::SessionHead | Parent::ConversationHead | Parent::Root) => Ok(None),
                }
            }
            Guard::Waiting | Guard::Unused => Err(Error::conflict(Conflict::Stale, &accept.fence.lane)),
        }
    }

    /// Why there is no living, enabled session and agent for a turn; `Ok` if there is after all.
    async fn refusal(&self, turn: &Turn) -> Result<()> {
        if let Some(id) = turn.session {
            let session = self.live_session(&turn.tenant, id, turn.created).await?;
            if !session.enabled {
                return Err(Error::conflict(Conflict::Disabled, id));
            }
            return self.agent_refusal(&turn.tenant, session.agent).await?.map_or(Ok(()), Err);
        }
        match turn.agent {
            Some(agent) => self.agent_refusal(&turn.tenant, agent).await?.map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// The steps that accept a turn.
    pub(crate) fn acceptance(&self, accept: &Accept) -> Result<Vec<Step>> {
        let (turn, fence) = (&accept.turn, &accept.fence);
        let tenant = turn.tenant.as_str();
        let id = turn.id.to_string();
        let mut steps = Vec::with_capacity(accept.input.len() + 8);
        steps.extend(accept.request.as_ref().map(|request| remember(&turn.tenant, request, turn.id)));
        steps.extend(turn.conversation.map(|conversation| locks::conversation(tenant, conversation)));
        if let Some(session) = &accept.opens {
            steps.extend(self.insertion(session)?);
        }
        if let Parent::Turn(parent) = accept.parent {
            steps.push(locks::conversation_of_turn(tenant, parent));
            steps.push(locks::sessions_of_turn(tenant, parent, turn.session));
        }
        if let Some(conversation) = turn.conversation {
            let mut which = params![tenant, conversation.to_string()];
            let sql = match turn.session {
                Some(session) if accept.binds => {
                    which.push(session.to_string().into());
                    BIND
                }
                _ => CONVERSATION,
            };
            steps.push(Step::guarded(Guard::Conversation, sql, which));
        }
        match (turn.session, turn.agent) {
            (Some(session), _) => {
                let enter = params![tenant, session.to_string(), turn.created.nanos()];
                steps.push(Step::guarded(Guard::Session, ENTER, enter));
            }
            (None, Some(agent)) => {
                steps.push(Step::guarded(Guard::Agent, AGENT, params![tenant, agent.to_string()]));
            }
            (None, None) => {}
        }
        let agent = turn.agent.map(|agent| agent.to_string());
        let hold = params![tenant, fence.lane.0.as_str(), fence.node.to_string(), fence.token, id.as_str(), agent];
        steps.push(Step::guarded(Guard::Lane, HOLD, hold));
        let mut insert = turn_params(turn, accept.input.len())?;
        let sql = match accept.parent {
            Parent::Root => INSERT_ROOT,
            Parent::SessionHead if turn.session.is_none() => INSERT_ROOT,
            Parent::SessionHead => INSERT_AT_HEAD,
            Parent::StillHead(head) => {
                insert.push(head.to_string().into());
                INSERT_AT_STILL_HEAD
            }
            Parent::ConversationHead => INSERT_AT_CONVERSATION,
            Parent::Turn(parent) => {
                insert.push(parent.to_string().into());
                INSERT_AFTER
            }
        };
        steps.push(Step::guarded(Guard::Row, sql, insert));
        for item in &accept.input {
            steps.push(insert_item(item)?);
            steps.extend(artifacts::insertion(item)?);
        }
        if let Some(waited) = accept.waited {
            let taken = params![tenant, fence.lane.0.as_str(), waited.to_string()];
            steps.push(Step::guarded(Guard::Waiting, TAKE_WAITING, taken));
        }
        Ok(steps)
    }
}

/// The error of a turn that was in vain tried again and again. A lane that others held each time is busy, although none of
/// them held it for long.
fn given_up(accept: &Accept, missed: Option<Guard>) -> Error {
    match missed {
        Some(Guard::Lane) => Error::conflict(Conflict::Busy, &accept.fence.lane),
        _ => unsettled(),
    }
}

/// The step that adds an item.
pub(crate) fn insert_item(item: &Item) -> Result<Step> {
    let params = params![
        item.tenant.as_str(),
        item.turn.to_string(),
        item.position,
        item.id.to_string(),
        item.session.map(|session| session.to_string()),
        item.created.nanos(),
        item_json(item)?,
    ];
    Ok(Step::any(INSERT_ITEM, params))
}

fn turn_params(turn: &Turn, items: usize) -> Result<Params> {
    Ok(params![
        turn.tenant.as_str(),
        turn.id.to_string(),
        turn.session.map(|id| id.to_string()),
        turn.conversation.map(|id| id.to_string()),
        turn.agent.map(|id| id.to_string()),
        turn.version,
        turn.owner.as_str(),
        turn.client.as_str(),
        word(&turn.kind)?,
        turn.lane.0.as_str(),
        turn.alias.as_str(),
        turn.tag.clone(),
        word(&turn.on_failure)?,
        word(&turn.on_disconnect)?,
        word(&turn.recording)?,
        json(&turn.parameters)?,
        turn.created.nanos(),
        json(&turn.extra)?,
        i64::try_from(items).unwrap_or(i64::MAX),
        turn.inputs,
    ])
}
