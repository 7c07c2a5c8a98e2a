//! The models of one process by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use sederunt_core::model::{Model, Models};

/// Named models, one of which is the default.
#[derive(Debug)]
pub struct Registry {
    default: Arc<dyn Model>,
    named: BTreeMap<String, Arc<dyn Model>>,
}

impl Registry {
    /// The name under which the default can be asked for.
    pub const DEFAULT: &str = "default";

    /// One model, which answers for every agent that names none.
    pub fn new(default: Arc<dyn Model>) -> Self {
        Self { default, named: BTreeMap::new() }
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
}

impl Models for Registry {
    fn get(&self, name: Option<&str>) -> Option<Arc<dyn Model>> {
        match name {
            None | Some(Self::DEFAULT) => Some(self.default.clone()),
            Some(name) => self.named.get(name).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Script;

    #[test]
    fn an_agent_without_a_model_gets_the_default_and_an_unknown_name_gets_none() {
        let registry = Registry::new(Arc::new(Script::builtin())).with("other", Arc::new(Script::builtin()));
        assert!(registry.get(None).is_some());
        assert!(registry.get(Some("default")).is_some());
        assert!(registry.get(Some("other")).is_some());
        assert!(registry.get(Some("nobody")).is_none());
    }
}
