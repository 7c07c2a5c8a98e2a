//! The store port over SQL. Every statement stands once, in the file of its aggregate, in the SQL that SQLite,
//! PostgreSQL and its distributed relatives share; a [`Driver`] runs them, and knows nothing of what they mean.

#![warn(missing_docs)]

use std::sync::Arc;

mod accept;
mod agents;
mod archive;
mod artifacts;
mod blob_rows;
mod blobs;
mod conversation_items;
mod conversations;
mod delete;
mod driver;
mod expiry;
mod finish;
mod identity;
mod instructions;
mod lanes;
mod locks;
mod migrations;
mod nodes;
#[cfg(test)]
mod plans;
mod postgres;
mod reaping;
mod records;
mod refusals;
mod requests;
mod rows;
mod session_conditions;
mod session_items;
mod session_keys;
mod session_lists;
mod session_metadata;
mod sessions;
mod shards;
mod slices;
mod sqlite;
mod system;
mod turn_lists;
mod turns;
mod versions;
mod walk;
mod walk_runs;

pub use archive::{ArchiveError, Progress, Told, verify};
pub use blob_rows::BlobRows;
pub use blobs::Folder;
pub use driver::{Bulk, Driver, Guard, Outcome, Params, Reach, Read, Row, Snapshot, Step, Value};
pub use postgres::{DatabaseError, Examined, Postgres, PostgresOptions, Standby};
pub use sqlite::{Durability, Inspected, Observer, OpenError, Options, Sqlite};

use sederunt_core::Result;

/// The store over one driver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlStore {
    driver: Arc<dyn Driver>,
}

impl SqlStore {
    /// The store over `driver`, whose database has the schema of this release.
    pub fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver }
    }

    /// The one row that a statement finds by its keys.
    async fn one(&self, sql: &'static str, params: Params) -> Result<Option<Row>> {
        Ok(self.few(sql, params).await?.into_iter().next())
    }

    /// The few rows that a statement finds by their keys.
    async fn few(&self, sql: &'static str, params: Params) -> Result<Vec<Row>> {
        let rows = self.driver.read(vec![Read::new(sql, params)], Reach::Point).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// The rows of a list.
    async fn list(&self, sql: &'static str, params: Params) -> Result<Vec<Row>> {
        let rows = self.driver.read(vec![Read::new(sql, params)], Reach::List).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Runs a transaction without guards.
    async fn run(&self, steps: Vec<Step>) -> Result<Vec<Vec<Row>>> {
        match self.driver.transact(steps).await? {
            Outcome::Done(rows) => Ok(rows),
            Outcome::Missed(guard) => Err(sederunt_core::Error::internal(format!("unexpected miss of {guard:?}"))),
        }
    }
}

/// How often a transaction is tried whose miss the record no longer explains: what was in its way has gone meanwhile.
const TRIES: usize = 4;
