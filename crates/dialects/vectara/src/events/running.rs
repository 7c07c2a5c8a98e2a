//! The events of the turn that runs in a session: they can be looked at before they are kept.

use std::sync::Arc;

use sederunt_core::App;
use sederunt_core::agent::Opaque;
use sederunt_core::error::Result;
use sederunt_core::id::TurnId;
use sederunt_core::session::Session;
use sederunt_core::turn::Recording;
use serde_json::Value;

use super::event::{Head, Kept, Tools, event, of_item};
use crate::agents::Shape;

/// The turn that runs, and its events with their positions.
#[derive(Debug)]
pub(super) struct Running {
    pub turn: TurnId,
    pub events: Vec<(u32, Value)>,
}

impl Running {
    /// What runs in a session, if anything does that will be kept.
    pub async fn of(app: &App, session: &Session, shape: &Arc<Shape>) -> Result<Option<Self>> {
        let live = app.turns().running(session).await?;
        let Some(live) = live.filter(|live| live.turn.recording != Recording::Nothing) else { return Ok(None) };
        let key = session.key.as_str();
        let schema = Kept::of(&live.turn.extra).schema;
        let mut tools = Tools::new(shape.clone());
        let input = live.input.iter().map(|item| (item.position, of_item(key, item, schema.as_deref(), &tools)));
        let mut events: Vec<_> = input.collect();
        for (position, (body, created)) in (live.turn.inputs..).zip(live.whole_items()) {
            tools.meet(live.turn.id, &body);
            let head = Head { session: key, turn: live.turn.id, position, created };
            events.push((position, event(&head, &body, &Opaque::new(), schema.as_deref(), &tools)));
        }
        Ok(Some(Self { turn: live.turn.id, events }))
    }

    /// Whether it still runs.
    pub async fn runs(&self, app: &App, session: &Session) -> Result<bool> {
        Ok(app.turns().running(session).await?.is_some_and(|live| live.turn.id == self.turn))
    }
}
