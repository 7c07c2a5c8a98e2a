//! What nodes write to one another beside the core's own words. A field is only ever added, and never needed: nodes of two
//! releases run side by side while an installation is brought up to date.

use sederunt_core::id::TenantId;
use sederunt_core::node::{Answer, Order};
use serde::{Deserialize, Serialize};

/// An order and whom it concerns.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) tenant: TenantId,
    pub(super) order: Order,
}

/// What an order came to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Answer(Answer),
    Failed { reason: String },
}

/// What a node says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presence {
    /// How many turns run there.
    pub running_turns: usize,
    /// Whether it takes no new turns any more.
    pub stopping: bool,
}
