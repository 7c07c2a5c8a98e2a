//! Databases of PostgreSQL for stories: for each a copy of one that has the schema, in the server of this test run.

use sederunt_rig::postgres::{self, name_of};
use sederunt_store::{Postgres, PostgresOptions};
use tokio::sync::OnceCell;

/// What each database is a copy of. A run has one schema.
const TEMPLATE: &str = "with_schema";

/// A database that is dropped when this is.
pub struct Database {
    url: String,
}

impl Database {
    /// An empty one that has the schema.
    pub async fn new() -> Self {
        static PREPARED: OnceCell<()> = OnceCell::const_new();
        let prepare = async |url: String| {
            Postgres::migrate(&url, &PostgresOptions::default()).await.unwrap();
        };
        PREPARED.get_or_init(async || server().template(TEMPLATE, prepare).await.unwrap()).await;
        Self { url: server().database_like(TEMPLATE).unwrap() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL in it; its rows, columns parted by `|`.
    pub fn execute(&self, sql: &str) -> String {
        server().execute(name_of(&self.url), sql).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It goes with its server if not now.
        _ = server().drop_database(&self.url);
    }
}

/// The server of all stories.
pub fn server() -> &'static postgres::Postgres {
    postgres::Postgres::shared().unwrap()
}
