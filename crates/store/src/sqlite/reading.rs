//! A data directory that is only read, beside a server that may have it open.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sederunt_core::{Error, Result};

use super::readers::Readers;
use super::{OpenError, Options, Sqlite, open};
use crate::SqlStore;
use crate::driver::{Bulk, Driver, Outcome, Reach, Read, Row, Snapshot, Step};

#[derive(Debug)]
struct Reading(Arc<Readers>);

impl Sqlite {
    /// Opens the database in the data directory `path` for reading, whoever else has it open. It must be there, and its
    /// schema is left as it is.
    pub fn read_only(path: &Path) -> std::result::Result<SqlStore, OpenError> {
        let file = open::find(path)?;
        let readers = Readers::new(file, &Options::default());
        Ok(SqlStore::new(Arc::new(Reading(Arc::new(readers)))))
    }
}

#[async_trait]
impl Driver for Reading {
    async fn read(&self, reads: Vec<Read>, _reach: Reach) -> Result<Vec<Vec<Row>>> {
        Readers::read_elsewhere(&self.0, reads).await
    }

    async fn transact(&self, _steps: Vec<Step>) -> Result<Outcome> {
        Err(read_only())
    }

    async fn load(&self, _steps: Vec<Step>, _bulk: Bulk) -> Result<Outcome> {
        Err(read_only())
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.0.snapshot().await
    }

    async fn ping(&self) -> Result<()> {
        Err(read_only())
    }

    async fn close(&self) {
        self.0.close();
    }
}

fn read_only() -> Error {
    Error::unavailable("the store is open for reading only")
}
