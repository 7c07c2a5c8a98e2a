//! The events of the turn that runs in a session: they can be looked at before they are kept.

use sederunt_core::App;
use sederunt_core::agent::Opaque;
use sederunt_core::id::TurnId;
use sederunt_core::session::Session;
use sederunt_core::turn::Recording;
use serde_json::Value;

use super::event::{Head, Kept, Tools, event, of_item};

/// The turn that runs, and its events with their positions.
#[derive(Debug)]
pub(super) struct Running {
    pub turn: TurnId,
    pub events: Vec<(u32, Value)>,
}

impl Running {
    /// What runs in a session, if anything does that will be kept.
    pub fn of(app: &App, session: &Session) -> Option<Self> {
        let live = app.turns().running(session)?;
        if live.turn.recording == Recording::Nothing {
            return None;
        }
        let key = session.key.as_str();
        let schema = Kept::of(&live.turn.extra).schema;
        let mut tools = Tools::default();
        let input = live.input.iter().map(|item| (item.position, of_item(key, item, schema.as_deref(), &tools)));
        let mut events: Vec<_> = input.collect();
        for (position, (body, created)) in (live.turn.inputs..).zip(live.whole_items()) {
            tools.meet(live.turn.id, &body, position);
            let head = Head { session: key, turn: live.turn.id, position, created };
            events.push((position, event(&head, &body, &Opaque::new(), schema.as_deref(), &tools)));
        }
        Some(Self { turn: live.turn.id, events })
    }

    /// Whether it still runs.
    pub fn runs(&self, app: &App, session: &Session) -> bool {
        app.turns().running(session).is_some_and(|live| live.turn.id == self.turn)
    }
}
