//! Instructions and their versions, and the port they are behind.

use async_trait::async_trait;
use sederunt_core::error::Conflict;
use sederunt_core::id::{InstructionId, TenantId};
use sederunt_core::instruction::Instruction;
use sederunt_core::store::InstructionStore;
use sederunt_core::{Error, Result};

use crate::driver::{Guard, Outcome, Row, Step, params};
use crate::rows::{Columns, json, word};
use crate::{SqlStore, locks};

macro_rules! instruction_columns {
    () => {
        "tenant, id, version, name, description, syntax, template, metadata, enabled, created, updated"
    };
}

const INSERT: &str = concat!(
    "insert into instructions (",
    instruction_columns!(),
    ", latest) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) on conflict do nothing"
);
const STEP_DOWN: &str =
    "update instructions set latest = 0 where tenant = $1 and id = $2 and version = $3 and latest = 1";
const LATEST: &str =
    concat!("select ", instruction_columns!(), " from instructions where tenant = $1 and id = $2 and latest = 1");
const VERSION: &str =
    concat!("select ", instruction_columns!(), " from instructions where tenant = $1 and id = $2 and version = $3");
pub(crate) const LIST: &str = concat!(
    "select ",
    instruction_columns!(),
    " from instructions where tenant = $1 and id > $2 and latest = 1 order by id limit $3"
);
const DELETE: &str = "delete from instructions where tenant = $1 and id = $2";
const DELETE_VERSION: &str = "delete from instructions where tenant = $1 and id = $2 and version = $3 and latest = 0";

#[async_trait]
impl InstructionStore for SqlStore {
    async fn insert_instruction(&self, first: &Instruction) -> Result<()> {
        match self.driver.transact(vec![insert(first)?]).await? {
            Outcome::Done(_) => Ok(()),
            Outcome::Missed(_) if self.is_instruction(first).await? => Ok(()),
            Outcome::Missed(_) => Err(Error::conflict(Conflict::AlreadyExists, &first.name)),
        }
    }

    async fn insert_instruction_version(&self, next: &Instruction) -> Result<()> {
        let id = next.id.to_string();
        let standing = next.version.saturating_sub(1);
        let step_down = params![next.tenant.as_str(), id.as_str(), standing];
        let held = locks::instruction(next.tenant.as_str(), &id);
        let steps = vec![held, Step::once(Guard::Row, STEP_DOWN, step_down), insert(next)?];
        if let Outcome::Done(_) = self.driver.transact(steps).await? {
            return Ok(());
        }
        let stands = self.instruction(&next.tenant, next.id, None).await?;
        if stands.is_some_and(|one| one.version == standing) {
            Err(Error::conflict(Conflict::AlreadyExists, &next.name))
        } else {
            Err(Error::conflict(Conflict::Stale, id))
        }
    }

    async fn instruction(
        &self,
        tenant: &TenantId,
        id: InstructionId,
        version: Option<u32>,
    ) -> Result<Option<Instruction>> {
        let id = id.to_string();
        let row = match version {
            None => self.one(LATEST, params![tenant.as_str(), id]).await?,
            Some(version) => self.one(VERSION, params![tenant.as_str(), id, version]).await?,
        };
        row.map(instruction).transpose()
    }

    async fn instructions(
        &self,
        tenant: &TenantId,
        after: Option<InstructionId>,
        limit: u32,
    ) -> Result<Vec<Instruction>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.list(LIST, params![tenant.as_str(), after, limit]).await?.into_iter().map(instruction).collect()
    }

    async fn delete_instruction(&self, tenant: &TenantId, id: InstructionId) -> Result<bool> {
        let held = locks::instruction(tenant.as_str(), id);
        let delete = Step::once(Guard::Row, DELETE, params![tenant.as_str(), id.to_string()]);
        Ok(matches!(self.driver.transact(vec![held, delete]).await?, Outcome::Done(_)))
    }

    async fn delete_instruction_version(&self, tenant: &TenantId, id: InstructionId, version: u32) -> Result<bool> {
        let step = Step::once(Guard::Row, DELETE_VERSION, params![tenant.as_str(), id.to_string(), version]);
        Ok(matches!(self.driver.transact(vec![step]).await?, Outcome::Done(_)))
    }
}

impl SqlStore {
    /// Whether this very one is there already: then the call that adds it comes again.
    async fn is_instruction(&self, one: &Instruction) -> Result<bool> {
        Ok(self.instruction(&one.tenant, one.id, Some(one.version)).await?.as_ref() == Some(one))
    }
}

/// The step that adds a version which stands.
fn insert(one: &Instruction) -> Result<Step> {
    let params = params![
        one.tenant.as_str(),
        one.id.to_string(),
        one.version,
        one.name.as_str(),
        one.description.as_deref(),
        word(&one.syntax)?,
        one.template.as_str(),
        json(&one.metadata)?,
        one.enabled,
        one.created.nanos(),
        one.updated.nanos(),
    ];
    Ok(Step::guarded(Guard::Row, INSERT, params))
}

fn instruction(row: Row) -> Result<Instruction> {
    let mut c = Columns::of("instructions", row);
    Ok(Instruction {
        tenant: c.text()?.as_str().into(),
        id: c.parsed()?,
        version: c.small()?,
        name: c.text()?,
        description: c.maybe_text()?,
        syntax: c.word()?,
        template: c.text()?,
        metadata: c.json()?,
        enabled: c.flag()?,
        created: c.time()?,
        updated: c.time()?,
    })
}
