//! Requests that are passed on as they stand to the server behind a model. They are no turns: nothing of them is kept.

use futures_util::StreamExt;

use super::Engine;
use crate::agent::AgentVersion;
use crate::error::{Error, FaultKind, Result};
use crate::id::Key;
use crate::model::{Passage, Passed};

impl Engine {
    /// Passes a request on. Its answer must begin within the time that a turn may take; it counts until its body has been
    /// read or dropped.
    pub(crate) async fn pass(&self, agent: &Key, version: &AgentVersion, passage: Passage) -> Result<Option<Passed>> {
        self.admit()?;
        let model = self.model_of(agent, version)?;
        let place = self.0.passing.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::unavailable("too many requests are being passed on"))?;
        let limit = version.definition.limits.turn_timeout;
        let passed = tokio::time::timeout(limit, model.pass(passage)).await;
        let Some(passed) = passed.map_err(|_| FaultKind::DeadlinePassed.with(""))? else { return Ok(None) };
        let Passed { status, headers, body } = passed?;
        let body = body.map(move |piece| {
            // The place is given up with the body.
            let _ = &place;
            piece
        });
        Ok(Some(Passed { status, headers, body: body.boxed() }))
    }
}
