//! Instructions: named texts that agents refer to. Each change makes a version; the last one stands.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Time;
use crate::error::{Error, Reason, Result};
use crate::id::{InstructionId, TenantId};

/// The longest name, in characters.
const LONGEST_NAME: usize = 50;
/// The longest description, in bytes.
const LONGEST_DESCRIPTION: usize = 10_000;
/// The longest template, in bytes.
const LONGEST_TEMPLATE: usize = 1 << 20;
/// The most free data, in bytes of JSON.
const MOST_METADATA: usize = 64 << 10;

/// An instruction at one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instruction {
    /// The tenant.
    pub tenant: TenantId,
    /// Which instruction.
    pub id: InstructionId,
    /// Which version of it, counted from 1.
    pub version: u32,
    /// What people call it; no two that stand have the same name in a tenant.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// How the template is read.
    pub syntax: Syntax,
    /// The text, or what it is made of.
    pub template: String,
    /// Free data.
    pub metadata: Map<String, Value>,
    /// Whether agents that refer to it are told it.
    pub enabled: bool,
    /// When the instruction was made.
    pub created: Time,
    /// When this version was made.
    pub updated: Time,
}

/// How a template is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// As it stands.
    Text,
    /// In the Velocity Template Language.
    #[default]
    Velocity,
}

/// An instruction to be made, and what one is changed into.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstruction {
    /// What people call it: 1 to 50 characters.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// How the template is read.
    pub syntax: Syntax,
    /// The text, or what it is made of.
    pub template: String,
    /// Free data.
    pub metadata: Map<String, Value>,
    /// Whether agents that refer to it are told it.
    pub enabled: bool,
}

impl NewInstruction {
    /// Refuses what is larger than what is kept.
    pub fn check(&self) -> Result<()> {
        let name = self.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&name) {
            return Err(Error::malformed("name", "1 to 50 characters"));
        }
        let too_large = |param: &str, limit: usize| Err(Error::invalid(param, Reason::TooLarge(limit as u64)));
        if self.description.as_ref().is_some_and(|text| text.len() > LONGEST_DESCRIPTION) {
            return too_large("description", LONGEST_DESCRIPTION);
        }
        if self.template.len() > LONGEST_TEMPLATE {
            return too_large("template", LONGEST_TEMPLATE);
        }
        if Value::Object(self.metadata.clone()).to_string().len() > MOST_METADATA {
            return too_large("metadata", MOST_METADATA);
        }
        Ok(())
    }

    /// It, as the version of an instruction.
    pub fn version(self, tenant: TenantId, id: InstructionId, version: u32, created: Time, now: Time) -> Instruction {
        let Self { name, description, syntax, template, metadata, enabled } = self;
        let updated = now;
        Instruction { tenant, id, version, name, description, syntax, template, metadata, enabled, created, updated }
    }
}

impl From<Instruction> for NewInstruction {
    fn from(of: Instruction) -> Self {
        let Instruction { name, description, syntax, template, metadata, enabled, .. } = of;
        Self { name, description, syntax, template, metadata, enabled }
    }
}
