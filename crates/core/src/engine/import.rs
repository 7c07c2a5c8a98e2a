//! Items that come from elsewhere: a turn of a conversation that asks nothing of a model, accepted and ended in one step,
//! which may be the one that makes the conversation.

use super::Engine;
use crate::caller::Caller;
use crate::conversation::Conversation;
use crate::error::{Error, Kind, Result};
use crate::id::{ItemId, TurnId};
use crate::item::{Item, NewItem};
use crate::store::{Accept, Finish, RequestKey, TurnRecord};
use crate::turn::{Ending, Lane, OnDisconnect, OnFailure, Parent, Recording, Turn, TurnKind, TurnState};

impl Engine {
    /// Adds items to a conversation. `Conflict(Busy)` while a turn runs in it. Repeated with the same key, it is what was
    /// added then.
    pub(crate) async fn import(
        &self,
        caller: &Caller,
        conversation: &Conversation,
        items: Vec<NewItem>,
        request: Option<RequestKey>,
    ) -> Result<TurnRecord> {
        let (accept, finish) = self.importing(caller, conversation, items)?;
        let accept = Accept { request, ..accept };
        let turn = self.0.ports.store.import_turn(&accept, &finish).await?;
        if turn.id == accept.turn.id {
            return Ok(TurnRecord { turn, items: accept.input });
        }
        let before = self.0.ports.store.turn(&turn.tenant, turn.id).await?;
        before.ok_or_else(|| Error::not_found(Kind::Turn, turn.id))
    }

    /// What is written when these items are added to a conversation.
    pub(crate) fn importing(
        &self,
        caller: &Caller,
        conversation: &Conversation,
        items: Vec<NewItem>,
    ) -> Result<(Accept, Finish)> {
        self.admit()?;
        let ports = &self.0.ports;
        let now = ports.clock.now();
        let id = TurnId(ports.ids.uuid(now));
        let lane = Lane::conversation(conversation.id);
        let turn = Turn {
            tenant: caller.tenant.clone(),
            id,
            session: None,
            conversation: Some(conversation.id),
            agent: None,
            version: None,
            owner: conversation.owner.clone(),
            client: caller.client.clone(),
            parent: None,
            number: None,
            place: None,
            inputs: u32::try_from(items.len()).unwrap_or(u32::MAX),
            kind: TurnKind::Import,
            lane: lane.clone(),
            state: TurnState::Running,
            kept: false,
            alias: id.to_string(),
            tag: None,
            on_failure: OnFailure::Keep,
            on_disconnect: OnDisconnect::Finish,
            recording: Recording::Items,
            parameters: Default::default(),
            usage: None,
            created: now,
            ended: None,
            extra: Default::default(),
        };
        let item = |(at, item): (usize, NewItem)| Item {
            tenant: caller.tenant.clone(),
            id: ItemId(ports.ids.uuid(now)),
            turn: id,
            session: None,
            position: u32::try_from(at).unwrap_or(u32::MAX),
            number: None,
            created: now,
            body: item.body,
            extra: item.extra,
        };
        let fence = self.new_fence(lane);
        let input: Vec<_> = items.into_iter().enumerate().map(item).collect();
        let finish = Finish {
            tenant: turn.tenant.clone(),
            turn: id,
            session: None,
            conversation: turn.conversation,
            fence: fence.clone(),
            ending: Ending::Done,
            kept: true,
            output: Vec::new(),
            usage: None,
            parts: Some(Vec::new()),
            auto_title: None,
            context: None,
            hides: Vec::new(),
            now,
        };
        let accept = Accept {
            turn,
            parent: Parent::ConversationHead,
            input,
            fence,
            request: None,
            waited: None,
            opens: None,
            binds: false,
        };
        Ok((accept, finish))
    }
}
