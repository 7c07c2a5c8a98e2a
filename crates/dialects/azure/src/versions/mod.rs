//! Versions: a file per operation, and what they share.

mod create;
pub(crate) mod definition;
mod delete;
mod get;
mod list;
pub(crate) mod view;

pub(crate) use create::{add, create};
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;

use sederunt_core::error::{Error, Kind};

use crate::asked::Asked;
use crate::failure::Failure;
use crate::features::Feature;

/// A version's number as the wire writes it: `3`, never `03`.
pub(crate) fn ordinal(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if canonical { text.parse().ok() } else { None }
}

/// The number of the version that the path names. What is no number is no version of ours.
fn asked_for(asked: &Asked) -> Result<u32, Failure> {
    let text = asked.name("agent_version");
    ordinal(text).ok_or_else(|| Error::not_found(Kind::Version, text).into())
}

/// Demands the opt-in to what is a preview: kinds of agents, and drafts.
pub(crate) fn admit_preview(asked: &Asked, given: &definition::Given) -> Result<(), Failure> {
    let draft = given.draft.then_some(Feature::DraftAgents);
    given.kind.preview().into_iter().chain(draft).try_for_each(|feature| feature.demand(&asked.parts.headers))
}

/// 501 for agents that are made from uploaded code.
pub(crate) fn code_upload() -> Failure {
    Failure::not_implemented("Code is neither built nor kept here: name a container image in container_configuration.")
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn a_number_is_written_one_way_only() {
        assert_eq!(ordinal("10"), Some(10));
        for bad in ["", "0", "01", "+1", "-1", "1.0", "x", "@latest", "99999999999"] {
            assert_eq!(ordinal(bad), None, "{bad}");
        }
    }
}
