//! Instructions: made, read, changed, deleted. Who reads agents reads them, who writes agents writes them.

use super::App;
use crate::caller::{Action, Caller};
use crate::error::{Conflict, Error, Kind, Result};
use crate::id::{InstructionId, TenantId};
use crate::instruction::{Instruction, NewInstruction};

/// How often a change is tried that others keep forestalling.
const TRIES: usize = 8;

/// The operations on instructions.
#[derive(Clone, Copy, Debug)]
pub struct Instructions<'a>(pub(super) &'a App);

impl Instructions<'_> {
    /// Makes an instruction. `Conflict(AlreadyExists)` if its name is taken.
    pub async fn create(&self, caller: &Caller, new: NewInstruction) -> Result<Instruction> {
        caller.may(Action::WriteAgents)?;
        new.check()?;
        let now = self.0.now();
        let id = InstructionId(self.0.ports().ids.uuid(now));
        let first = new.version(caller.tenant.clone(), id, 1, now, now);
        self.0.store().insert_instruction(&first).await?;
        Ok(first)
    }

    /// The instruction at this version, or at the one that stands.
    pub async fn get(&self, caller: &Caller, id: InstructionId, version: Option<u32>) -> Result<Instruction> {
        caller.may(Action::ReadAgents)?;
        self.find(&caller.tenant, id, version).await?.ok_or_else(|| Error::not_found(Kind::Instruction, id))
    }

    /// The same without asking who wants to know: what an agent is told is no secret from who may talk to it.
    pub async fn find(
        &self,
        tenant: &TenantId,
        id: InstructionId,
        version: Option<u32>,
    ) -> Result<Option<Instruction>> {
        self.0.store().instruction(tenant, id, version).await
    }

    /// Instructions, each at the version that stands, in the order in which they were made, after `after`, at most `limit`.
    pub async fn list(&self, caller: &Caller, after: Option<InstructionId>, limit: u32) -> Result<Vec<Instruction>> {
        caller.may(Action::ReadAgents)?;
        self.0.store().instructions(&caller.tenant, after, limit).await
    }

    /// Makes the version that stands from now on out of the one that does. `Conflict(AlreadyExists)` if its name is
    /// another instruction's.
    pub async fn update<E: From<Error>>(
        &self,
        caller: &Caller,
        id: InstructionId,
        change: impl Fn(&mut NewInstruction) -> std::result::Result<(), E> + Send + Sync,
    ) -> std::result::Result<Instruction, E> {
        caller.may(Action::WriteAgents)?;
        for _ in 0..TRIES {
            let standing = self.find(&caller.tenant, id, None).await?;
            let standing = standing.ok_or_else(|| Error::not_found(Kind::Instruction, id))?;
            let (version, created) = (standing.version.saturating_add(1), standing.created);
            let mut next = NewInstruction::from(standing);
            change(&mut next)?;
            next.check()?;
            let next = next.version(caller.tenant.clone(), id, version, created, self.0.now());
            match self.0.store().insert_instruction_version(&next).await {
                Ok(()) => return Ok(next),
                Err(Error::Conflict { kind: Conflict::Stale, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::conflict(Conflict::Stale, id).into())
    }

    /// Deletes an instruction with all its versions.
    pub async fn delete(&self, caller: &Caller, id: InstructionId) -> Result<()> {
        caller.may(Action::WriteAgents)?;
        if self.0.store().delete_instruction(&caller.tenant, id).await? {
            Ok(())
        } else {
            Err(Error::not_found(Kind::Instruction, id))
        }
    }

    /// Deletes a version. `Conflict(InUse)` for the one that stands.
    pub async fn delete_version(&self, caller: &Caller, id: InstructionId, version: u32) -> Result<()> {
        caller.may(Action::WriteAgents)?;
        if self.0.store().delete_instruction_version(&caller.tenant, id, version).await? {
            return Ok(());
        }
        match self.find(&caller.tenant, id, Some(version)).await? {
            Some(_) => Err(Error::conflict(Conflict::InUse, id)),
            None => Err(Error::not_found(Kind::Instruction, id)),
        }
    }
}
