//! Forks: a session that begins with what another one's record shows, copied in one step. The copy is a record of its own:
//! its turns and items have ids of their own, and nothing that happens to the one is seen in the other.

use std::collections::{HashMap, HashSet};

use super::Sessions;
use crate::agent::{Agent, AgentVersion};
use crate::caller::{Action, Caller};
use crate::clock::Time;
use crate::conversation::ItemPlace;
use crate::error::{Error, FaultKind, Reason, Result};
use crate::id::{AgentId, ItemId, SessionId, TurnId};
use crate::item::{Entry, Item, ItemBody};
use crate::page::{Order, Slice};
use crate::session::{NewSession, Session};
use crate::store::TurnRecord;
use crate::turn::{Compaction, Ending, Lane, OnDisconnect, OnFailure, Recording, Turn, TurnKind, TurnState};

/// The most items that one fork copies.
const ITEMS: usize = 50_000;

/// How many turns or items are read at once.
const BATCH: u32 = 500;

/// What of another session's record a new one begins with. What is hidden there is never part of it.
#[derive(Clone, Debug)]
pub struct Excerpt<'a> {
    /// The agent that the other session is with.
    pub agent: &'a Agent,
    /// The other session.
    pub session: &'a Session,
    /// How much of it.
    pub part: ExcerptPart,
}

/// How much of a record.
#[derive(Clone, Debug)]
pub enum ExcerptPart {
    /// All of it.
    All,
    /// Up to the item at this position of this turn, and with it.
    UpTo(TurnId, u32),
    /// What follows the item at this position of this turn, after a summary of what comes before.
    After(TurnId, u32, Compaction),
}

impl Sessions<'_> {
    /// Makes a session under this id that begins with a copy of what the excerpt shows. `NotFound(Item)` if it names an item
    /// that is not there; `Model(TooLittle)` if there is nothing to make a summary of.
    pub async fn fork(
        &self,
        caller: &Caller,
        agent: &Agent,
        version: &AgentVersion,
        (id, new): (SessionId, NewSession),
        excerpt: &Excerpt<'_>,
    ) -> Result<Session> {
        let session = self.opening(caller, agent, version, NewSession { key: new.key.or(Some(id.into())), ..new })?;
        let mut session = Session { id, ..session };
        let source = excerpt.session;
        caller.may_on(Action::ReadSessions, source.agent)?;
        let mut entries = self.visible_entries(source).await?;
        let mut summary = None;
        match &excerpt.part {
            ExcerptPart::All => session.auto_title = source.auto_title.clone(),
            ExcerptPart::UpTo(turn, position) => {
                let end = self.place_of(source, *turn, *position).await?;
                entries.retain(|entry| entry.place <= end);
                session.auto_title = source.auto_title.clone();
            }
            ExcerptPart::After(turn, position, compaction) => {
                let end = self.place_of(source, *turn, *position).await?;
                let (covered, rest) = divided(entries, end);
                let last = covered.last().ok_or_else(|| FaultKind::TooLittle.with(""))?.item.created;
                let bodies: Vec<ItemBody> = covered.iter().map(|entry| entry.item.body.clone()).collect();
                let text = self.0.turns().summarise(caller, excerpt.agent, &bodies, compaction).await?;
                let inputs = bodies.iter().filter(|body| body.user_text().is_some()).count();
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                summary = Some((text, count(inputs), count(bodies.len()), last));
                entries = rest;
            }
        }
        let mut record = Vec::new();
        if let Some((summary, turns, items, created)) = summary {
            let turn = self.done(&session, TurnKind::Compact, created);
            let body = ItemBody::Compaction { summary, up_to: turn.id, turns, items };
            let item = self.item_of(&turn, 0, body);
            record.push(TurnRecord { turn, items: vec![item] });
        }
        let turns = self.turns_of(source, &entries).await?;
        record.extend(self.copies(&session, source.agent, turns, entries));
        number(&mut record);
        let artifacts = self.0.artifacts().renamed(&mut record);
        self.0.store().insert_record(&session, &record).await?;
        if let Err(error) = self.0.artifacts().copy(source, &session, &record, &artifacts).await {
            // Half of a copy is none.
            self.0.store().delete_session(&session.tenant, id, self.0.now(), None).await?;
            return Err(error);
        }
        self.find(caller, agent.id, id).await
    }

    /// What a session's record shows, in order.
    async fn visible_entries(&self, session: &Session) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.place);
            let slice = Slice { order: Order::OldestFirst, after, before: None, limit: BATCH };
            let read = self.0.store().session_items(&session.tenant, session.id, false, &slice).await?;
            entries.extend(read.items);
            if entries.len() > ITEMS {
                return Err(Error::invalid("from_session", Reason::TooLarge(ITEMS as u64)));
            }
            if !read.more {
                return Ok(entries);
            }
        }
    }

    /// The turns of a session that have these items, by their ids.
    async fn turns_of(&self, session: &Session, entries: &[Entry]) -> Result<HashMap<TurnId, Turn>> {
        let wanted: HashSet<TurnId> = entries.iter().map(|entry| entry.item.turn).collect();
        let (mut turns, mut after) = (HashMap::new(), None);
        loop {
            let batch = self.0.store().all_turns(&session.tenant, session.id, after, BATCH).await?;
            after = batch.last().filter(|_| batch.len() == BATCH as usize).map(|last| (last.created, last.id));
            turns.extend(batch.into_iter().filter(|turn| wanted.contains(&turn.id)).map(|turn| (turn.id, turn)));
            if after.is_none() {
                return Ok(turns);
            }
        }
    }

    async fn place_of(&self, session: &Session, turn: TurnId, position: u32) -> Result<ItemPlace> {
        Ok(self.0.record().get(session, turn, position).await?.place)
    }

    /// The copies of turns with those of their items that are in the excerpt. A turn of which nothing is left is left out.
    fn copies(
        &self,
        session: &Session,
        from: AgentId,
        mut turns: HashMap<TurnId, Turn>,
        entries: Vec<Entry>,
    ) -> Vec<TurnRecord> {
        let mut record: Vec<TurnRecord> = Vec::new();
        let (mut of, mut inputs) = (None, 0);
        for entry in entries {
            if of != Some(entry.item.turn) {
                let Some(turn) = turns.remove(&entry.item.turn) else { continue };
                (of, inputs) = (Some(turn.id), turn.inputs);
                record.push(TurnRecord { turn: self.copied(session, from, turn), items: Vec::new() });
            }
            let Some(copy) = record.last_mut() else { continue };
            let position = u32::try_from(copy.items.len()).unwrap_or(u32::MAX);
            if entry.item.position < inputs {
                copy.turn.inputs = position + 1;
            }
            let item = self.item_of(&copy.turn, position, entry.item.body);
            copy.items.push(Item { created: entry.item.created, extra: entry.item.extra, ..item });
        }
        record
    }

    /// A copy of a turn, as a kept turn of this session.
    fn copied(&self, session: &Session, from: AgentId, of: Turn) -> Turn {
        Turn {
            version: of.version.filter(|_| from == session.agent),
            kind: of.kind,
            state: of.state,
            on_failure: of.on_failure,
            on_disconnect: of.on_disconnect,
            parameters: of.parameters,
            usage: of.usage,
            ended: of.ended,
            extra: of.extra,
            ..self.done(session, TurnKind::Message, of.created)
        }
    }

    /// A kept turn of this session that is done, and has nothing in it yet.
    fn done(&self, session: &Session, kind: TurnKind, created: Time) -> Turn {
        let id = TurnId(self.0.ports().ids.uuid(self.0.now()));
        Turn {
            tenant: session.tenant.clone(),
            id,
            session: Some(session.id),
            conversation: None,
            agent: Some(session.agent),
            version: None,
            owner: session.owner.clone(),
            client: session.client.clone(),
            parent: None,
            number: None,
            place: None,
            inputs: 0,
            kind,
            lane: Lane::session(session.id),
            state: TurnState::Ended { ending: Ending::Done },
            kept: true,
            alias: id.to_string(),
            tag: None,
            on_failure: OnFailure::Keep,
            on_disconnect: OnDisconnect::Finish,
            recording: Recording::Items,
            parameters: Default::default(),
            usage: None,
            created,
            ended: Some(created),
            extra: Default::default(),
        }
    }

    fn item_of(&self, turn: &Turn, position: u32, body: ItemBody) -> Item {
        Item {
            tenant: turn.tenant.clone(),
            id: ItemId(self.0.ports().ids.uuid(self.0.now())),
            turn: turn.id,
            session: turn.session,
            position,
            number: None,
            created: turn.created,
            body,
            extra: Default::default(),
        }
    }
}

/// What is covered up to a place, and what follows. The result of a call that is covered is too: models refuse one that
/// nothing asked for.
fn divided(entries: Vec<Entry>, end: ItemPlace) -> (Vec<Entry>, Vec<Entry>) {
    let (mut covered, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.place <= end);
    let mut open: HashSet<String> = HashSet::new();
    for entry in &covered {
        match &entry.item.body {
            ItemBody::ToolCall(call) => {
                open.insert(call.call.clone());
            }
            ItemBody::ToolResult(result) => {
                open.remove(&result.call);
            }
            _ => {}
        }
    }
    let (answers, rest) = rest
        .into_iter()
        .partition(|entry| matches!(&entry.item.body, ItemBody::ToolResult(result) if open.remove(&result.call)));
    covered.extend::<Vec<Entry>>(answers);
    (covered, rest)
}

/// Gives turns their numbers and parents, and items theirs.
fn number(record: &mut [TurnRecord]) {
    let (mut parent, mut items) = (None, 0);
    for (turn, number) in record.iter_mut().zip(1..) {
        turn.turn.number = Some(number);
        turn.turn.parent = parent.replace(turn.turn.id);
        for item in &mut turn.items {
            items += 1;
            item.number = Some(items);
        }
    }
}
