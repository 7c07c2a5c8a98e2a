//! The nodes that share this server's store, as this one sees them.

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use sederunt_core::id::NodeId;
use sederunt_core::node::Node;
use serde::Serialize;

use super::Control;
use super::error::Refusal;
use super::extract::Admin;
use super::view::Stamp;

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    nodes: Vec<Seen>,
}

/// A node.
#[derive(Debug, Serialize)]
struct Seen {
    id: NodeId,
    /// Where the others reach it; null for a server that has its store to itself.
    address: Option<String>,
    release: String,
    joined: Option<Stamp>,
    /// Whether it is the one that was asked.
    this: bool,
    /// For how long this node has not seen it show that it lives, in milliseconds; null before it has looked.
    silent_ms: Option<u64>,
    /// Whether it answers this node.
    answers: bool,
    /// Null if it does not answer.
    running_turns: Option<usize>,
    stopping: Option<bool>,
}

pub(super) async fn list(State(control): State<Control>, Admin(_): Admin) -> Result<Json<Listed>, Refusal> {
    let app = control.app();
    let all = app.nodes().await?;
    if all.is_empty() {
        return Ok(Json(Listed { nodes: vec![alone(&control)] }));
    }
    let control = &control;
    let look = all.into_iter().map(|(node, silent)| async move {
        let mut seen = Seen {
            this: node.id == app.node(),
            silent_ms: silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
            ..unasked(&node)
        };
        if seen.this {
            return Seen { running_turns: Some(app.running_turns()), stopping: Some(stopping(control)), ..seen };
        }
        let presence = match &control.0.told.peers {
            Some(peers) => peers.presence(&node).await.ok(),
            None => None,
        };
        seen.answers = presence.is_some();
        seen.running_turns = presence.as_ref().map(|presence| presence.running_turns);
        seen.stopping = presence.as_ref().map(|presence| presence.stopping);
        seen
    });
    Ok(Json(Listed { nodes: join_all(look).await }))
}

fn unasked(node: &Node) -> Seen {
    Seen {
        id: node.id,
        address: Some(node.address.clone()),
        release: node.release.clone(),
        joined: Some(Stamp(node.joined)),
        this: false,
        silent_ms: None,
        answers: true,
        running_turns: None,
        stopping: None,
    }
}

fn alone(control: &Control) -> Seen {
    Seen {
        id: control.app().node(),
        address: None,
        release: env!("CARGO_PKG_VERSION").into(),
        joined: None,
        this: true,
        silent_ms: None,
        answers: true,
        running_turns: Some(control.app().running_turns()),
        stopping: Some(stopping(control)),
    }
}

fn stopping(control: &Control) -> bool {
    control.0.shutdown.soft.is_cancelled()
}
