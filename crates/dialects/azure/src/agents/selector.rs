//! `version_selector`: which version new sessions and responses of an agent get (the service's REST reference). Its one
//! kind of rule, `FixedRatio`, gives a version a share of a hundred.

use std::sync::Arc;

use sederunt_core::Error;
use sederunt_core::agent::{Agent, AgentVersion, VersionRef};
use serde_json::Value;

use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::{Fields, must_be};
use crate::versions::ordinal;

/// The word for the newest version that is not a draft.
const LATEST: &str = "@latest";

/// A version and its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub version: VersionRef,
    pub share: u32,
}

/// The rules of a selector; `at` is where it stands.
pub(crate) fn rules(at: &str, selector: &Value) -> Result<Vec<Rule>, Failure> {
    let selector = Fields::of(at, selector)?;
    let path = selector.path("version_selection_rules");
    let mut rules = Vec::new();
    for rule in selector.objects("version_selection_rules")? {
        if rule.required_text("type")? != "FixedRatio" {
            return Err(must_be(&rule.path("type"), "FixedRatio"));
        }
        let version = rule.required_text("agent_version")?;
        let version = match version {
            LATEST => VersionRef::Latest,
            number => ordinal(number)
                .map(VersionRef::Ordinal)
                .ok_or_else(|| must_be(&rule.path("agent_version"), "a version's number or @latest"))?,
        };
        rule.required("traffic_percentage")?;
        let share = rule.integer("traffic_percentage", 0, 100)?.unwrap_or_default();
        rules.push(Rule { version, share: u32::try_from(share).unwrap_or(100) });
    }
    match rules.iter().map(|rule| rule.share).sum::<u32>() {
        100 => Ok(rules),
        sum => Err(Failure::invalid(&path, format!("the traffic percentages must sum to 100, not {sum}"))),
    }
}

/// The version that the agent's selector gives this time. A rule whose version was deleted gives its share to the latest.
pub(crate) async fn choose(asked: &Asked, agent: &Agent) -> Result<Arc<AgentVersion>, Failure> {
    let selector = agent.extra.get(crate::NAME).and_then(|kept| kept.pointer("/agent_endpoint/version_selector"));
    let rules = selector.and_then(|selector| rules("version_selector", selector).ok()).unwrap_or_default();
    let chosen = match rules.as_slice() {
        [] => VersionRef::Latest,
        [only] => only.version,
        rules => pick(rules, asked.app().ports().ids.below(100)),
    };
    match asked.app().agents().version(agent, chosen).await {
        Err(Error::NotFound { .. }) if chosen != VersionRef::Latest => {
            Ok(asked.app().agents().version(agent, VersionRef::Latest).await?)
        }
        version => Ok(version?),
    }
}

/// The version in whose share the point lies, of 0 to 99.
fn pick(rules: &[Rule], point: u32) -> VersionRef {
    let mut end = 0;
    for rule in rules {
        end += rule.share;
        if point < end {
            return rule.version;
        }
    }
    VersionRef::Latest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(version: &str, share: u32) -> Value {
        json!({"type": "FixedRatio", "agent_version": version, "traffic_percentage": share})
    }

    fn read(list: &[Value]) -> Result<Vec<Rule>, Failure> {
        rules("s", &json!({"version_selection_rules": list}))
    }

    #[test]
    fn shares_must_sum_to_a_hundred() {
        assert_eq!(read(&[rule("@latest", 100)]).unwrap(), [Rule { version: VersionRef::Latest, share: 100 }]);
        assert!(read(&[rule("1", 30), rule("2", 70)]).is_ok());
        let other = json!({"type": "Other", "agent_version": "1", "traffic_percentage": 100});
        for bad in [vec![], vec![rule("1", 99)], vec![rule("1", 101)], vec![rule("v1", 100)], vec![other]] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_version_gets_its_share() {
        let rules = read(&[rule("1", 30), rule("2", 0), rule("@latest", 70)]).unwrap();
        let first = (0..100).filter(|point| pick(&rules, *point) == VersionRef::Ordinal(1)).count();
        let latest = (0..100).filter(|point| pick(&rules, *point) == VersionRef::Latest).count();
        assert_eq!((first, latest), (30, 70));
    }
}
