//! Ending a turn: lane, output, parts, turn and session in one transaction, behind the fence.

use sederunt_core::error::Conflict;
use sederunt_core::id::{SessionId, TenantId, TurnId};
use sederunt_core::item::MaskReason;
use sederunt_core::part::Part;
use sederunt_core::store::{Fence, Finish, TurnStore};
use sederunt_core::turn::{Turn, TurnState};
use sederunt_core::{Error, Result};

use crate::accept::insert_item;
use crate::conversation_items::MASK;
use crate::driver::{Guard, Outcome, Step, params};
use crate::rows::{self, json, turn_columns, word};
use crate::sessions::{attended, prolonged};
use crate::walk::{DRAW, LEAVE};
use crate::{SqlStore, locks};

pub(crate) const RELEASE: &str =
    "delete from leases where tenant = $1 and lane = $2 and node = $3 and token = $4 and turn = $5";
/// A batch of which nobody knew whether it was stored comes again with what has been said since.
macro_rules! longer_batch {
    ($insert:literal) => {
        concat!(
            $insert,
            " on conflict (tenant, turn, first) do update set last = excluded.last, body = excluded.body \
             where excluded.last > parts.last"
        )
    };
}
const APPEND_PARTS: &str =
    longer_batch!("insert into parts (tenant, turn, first, last, body) values ($1, $2, $3, $4, $5)");
pub(crate) const APPEND_PARTS_FENCED: &str = longer_batch!(
    "insert into parts (tenant, turn, first, last, body) select l.tenant, l.turn, $6, $7, $8 from leases l \
     where l.tenant = $1 and l.lane = $2 and l.node = $3 and l.token = $4 and l.turn = $5"
);
const HELD: &str = "select 1 from leases where tenant = $1 and lane = $2 and node = $3 and token = $4 and turn = $5";
const DROP_PARTS: &str = "delete from parts where tenant = $1 and turn = $2";
pub(crate) const LEAVE_SESSION: &str =
    concat!("update sessions set running = running - 1, ", attended!("$3"), " where tenant = $1 and id = $2");

macro_rules! end {
    ($kept:expr) => {
        concat!(
            "update turns as t set state = $3, ending = $4, usage = $5, ended = $6, items = t.items + $7",
            $kept,
            " where t.tenant = $1 and t.id = $2 and t.ended is null returning ",
            turn_columns!("")
        )
    };
}
const END: &str = end!("");
macro_rules! end_kept {
    ($numbered:literal) => {
        end!(concat!(
            ", kept = 1, \
             place = (select k.turns + 1 from conversations k where k.tenant = $1 and k.id = t.conversation)",
            $numbered
        ))
    };
}
pub(crate) const END_KEPT_ALONE: &str = end_kept!("");
pub(crate) const END_KEPT: &str = end_kept!(
    ", number = (select s.kept + 1 from sessions s where s.tenant = $1 and s.id = t.session), \
     first_item = (select s.items + 1 from sessions s where s.tenant = $1 and s.id = t.session)"
);

pub(crate) const KEEP: &str = concat!(
    "update sessions set running = running - 1, kept = kept + 1, last_turn = $3, \
     turns = turns + (select case when t.kind = 'message' then 1 else 0 end from turns t where t.tenant = $1 and t.id = $3), \
     items = items + (select t.items from turns t where t.tenant = $1 and t.id = $3), \
     updated = $4, ",
    prolonged!("$4"),
    ", auto_title = coalesce(auto_title, $5), context = coalesce($6, context), \
     seq = (select h.seq from heads h where h.tenant = $1 and h.owner = sessions.owner and h.shard = sessions.shard) \
     where tenant = $1 and id = $2"
);
pub(crate) const MOVE_HEAD: &str = "update conversations set head = $3, turns = turns + 1, \
     agent = coalesce(agent, (select t.agent from turns t where t.tenant = $1 and t.id = $3)) \
     where tenant = $1 and id = $2 and deleted is null";

impl SqlStore {
    pub(crate) async fn finish(&self, finish: &Finish) -> Result<Turn> {
        let steps = steps(finish)?;
        let end = steps.iter().position(|step| step.guard == Some(Guard::Row)).unwrap_or_default();
        match self.driver.transact(steps).await? {
            Outcome::Done(mut rows) => rows::turn(rows.get_mut(end).and_then(Vec::pop).unwrap_or_default()),
            Outcome::Missed(_) => {
                // The same end, written at the same moment, is this call that comes again.
                let stored = self.turn(&finish.tenant, finish.turn).await?.map(|record| record.turn);
                let ended = TurnState::Ended { ending: finish.ending.clone() };
                match stored {
                    Some(turn) if turn.state == ended && turn.ended == Some(finish.now) => Ok(turn),
                    _ => Err(Error::conflict(Conflict::Stale, finish.turn)),
                }
            }
        }
    }

    pub(crate) async fn append(&self, tenant: &TenantId, turn: TurnId, fence: &Fence, parts: &[Part]) -> Result<()> {
        let held = locks::lease(tenant.as_str(), &fence.lane.0);
        let mut params = holder(tenant, turn, fence);
        let add = match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => {
                params.extend([first.number.into(), last.number.into(), json(&parts)?.into()]);
                Step::guarded(Guard::Row, APPEND_PARTS_FENCED, params)
            }
            _ => return Ok(()),
        };
        if let Outcome::Done(_) = self.driver.transact(vec![held, add]).await? {
            return Ok(());
        }
        // Still held: the batch was there already.
        match self.one(HELD, holder(tenant, turn, fence)).await? {
            Some(_) => Ok(()),
            None => Err(Error::conflict(Conflict::Stale, turn)),
        }
    }
}

/// Who must hold the lane: tenant, lane, node, token, turn.
fn holder(tenant: &TenantId, turn: TurnId, fence: &Fence) -> crate::Params {
    params![tenant.as_str(), fence.lane.0.as_str(), fence.node.to_string(), fence.token, turn.to_string()]
}

pub(crate) fn steps(finish: &Finish) -> Result<Vec<Step>> {
    let tenant = finish.tenant.as_str();
    let turn = finish.turn.to_string();
    let mut steps = Vec::with_capacity(finish.output.len() + 8);
    steps.extend(finish.conversation.map(|conversation| locks::conversation(tenant, conversation)));
    steps.extend(finish.session.map(|session| locks::session(tenant, session)));
    steps.push(Step::guarded(Guard::Lane, RELEASE, holder(&finish.tenant, finish.turn, &finish.fence)));
    for item in &finish.output {
        steps.push(insert_item(item)?);
    }
    match finish.parts.as_deref() {
        None => steps.push(Step::any(DROP_PARTS, params![tenant, turn.as_str()])),
        Some([]) => {}
        Some(parts @ [first, ..]) => {
            let last = parts.last().unwrap_or(first).number;
            let batch = params![tenant, turn.as_str(), first.number, last, json(&parts)?];
            steps.push(Step::any(APPEND_PARTS, batch));
        }
    }
    let sql = match (finish.kept, finish.session) {
        (false, _) => END,
        (true, None) => END_KEPT_ALONE,
        (true, Some(_)) => END_KEPT,
    };
    let end = params![
        tenant,
        turn.as_str(),
        finish.ending.word(),
        json(&finish.ending)?,
        finish.usage.as_ref().map(json).transpose()?,
        finish.now.nanos(),
        i64::try_from(finish.output.len()).unwrap_or(i64::MAX),
    ];
    steps.push(Step::guarded(Guard::Row, sql, end));
    if let Some(session) = finish.session {
        steps.extend(session_steps(finish, session)?);
    }
    if let Some(conversation) = finish.conversation.filter(|_| finish.kept) {
        let head = params![tenant, conversation.to_string(), turn.as_str()];
        steps.push(Step::guarded(Guard::Conversation, MOVE_HEAD, head));
    }
    Ok(steps)
}

fn session_steps(finish: &Finish, session: SessionId) -> Result<Vec<Step>> {
    let (tenant, id, now) = (finish.tenant.as_str(), session.to_string(), finish.now.nanos());
    if !finish.kept {
        return Ok(vec![Step::guarded(Guard::Session, LEAVE_SESSION, params![tenant, id, now])]);
    }
    let context = finish.context.as_ref().map(json).transpose()?;
    let keep = params![tenant, id.as_str(), finish.turn.to_string(), now, finish.auto_title.clone(), context];
    let mut steps = vec![
        Step::any(DRAW, params![tenant, id.as_str()]),
        Step::any(LEAVE, params![tenant, id.as_str(), now]),
        Step::guarded(Guard::Session, KEEP, keep),
    ];
    for item in &finish.hides {
        let reason = word(&MaskReason::Compacted)?;
        steps.push(Step::any(MASK, params![tenant, item.to_string(), id.as_str(), reason, now]));
    }
    Ok(steps)
}
