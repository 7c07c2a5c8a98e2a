//! Nodes in one process that reach each other by call; the wire to one can be cut.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sederunt_core::app::{App, Ports, Settings};
use sederunt_core::clock::Agreement;
use sederunt_core::error::{Error, Result};
use sederunt_core::id::{NodeId, SessionId, TenantId, TurnId};
use sederunt_core::journal::LogLine;
use sederunt_core::node::{Answer, Membership, Node, Order, Peers, Told};
use tokio::sync::watch;

use crate::world::soon;

/// The wires between nodes.
#[derive(Debug, Default)]
pub struct Wires {
    apps: Mutex<HashMap<NodeId, App>>,
    cut: watch::Sender<HashSet<NodeId>>,
    listens: watch::Sender<u32>,
}

impl Wires {
    /// A place on these wires.
    pub fn membership(self: &Arc<Self>, ports: &Ports) -> Membership {
        Membership {
            address: "wire".into(),
            release: "test".into(),
            peers: self.clone(),
            agreement: Agreement::new(ports.timer.clone()),
        }
    }

    /// Starts a node on these wires.
    pub async fn node(self: &Arc<Self>, ports: Ports, settings: Settings) -> App {
        let membership = self.membership(&ports);
        self.join(ports, settings, membership).await
    }

    /// Starts a node whose place was prepared.
    pub async fn join(&self, ports: Ports, settings: Settings, membership: Membership) -> App {
        let app = App::start(ports, settings, Some(membership)).await.unwrap();
        self.apps.lock().unwrap().insert(app.node(), app.clone());
        app
    }

    /// Cuts the wire to a node: what is being told breaks off.
    pub fn cut(&self, node: NodeId) {
        self.cut.send_modify(|cut| _ = cut.insert(node));
    }

    /// Mends it.
    pub fn mend(&self, node: NodeId) {
        self.cut.send_modify(|cut| _ = cut.remove(&node));
    }

    /// Waits until turns were listened to so often.
    pub async fn listened_to(&self, times: u32) {
        soon(self.listens.subscribe().wait_for(|listens| *listens >= times)).await.unwrap();
    }

    fn reach(&self, node: &Node) -> Result<App> {
        let app = self.apps.lock().unwrap().get(&node.id).cloned();
        app.filter(|_| !self.cut.borrow().contains(&node.id)).ok_or_else(|| Error::unavailable("the wire is cut"))
    }

    /// A stream that breaks when the wire is cut.
    fn breakable<T: Send + 'static>(&self, node: NodeId, stream: BoxStream<'static, T>) -> BoxStream<'static, T> {
        let mut cut = self.cut.subscribe();
        stream.take_until(Box::pin(async move { cut.wait_for(|cut| cut.contains(&node)).await.map(drop) })).boxed()
    }
}

#[async_trait]
impl Peers for Wires {
    async fn ask(&self, node: &Node, tenant: &TenantId, order: &Order) -> Result<Answer> {
        self.reach(node)?.peer().answer(tenant, order.clone()).await
    }

    async fn listen(
        &self,
        node: &Node,
        tenant: &TenantId,
        turn: TurnId,
        from: u32,
    ) -> Result<BoxStream<'static, Result<Told>>> {
        let told = self.reach(node)?.peer().tell(tenant, turn, from).await?;
        self.listens.send_modify(|listens| *listens += 1);
        Ok(self.breakable(node.id, told))
    }

    async fn journal(
        &self,
        node: &Node,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        let lines = self.reach(node)?.peer().journal(tenant, session).await?;
        Ok(self.breakable(node.id, lines))
    }
}
