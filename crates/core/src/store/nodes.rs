//! What the nodes of a cluster know of each other: who lives, what each holds, and which of them does what only one does.

use async_trait::async_trait;

use super::Lease;
use crate::clock::Time;
use crate::error::Result;
use crate::id::{NodeId, TenantId};
use crate::node::Node;
use crate::turn::Lane;

/// Nodes, the lanes that they hold, and their duties. A node that is not among the nodes has left or is dead, and what it
/// holds may be taken from it; where one process has the store to itself there need be none.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// The database's time of day, by which nodes agree on theirs; `None` if the database has no clock but this machine's.
    async fn wall_time(&self) -> Result<Option<Time>>;

    /// Adds a node, unless it is there.
    async fn join(&self, node: &Node) -> Result<()>;

    /// Raises a node's beat; `false` if it is not among the nodes (any more).
    async fn beat(&self, node: NodeId) -> Result<bool>;

    /// All nodes, by id.
    async fn nodes(&self) -> Result<Vec<Node>>;

    /// Removes a node whose beat is still as it was seen, with its duties; `false` if it has beaten since, or is gone.
    async fn remove_node(&self, seen: &Node) -> Result<bool>;

    /// Removes a node that leaves, with its duties.
    async fn leave(&self, node: NodeId) -> Result<()>;

    /// Whether a node has a duty from now on: it was nobody's, or is its own, or belonged to one that is not among the nodes
    /// any more. `false` too if the node itself is not among them.
    async fn hold_duty(&self, duty: &str, node: NodeId) -> Result<bool>;

    /// Those, other than `node`, that hold lanes, or whose clients wait for them, without being among the nodes.
    async fn strays(&self, node: NodeId) -> Result<Vec<NodeId>>;

    /// A node's leases by tenant and lane, after the one given, at most `limit`.
    async fn leases_of(&self, node: NodeId, after: Option<(&TenantId, &Lane)>, limit: u32) -> Result<Vec<Lease>>;

    /// Who holds a lane.
    async fn lease(&self, tenant: &TenantId, lane: &Lane) -> Result<Option<Lease>>;

    /// Takes a lease over, if it still is as it was seen and its node is not among the nodes, for `node` under `token`. `false`
    /// if it is not.
    async fn take_over(&self, seen: &Lease, node: NodeId, token: i64) -> Result<bool>;

    /// Takes the input of a node's clients off all queues, at most `limit` of it; returns the lanes that it waited for.
    async fn remove_waiting(&self, node: NodeId, limit: u32) -> Result<Vec<(TenantId, Lane)>>;
}
