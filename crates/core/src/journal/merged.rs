//! A session's lines from all nodes of a cluster: what was written here, what the record knows of turns that ran elsewhere,
//! and from then on what is written anywhere.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{BEHIND, Following, LogLine, shelf};
use crate::engine::Cluster;
use crate::error::Result;
use crate::id::{NodeId, SessionId, TenantId, TurnId};
use crate::node::Node;

/// How long is waited for a node's lines to begin.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether there are nodes whose lines are not followed.
const LOOK: Duration = Duration::from_secs(5);

/// The other nodes, for journals.
#[derive(Clone)]
pub(crate) struct Others {
    pub cluster: Arc<Cluster>,
    pub tasks: TaskTracker,
    pub stopping: CancellationToken,
}

/// What was written on a node; `None` when it tells no more.
type Written = (NodeId, Option<Result<LogLine>>);

/// The lines of the other nodes, from now on.
pub(crate) struct Elsewhere {
    others: Others,
    tenant: TenantId,
    session: SessionId,
    streams: SelectAll<BoxStream<'static, Written>>,
    followed: HashSet<NodeId>,
}

impl Others {
    /// Begins to follow a session's lines on every other node that can be reached.
    pub async fn follow(&self, tenant: &TenantId, session: SessionId) -> Elsewhere {
        let mut elsewhere = Elsewhere {
            others: self.clone(),
            tenant: tenant.clone(),
            session,
            streams: SelectAll::new(),
            followed: HashSet::new(),
        };
        elsewhere.reach().await;
        elsewhere
    }
}

impl Elsewhere {
    /// Follows the nodes that are not followed yet.
    async fn reach(&mut self) {
        let cluster = &self.others.cluster;
        let others = cluster.others();
        let (tenant, session) = (&self.tenant, self.session);
        let missing = others.iter().filter(|node| !self.followed.contains(&node.id));
        let asked = missing.map(|node: &Node| async move {
            let lines = cluster.membership.peers.journal(node, tenant, session);
            let lines = tokio::time::timeout(PATIENCE, lines).await.ok()?.ok()?;
            Some((node.id, lines))
        });
        let begun = join_all(asked).await;
        for (node, lines) in begun.into_iter().flatten() {
            let lines = lines.map(move |line| (node, Some(line)));
            self.streams.push(lines.chain(stream::iter([(node, None)])).boxed());
            self.followed.insert(node);
        }
    }

    /// Puts these lines of other nodes behind those that are written here, unless the record told them. Ends with
    /// the last follower, or when the session is forgotten here.
    pub fn behind(self, own: Following, record: &[(TurnId, LogLine)]) -> Following {
        let (out, following) = broadcast::channel(BEHIND);
        let told = Told::of(record);
        let Others { tasks, stopping, .. } = self.others.clone();
        tasks.spawn(stopping.run_until_cancelled_owned(self.forward(own, out, told)));
        following
    }

    async fn forward(mut self, mut own: Following, out: Sender<LogLine>, told: Told) {
        let mut looks = tokio::time::interval(LOOK);
        looks.reset();
        loop {
            let line = tokio::select! {
                () = out.closed() => return,
                line = own.recv() => match line {
                    Ok(line) => line,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                },
                Some((node, line)) = self.streams.next() => match line {
                    Some(Ok(line)) if told.is_new(&line) => line,
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => {
                        self.followed.remove(&node);
                        continue;
                    }
                },
                _ = looks.tick() => {
                    self.reach().await;
                    continue;
                }
            };
            if out.send(line).is_err() {
                return;
            }
        }
    }
}

/// What of other nodes' turns was told from the record: what they say of it themselves may come a moment later.
struct Told {
    ended: HashSet<TurnId>,
    lines: HashSet<(Option<TurnId>, String)>,
}

impl Told {
    fn of(record: &[(TurnId, LogLine)]) -> Self {
        let mut begun = HashSet::new();
        // A turn's second line is that of its end.
        let ended = record.iter().filter(|(turn, _)| !begun.insert(*turn)).map(|(turn, _)| *turn).collect();
        Self { ended, lines: record.iter().map(|(_, line)| (line.turn, line.message.clone())).collect() }
    }

    fn is_new(&self, line: &LogLine) -> bool {
        !line.turn.is_some_and(|turn| self.ended.contains(&turn))
            && !self.lines.contains(&(line.turn, line.message.clone()))
    }
}

/// Lines of turns that ran elsewhere, among those that were written here, by time; at most as many as are kept.
pub(super) fn merged(own: Vec<LogLine>, record: Vec<(TurnId, LogLine)>) -> Vec<LogLine> {
    let known: HashSet<_> = own.iter().filter_map(|line| line.turn).collect();
    let mut lines: Vec<_> =
        record.into_iter().filter(|(turn, _)| !known.contains(turn)).map(|(_, line)| line).chain(own).collect();
    lines.sort_by_key(|line| line.at);
    lines.drain(..lines.len().saturating_sub(shelf::LINES));
    lines
}
