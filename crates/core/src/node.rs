//! The nodes of a cluster: processes that share one store. A turn runs on the node that accepted it; what concerns it and
//! arrives at another is asked of that node through the [`Peers`] port.
//!
//! A node that cannot be asked is either dead, which its silent beat in the store will show, or cut off, and then its turns
//! go on: whoever only reads finds what is stored of them.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::clock::{Agreement, Time};
use crate::error::Result;
use crate::id::{AgentId, ConversationId, NodeId, SessionId, TenantId, TurnId};
use crate::journal::LogLine;
use crate::part::Part;
use crate::turn::{CancelOutcome, Ending, Lane, Turn};

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// This life of its process.
    pub id: NodeId,
    /// Where the others reach it: the base URL of its internal API, without a slash at the end.
    pub address: String,
    /// Rises for as long as it lives.
    pub beat: i64,
    /// Its release.
    pub release: String,
    /// When it joined, by its own clock.
    pub joined: Time,
}

/// What makes a process a node of a cluster.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Where the others reach it; see [`Node::address`].
    pub address: String,
    /// Its release.
    pub release: String,
    /// How it asks the others.
    pub peers: Arc<dyn Peers>,
    /// What its clocks follow; the ports' clock and timer are this agreement's.
    pub agreement: Arc<Agreement>,
}

/// Turns by what they belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// This one.
    Turn(TurnId),
    /// Those of these sessions.
    Sessions(Vec<SessionId>),
    /// Those of a conversation.
    Conversation(ConversationId),
    /// Those of an agent.
    Agent(AgentId),
}

impl Which {
    /// Whether it means this turn.
    pub fn means(&self, turn: &Turn) -> bool {
        match self {
            Self::Turn(id) => turn.id == *id,
            Self::Sessions(ids) => turn.session.is_some_and(|id| ids.contains(&id)),
            Self::Conversation(id) => turn.conversation == Some(*id),
            Self::Agent(id) => turn.agent == Some(*id),
        }
    }
}

/// What a node is asked to do with what runs there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Cancel a turn.
    Cancel {
        /// Which.
        turn: TurnId,
        /// What to make of it.
        outcome: CancelOutcome,
        /// Whether the model may speak on to open streams.
        detach: bool,
    },
    /// Stop turns and wait until their ends stand.
    Interrupt {
        /// Which.
        which: Which,
        /// How they end.
        ending: Ending,
    },
    /// Stop the turn that runs in a lane and wait until its end stands.
    ClearLane {
        /// The lane.
        lane: Lane,
        /// How it ends.
        ending: Ending,
    },
    /// Steer a text into the turn that runs in a lane.
    Steer {
        /// The lane.
        lane: Lane,
        /// The text.
        text: String,
    },
    /// Break off turns whose record is gone, and forget what is remembered of their sessions.
    Abandon {
        /// Which.
        which: Which,
    },
    /// Say whether such turns run.
    Runs {
        /// Which.
        which: Which,
    },
    /// Store what a turn has said by now.
    Store {
        /// Which.
        turn: TurnId,
    },
    /// Forget what is remembered of an agent: a version of it has gone.
    ForgetAgent {
        /// Which.
        agent: AgentId,
    },
    /// Forget what is remembered of credentials.
    ForgetCredentials,
}

/// What a node says to an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is done, or it is so.
    Yes,
    /// There was nothing to do it to, or it is not so.
    No,
    /// It is done to this turn.
    To {
        /// Which.
        turn: TurnId,
    },
}

/// What a node tells of a turn that runs there, in order; after the last the stream ends. A stream that ends before a
/// [`Told::Over`] was broken off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// A part, and when it was said. Those that are stored come first, without a gap from the number that was asked for.
    Part {
        /// The part.
        part: Part,
        /// When.
        at: Time,
    },
    /// The turn's end stands in the store; parts may follow for as long as the model speaks on.
    Ended,
    /// Nothing stands of the turn: its record, or its node's right to write, went away.
    Gone,
    /// That was all.
    Over,
}

/// Asks other nodes. An error is `Unavailable` if the node could not be reached or broke off; what was asked may have
/// happened. Every call has a limit of its own to how long it waits for a connection.
#[async_trait]
pub trait Peers: Send + Sync + std::fmt::Debug {
    /// Asks a node to do something in a tenant.
    async fn ask(&self, node: &Node, tenant: &TenantId, order: &Order) -> Result<Answer>;

    /// What a turn has said there from part `from` on, and what it will say.
    async fn listen(
        &self,
        node: &Node,
        tenant: &TenantId,
        turn: TurnId,
        from: u32,
    ) -> Result<BoxStream<'static, Result<Told>>>;

    /// The lines of a session's journal that are written there from now on.
    async fn journal(
        &self,
        node: &Node,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<BoxStream<'static, Result<LogLine>>>;
}
