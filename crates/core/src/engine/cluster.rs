//! This node's place among the nodes: its beat, who else lives, and what all of them are asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use futures_util::future::join_all;

use super::Engine;
use super::live::Live;
use crate::app::Ports;
use crate::error::{Error, Ignore, Result};
use crate::id::{NodeId, TenantId, TurnId};
use crate::identity::Identity;
use crate::node::{Answer, Membership, Node, Order};

/// How long what is done for the others' sake alone waits for them.
pub(super) const COURTESY: Duration = Duration::from_secs(2);

/// What a node of a cluster knows of it.
pub(crate) struct Cluster {
    pub membership: Membership,
    /// What authenticates here, and does not tell the others what it forgets.
    pub identity: Arc<dyn Identity>,
    /// When, by the timer, the last beat that arrived was sent.
    beaten: Mutex<Duration>,
    /// The other nodes, as they were at the last beat.
    others: Mutex<Arc<[Node]>>,
    /// When, by the timer, each of them was last found to have beaten.
    risen: Mutex<HashMap<NodeId, Duration>>,
    /// Turns that run elsewhere and are looked at from here.
    mirrors: Mutex<HashMap<(TenantId, TurnId), Weak<Live>>>,
}

/// Since when each node's beat has been what it is.
pub(super) type Seen = HashMap<NodeId, (i64, Duration)>;

impl Cluster {
    pub fn new(membership: Membership, identity: Arc<dyn Identity>) -> Self {
        Self {
            membership,
            identity,
            beaten: Mutex::default(),
            others: Mutex::new(Arc::new([])),
            risen: Mutex::default(),
            mirrors: Mutex::default(),
        }
    }

    pub fn others(&self) -> Arc<[Node]> {
        self.others.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Tells every other node that is known, and waits for a moment that they have heard. Whoever has not finds out by itself.
    pub async fn tell_all(&self, tenant: &TenantId, order: Order) {
        let others = self.others();
        let asked = others.iter().map(|node| async {
            let asked = tokio::time::timeout(COURTESY, self.membership.peers.ask(node, tenant, &order)).await;
            let asked = asked.unwrap_or_else(|_| Err(Error::unavailable("the node does not answer")));
            asked.ignore("the node finds out by itself");
        });
        join_all(asked).await;
    }

    pub fn mirrors(&self) -> MutexGuard<'_, HashMap<(TenantId, TurnId), Weak<Live>>> {
        // Whole after each of its methods.
        self.mirrors.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn risen(&self) -> MutexGuard<'_, HashMap<NodeId, Duration>> {
        self.risen.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn beaten(&self) -> Duration {
        *self.beaten.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Asks the database for its time.
pub(crate) async fn agree(ports: &Ports, membership: &Membership) -> Result<()> {
    let asked = ports.timer.elapsed();
    if let Some(told) = ports.store.wall_time().await? {
        membership.agreement.measured(told, asked, ports.timer.elapsed());
    }
    Ok(())
}

impl Engine {
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.0.cluster.as_deref()
    }

    /// Takes this node's place. Alone, ends what dead processes left behind.
    pub(crate) async fn enter(&self) -> Result<()> {
        let Some(cluster) = self.cluster() else { return self.end_strays().await };
        self.join(cluster).await?;
        self.look(cluster, &mut Seen::new()).await
    }

    /// Gives its place up.
    pub(crate) async fn leave(&self) {
        if self.cluster().is_some() {
            self.0.ports.store.leave(self.0.node).await.ignore("the others find that it has gone");
        }
    }

    /// Whether too long ago this node told the others that it lives: they may have ended what runs here.
    pub(crate) fn is_cut_off(&self) -> bool {
        let silent = |cluster: &Cluster| self.0.ports.timer.elapsed().saturating_sub(cluster.beaten());
        self.cluster().is_some_and(|cluster| silent(cluster) >= self.0.settings.dead_after)
    }

    /// Whether this node does for all what only one does.
    pub(super) async fn has_duty(&self, duty: &str) -> Result<bool> {
        match self.cluster() {
            Some(_) => self.0.ports.store.hold_duty(duty, self.0.node).await,
            None => Ok(true),
        }
    }

    /// Tells the others that this node lives, and sees to what those leave behind who do not; `false` if it is to be told
    /// again at once.
    pub(super) async fn beat(&self, cluster: &Cluster, seen: &mut Seen) -> bool {
        let asked = self.0.ports.timer.elapsed();
        let beaten = match self.raise(cluster).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::warn!(node = %self.0.node, "the others took this node for dead, joining again");
                self.join(cluster).await
            }
            Err(error) => Err(error),
        };
        // While the database is away nobody's beat can rise, and nobody is dead for that: silence is counted anew.
        let is_away = || self.0.ports.timer.elapsed().saturating_sub(asked) >= self.0.settings.dead_after / 3;
        if let Err(error) = beaten {
            tracing::warn!(%error, "the other nodes cannot be told that this one lives");
            seen.clear();
            return false;
        }
        if is_away() {
            seen.clear();
        }
        agree(&self.0.ports, &cluster.membership).await.ignore("the next beat measures again");
        let looked = self.look(cluster, seen).await;
        if looked.is_err() || is_away() {
            seen.clear();
        }
        looked.ignore("the next beat looks again");
        let tidying = async {
            self.end_strays().await.ignore("the next beat looks again");
            self.compare_leases().await.ignore("the next beat compares again");
        };
        tokio::select! {
            () = tidying => {}
            // A dead node may leave more behind than is ended in the time in which this one would be taken for dead.
            never = self.go_on_beating(cluster) => match never {},
        }
        // One that was long on its way tells only that this node lived then.
        !self.is_cut_off()
    }

    /// Raises this node's beat; `false` if it is not among the nodes.
    async fn raise(&self, cluster: &Cluster) -> Result<bool> {
        let asked = self.0.ports.timer.elapsed();
        let raised = self.0.ports.store.beat(self.0.node).await?;
        if raised {
            *cluster.beaten.lock().unwrap_or_else(|e| e.into_inner()) = asked;
        }
        Ok(raised)
    }

    /// Raises the beat now and then, for as long as it is polled.
    async fn go_on_beating(&self, cluster: &Cluster) -> Infallible {
        loop {
            tokio::time::sleep(self.0.settings.beat).await;
            self.raise(cluster).await.ignore("the next beat joins again, if need be");
        }
    }

    async fn join(&self, cluster: &Cluster) -> Result<()> {
        let Membership { address, release, .. } = &cluster.membership;
        let (address, release) = (address.clone(), release.clone());
        let asked = self.0.ports.timer.elapsed();
        let node = Node { id: self.0.node, address, beat: 0, release, joined: self.0.ports.timer.wall() };
        self.0.ports.store.join(&node).await?;
        *cluster.beaten.lock().unwrap_or_else(|e| e.into_inner()) = asked;
        Ok(())
    }

    /// Looks who lives. Who has not beaten for too long by our own timer is removed from the nodes.
    async fn look(&self, cluster: &Cluster, seen: &mut Seen) -> Result<()> {
        let timer = &self.0.ports.timer;
        // A beat is as old as the look that first found it, and no older than this one's beginning.
        let begun = timer.elapsed();
        let mut nodes = self.0.ports.store.nodes().await?;
        nodes.retain(|node| node.id != self.0.node);
        seen.retain(|id, _| nodes.iter().any(|node| node.id == *id));
        let found = timer.elapsed();
        for node in &nodes {
            let last = seen.entry(node.id).or_insert((node.beat, found));
            if last.0 != node.beat {
                *last = (node.beat, found);
            } else if begun.saturating_sub(last.1) >= self.0.settings.dead_after
                && self.0.ports.store.remove_node(node).await?
            {
                tracing::warn!(node = %node.id, address = node.address, "a node is dead");
            }
        }
        *cluster.others.lock().unwrap_or_else(|e| e.into_inner()) = nodes.into();
        *cluster.risen() = seen.iter().map(|(id, (_, at))| (*id, *at)).collect();
        Ok(())
    }

    /// All nodes, each with how long ago it was last found to live; `None` for one that came since the last look.
    pub(crate) async fn nodes(&self) -> Result<Vec<(Node, Option<Duration>)>> {
        let Some(cluster) = self.cluster() else { return Ok(Vec::new()) };
        let nodes = self.0.ports.store.nodes().await?;
        let now = self.0.ports.timer.elapsed();
        let silent = |node: Node| {
            let this = node.id == self.0.node;
            let lived = if this { Some(cluster.beaten()) } else { cluster.risen().get(&node.id).copied() };
            (node, lived.map(|at| now.saturating_sub(at)))
        };
        Ok(nodes.into_iter().map(silent).collect())
    }

    /// The node, if it is among the nodes.
    pub(super) async fn node_of(&self, cluster: &Cluster, id: NodeId) -> Result<Option<Node>> {
        let known = cluster.others().iter().find(|node| node.id == id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let nodes = self.0.ports.store.nodes().await?;
        Ok(nodes.into_iter().find(|node| node.id == id))
    }

    /// Asks every other node; what each said, or why it did not.
    pub(super) async fn ask_all(&self, tenant: &TenantId, order: &Order) -> Result<Vec<Result<Answer>>> {
        let Some(cluster) = self.cluster() else { return Ok(Vec::new()) };
        let mut nodes = self.0.ports.store.nodes().await?;
        nodes.retain(|node| node.id != self.0.node);
        let asked = nodes.iter().map(|node| cluster.membership.peers.ask(node, tenant, order));
        Ok(join_all(asked).await)
    }

    /// Tells every other node that is known, and waits for a moment that they have heard.
    pub(crate) async fn tell_all(&self, tenant: &TenantId, order: Order) {
        if let Some(cluster) = self.cluster() {
            cluster.tell_all(tenant, order).await;
        }
    }
}
