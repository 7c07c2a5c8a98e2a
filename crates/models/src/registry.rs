//! The models of one process by name, and the rules by which agents that name none get theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use sederunt_core::agent::Definition;
use sederunt_core::id::Key;
use sederunt_core::model::{Model, Models};

use crate::glob::Glob;

/// Named models, one of which is the default.
#[derive(Debug)]
pub struct Registry {
    default: Arc<dyn Model>,
    named: BTreeMap<String, Arc<dyn Model>>,
    rules: Vec<Choice>,
}

/// Which agents a model answers for: those that fit all patterns that are given. In a pattern `*` stands for any run of
/// characters and `?` for any one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The agent's key.
    pub agent: Option<String>,
    /// The container image that its maker wanted; an agent that wants none does not fit.
    pub image: Option<String>,
    /// The model that its maker wanted; an agent that wants none does not fit.
    pub model: Option<String>,
    /// The name of the model that answers.
    pub name: String,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A pattern cannot be read.
    #[error("{pattern}: {reason}")]
    Pattern {
        /// Which one: `agent`, `image` or `model`.
        pattern: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It names a model that is not there.
    #[error("no model '{0}' is configured")]
    NoModel(String),
}

#[derive(Debug)]
struct Choice {
    agent: Option<Glob>,
    image: Option<Glob>,
    model: Option<Glob>,
    chosen: Arc<dyn Model>,
}

impl Registry {
    /// The name under which the default can be asked for.
    pub const DEFAULT: &str = "default";

    /// One model, which answers for every agent that names none and that no rule fits.
    pub fn new(default: Arc<dyn Model>) -> Self {
        Self { default, named: BTreeMap::new(), rules: Vec::new() }
    }

    /// Adds a model; [`Registry::DEFAULT`] puts it in the default's place.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, model: Arc<dyn Model>) -> Self {
        let name = name.into();
        if name == Self::DEFAULT {
            self.default = model;
        } else {
            self.named.insert(name, model);
        }
        self
    }

    /// Adds a rule after those before it; the first that fits chooses. Its model must have been added before.
    pub fn with_rule(mut self, rule: &Rule) -> Result<Self, RuleError> {
        let glob = |pattern, text: &Option<String>| {
            let glob = text.as_deref().map(Glob::new).transpose();
            glob.map_err(|reason| RuleError::Pattern { pattern, reason })
        };
        let chosen = self.get(Some(&rule.name)).ok_or_else(|| RuleError::NoModel(rule.name.clone()))?;
        self.rules.push(Choice {
            agent: glob("agent", &rule.agent)?,
            image: glob("image", &rule.image)?,
            model: glob("model", &rule.model)?,
            chosen,
        });
        Ok(self)
    }
}

impl Choice {
    fn fits(&self, agent: &Key, definition: &Definition) -> bool {
        let wanted = |glob: &Option<Glob>, name: &Option<String>| {
            glob.as_ref().is_none_or(|glob| name.as_deref().is_some_and(|name| glob.fits(name)))
        };
        self.agent.as_ref().is_none_or(|glob| glob.fits(agent.as_str()))
            && wanted(&self.image, &definition.wants.image)
            && wanted(&self.model, &definition.wants.model)
    }
}

impl Models for Registry {
    fn get(&self, name: Option<&str>) -> Option<Arc<dyn Model>> {
        match name {
            None | Some(Self::DEFAULT) => Some(self.default.clone()),
            Some(name) => self.named.get(name).cloned(),
        }
    }

    fn choose(&self, agent: &Key, definition: &Definition) -> Option<Arc<dyn Model>> {
        match definition.model.as_deref() {
            Some(name) => self.get(Some(name)),
            None => {
                let rule = self.rules.iter().find(|rule| rule.fits(agent, definition));
                Some(rule.map_or(&self.default, |rule| &rule.chosen).clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Script;
    use sederunt_core::agent::Wants;

    fn registry() -> (Registry, [Arc<dyn Model>; 3]) {
        let models: [Arc<dyn Model>; 3] = std::array::from_fn(|_| Arc::new(Script::builtin()) as Arc<dyn Model>);
        let [default, large, crew] = models.clone();
        (Registry::new(default).with("large", large).with("crew", crew), models)
    }

    #[test]
    fn an_agent_without_a_model_gets_the_default_and_an_unknown_name_gets_none() {
        let (registry, _) = registry();
        assert!(registry.get(None).is_some());
        assert!(registry.get(Some("default")).is_some());
        assert!(registry.get(Some("large")).is_some());
        assert!(registry.get(Some("nobody")).is_none());
    }

    #[test]
    fn the_first_rule_that_fits_chooses_for_an_agent_that_names_no_model() {
        let rule = |agent: Option<&str>, image: Option<&str>, model: Option<&str>, name: &str| Rule {
            agent: agent.map(str::to_owned),
            image: image.map(str::to_owned),
            model: model.map(str::to_owned),
            name: name.into(),
        };
        let (registry, [default, large, crew]) = registry();
        let registry = registry
            .with_rule(&rule(None, Some("*/crew:*"), None, "crew"))
            .and_then(|r| r.with_rule(&rule(Some("plain-*"), None, None, "default")))
            .and_then(|r| r.with_rule(&rule(None, None, Some("gpt-*"), "large")))
            .unwrap();
        let chosen = |agent: &str, image: Option<&str>, model: Option<&str>, named: Option<&str>| {
            let wants = Wants { image: image.map(str::to_owned), model: model.map(str::to_owned) };
            let definition = Definition { wants, model: named.map(str::to_owned), ..Definition::default() };
            registry.choose(&agent.parse().unwrap(), &definition)
        };
        let is = |chosen: Option<Arc<dyn Model>>, model: &Arc<dyn Model>| Arc::ptr_eq(&chosen.unwrap(), model);
        assert!(is(chosen("a", None, None, None), &default));
        assert!(is(chosen("a", None, Some("gpt-4.1"), None), &large));
        assert!(is(chosen("plain-a", None, Some("gpt-4.1"), None), &default));
        assert!(is(chosen("plain-a", Some("h/crew:1"), Some("gpt-4.1"), None), &crew));
        assert!(is(chosen("a", Some("h/crew:1"), None, Some("large")), &large), "a name of ours goes first");
        assert!(chosen("a", None, None, Some("nobody")).is_none());
    }

    #[test]
    fn a_rule_that_leads_nowhere_is_refused() {
        let rule = Rule { name: "nobody".into(), ..Rule::default() };
        assert_eq!(registry().0.with_rule(&rule).unwrap_err(), RuleError::NoModel("nobody".into()));
    }
}
