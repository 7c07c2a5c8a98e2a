//! Sessions that begin with a record: the session, its turns and their items in one transaction.

use sederunt_core::session::Session;
use sederunt_core::store::{SessionStore, TurnRecord};
use sederunt_core::turn::{TurnKind, TurnState};
use sederunt_core::{Error, Result};

use crate::accept::insert_item;
use crate::driver::{Guard, Outcome, Params, Step, params, unsettled};
use crate::rows::{json, word};
use crate::{SqlStore, TRIES};

const INSERT_TURN: &str = "insert into turns (tenant, id, session, agent, version, owner, client, parent, number, kind, lane, \
     state, ending, kept, alias, on_failure, on_disconnect, recording, parameters, usage, created, ended, extra, items, \
     inputs, first_item, elsewhere) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14, $15, $16, $17, \
     $18, $19, $20, $21, $22, $23, $24, $25, 0)";
pub(crate) const COUNT_RECORD: &str = "update sessions set kept = $3, turns = $4, items = $5, last_turn = $6 \
     where tenant = $1 and id = $2";

impl SqlStore {
    pub(crate) async fn add_record(&self, session: &Session, record: &[TurnRecord]) -> Result<()> {
        for _ in 0..TRIES {
            match self.driver.transact(steps(self.insertion(session)?, session, record)?).await? {
                Outcome::Done(_) => return Ok(()),
                Outcome::Missed(_) => {
                    if self.session(&session.tenant, session.id).await?.is_some() {
                        return Ok(());
                    }
                    self.make_room(session).await?;
                }
            }
        }
        Err(unsettled())
    }
}

/// What adds a session, and then its record.
fn steps(mut steps: Vec<Step>, session: &Session, record: &[TurnRecord]) -> Result<Vec<Step>> {
    for turn in record {
        steps.push(Step::guarded(Guard::Row, INSERT_TURN, turn_params(turn)?));
        for item in &turn.items {
            steps.push(insert_item(item)?);
        }
    }
    let messages = record.iter().filter(|turn| turn.turn.kind == TurnKind::Message).count();
    let items: usize = record.iter().map(|turn| turn.items.len()).sum();
    let counts = params![
        session.tenant.as_str(),
        session.id.to_string(),
        count(record.len()),
        count(messages),
        count(items),
        record.last().map(|last| last.turn.id.to_string()),
    ];
    steps.push(Step::guarded(Guard::Session, COUNT_RECORD, counts));
    Ok(steps)
}

fn turn_params(record: &TurnRecord) -> Result<Params> {
    let turn = &record.turn;
    let TurnState::Ended { ending } = &turn.state else {
        return Err(Error::internal("a record has turns that have ended"));
    };
    Ok(params![
        turn.tenant.as_str(),
        turn.id.to_string(),
        turn.session.map(|id| id.to_string()),
        turn.agent.map(|id| id.to_string()),
        turn.version,
        turn.owner.as_str(),
        turn.client.as_str(),
        turn.parent.map(|id| id.to_string()),
        turn.number,
        word(&turn.kind)?,
        turn.lane.0.as_str(),
        ending.word(),
        json(ending)?,
        turn.alias.as_str(),
        word(&turn.on_failure)?,
        word(&turn.on_disconnect)?,
        word(&turn.recording)?,
        json(&turn.parameters)?,
        turn.usage.as_ref().map(json).transpose()?,
        turn.created.nanos(),
        turn.ended.map(|ended| ended.nanos()),
        json(&turn.extra)?,
        count(record.items.len()),
        turn.inputs,
        record.items.first().and_then(|item| item.number),
    ])
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
