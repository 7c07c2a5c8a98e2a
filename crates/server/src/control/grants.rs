//! Grants as a request names them.

use sederunt_core::caller::{Action, Caller, Grant, Grants};
use serde::Deserialize;

use super::Control;
use super::agents;
use super::error::Refusal;

/// The most grants of one key or application.
const MOST: usize = 500;

/// A grant: an action, on one agent (by key or id) or on all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Granted {
    action: Action,
    agent: Option<String>,
}

/// The grants that were asked for: what a user may do for themselves if none were.
pub(super) async fn grants(
    control: &Control,
    caller: &Caller,
    granted: Option<Vec<Granted>>,
) -> Result<Grants, Refusal> {
    let Some(granted) = granted else { return Ok(Grants::user()) };
    if granted.is_empty() || granted.len() > MOST {
        return Err(Refusal::invalid("grants", "1 to 500", "leave them out for what a user may do"));
    }
    let mut grants = Vec::with_capacity(granted.len());
    for Granted { action, agent } in granted {
        let agent = match agent {
            None => None,
            Some(name) => Some(agents::find(control, caller, &name).await?.id),
        };
        grants.push(Grant { action, agent });
    }
    Ok(grants.into_iter().collect())
}
