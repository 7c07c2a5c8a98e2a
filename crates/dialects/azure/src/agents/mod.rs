//! Agents: a file per operation, and what they share.

mod card;
mod create;
mod delete;
pub(crate) mod details;
mod get;
pub(crate) mod identity;
mod list;
mod patch;
pub(crate) mod selector;
mod switch;
mod unsupported;
mod view;

pub(crate) use create::{create, make, update};
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use patch::patch;
pub(crate) use switch::switch;
pub(crate) use unsupported::{of_agent, of_project};

use sederunt_core::id::Key;

use crate::failure::Failure;

/// The member under which the dialect keeps an agent's `digital_worker_type`.
const DIGITAL_WORKER: &str = "digital_worker_type";

/// The longest name of a new agent.
const LONGEST: usize = 63;

/// The name of a new agent: at most 63 letters, digits and hyphens, with no hyphen at either end. In paths the core's
/// wider grammar is taken, since agents are made elsewhere too.
pub(crate) fn new_name(name: &str) -> Result<Key, Failure> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let fits = (1..=LONGEST).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-');
    let rule = "an agent's name has 1 to 63 letters, digits and hyphens, and begins and ends with a letter or digit";
    name.parse().ok().filter(|_| fits).ok_or_else(|| Failure::invalid("name", rule))
}

#[cfg(test)]
mod tests {
    use super::new_name;

    #[test]
    fn names_hold_to_their_rule() {
        for good in ["a", "my-agent-2", &"x".repeat(63)] {
            assert!(new_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a.b", "é", &"x".repeat(64)] {
            assert!(new_name(bad).is_err(), "{bad}");
        }
    }
}
