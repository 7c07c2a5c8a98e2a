//! What is written when a turn is accepted.

use super::Engine;
use super::accept::Setting;
use crate::id::{ItemId, TurnId};
use crate::item::Item;
use crate::store::{Accept, RequestKey};
use crate::turn::{Lane, NewTurn, Parent, Recording, Strand, Turn, TurnState};

impl Accept {
    /// Without its words, if nothing of them is to be stored; `None` if it is stored as it is.
    pub(super) fn stored(&self) -> Option<Self> {
        (self.turn.recording == Recording::Nothing).then(|| {
            let mut bare = Self { input: Vec::new(), ..self.clone() };
            bare.turn.inputs = 0;
            bare.turn.parameters.clear();
            bare.turn.extra.clear();
            bare
        })
    }
}

/// What is written into the queue for a turn that waits: nothing, if nothing of it is to be stored.
pub(super) fn words(new: &NewTurn) -> String {
    if new.recording == Recording::Nothing { String::new() } else { new.text() }
}

impl Engine {
    /// The turn as it will be accepted: in this lane, or in one of its own.
    pub(super) fn acceptance(
        &self,
        setting: &Setting,
        new: &NewTurn,
        lane: Option<Lane>,
        request: Option<RequestKey>,
        waited: Option<uuid::Uuid>,
    ) -> Accept {
        let ports = &self.0.ports;
        let now = ports.clock.now();
        let id = new.id.unwrap_or_else(|| TurnId(ports.ids.uuid(now)));
        let lane = lane.unwrap_or_else(|| Lane::turn(id));
        let session = setting.session.as_ref().map(|session| session.id);
        let turn = Turn {
            tenant: setting.caller.tenant.clone(),
            id,
            session,
            conversation: match new.strand {
                Strand::Conversation(id) => Some(id),
                Strand::Session | Strand::Own(_) => None,
            },
            agent: Some(setting.version.agent),
            version: Some(setting.version.ordinal),
            owner: setting.caller.user.clone(),
            client: setting.caller.client.clone(),
            parent: None,
            number: None,
            place: None,
            inputs: u32::try_from(new.input.len()).unwrap_or(u32::MAX),
            kind: new.kind,
            lane: lane.clone(),
            state: TurnState::Running,
            kept: false,
            alias: new.alias.clone().unwrap_or_else(|| id.to_string()),
            tag: new.tag.clone(),
            on_failure: new.on_failure,
            on_disconnect: new.on_disconnect,
            recording: new.recording,
            parameters: new.parameters.clone(),
            usage: None,
            created: now,
            ended: None,
            extra: new.extra.clone(),
        };
        let input = new.input.iter().enumerate().map(|(at, item)| Item {
            tenant: turn.tenant.clone(),
            id: ItemId(ports.ids.uuid(now)),
            turn: id,
            session,
            position: u32::try_from(at).unwrap_or(u32::MAX),
            number: None,
            created: now,
            body: item.body.clone(),
            extra: item.extra.clone(),
        });
        Accept {
            parent: match new.strand {
                Strand::Session => new.answers.map_or(Parent::SessionHead, Parent::StillHead),
                Strand::Conversation(_) => Parent::ConversationHead,
                Strand::Own(Some(turn)) => Parent::Turn(turn),
                Strand::Own(None) => Parent::Root,
            },
            input: input.collect(),
            fence: self.new_fence(lane),
            request,
            waited,
            opens: setting.session.clone().filter(|_| setting.opens),
            binds: setting.binds,
            turn,
        }
    }
}
