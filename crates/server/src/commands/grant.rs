//! `--grant ACTION[:AGENT]`: what a key or an application allows, read from flags and shown in a cell.

use sederunt_core::caller::{Action, Grants};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::nearest::nearest;

/// One grant as it was asked for.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct Granted {
    pub action: Action,
    pub agent: Option<String>,
}

/// The grants that the flags ask for: what a user may do if none does.
pub fn grants(flags: &[String]) -> Result<Vec<Granted>, Fault> {
    let user = ["user".to_owned()];
    let flags = if flags.is_empty() { &user } else { flags };
    let mut grants = Vec::new();
    for flag in flags {
        let (name, agent) = match flag.split_once(':') {
            Some((name, agent)) => (name, Some(agent.to_owned())),
            None => (flag.as_str(), None),
        };
        let actions: Vec<Action> = match name {
            "user" => Grants::user().actions().collect(),
            "all" => Action::ALL.to_vec(),
            _ => vec![action(name)?],
        };
        grants.extend(actions.into_iter().map(|action| Granted { action, agent: agent.clone() }));
    }
    Ok(grants)
}

/// Grants as they are sent.
pub fn sent(grants: &[Granted]) -> Value {
    let one = |granted: &Granted| match &granted.agent {
        None => json!({"action": granted.action}),
        Some(agent) => json!({"action": granted.action, "agent": agent}),
    };
    grants.iter().map(one).collect()
}

/// Grants as they came, in one cell.
pub fn told(grants: &Value) -> String {
    let told = grants.as_array().into_iter().flatten().map(|grant| {
        let action = grant["action"].as_str().unwrap_or_default();
        grant["agent"].as_str().map_or_else(|| action.to_owned(), |agent| format!("{action}:{agent}"))
    });
    told.collect::<Vec<_>>().join(" ")
}

fn action(name: &str) -> Result<Action, Fault> {
    let name = name.replace('-', "_");
    let words: Vec<String> = Action::ALL.iter().map(|&action| word(action)).collect();
    let found = Action::ALL.into_iter().find(|&action| word(action) == name);
    found.ok_or_else(|| {
        let fix = match nearest(&name, words.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("use user, all, or one of {}", words.join(", ")),
        };
        Fault::config(format!("'{name}' cannot be granted"), "no such action", fix)
    })
}

/// An action as it is written.
fn word(action: Action) -> String {
    json!(action).as_str().unwrap_or_default().to_owned()
}
