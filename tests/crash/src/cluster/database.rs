//! The database of a round: a cluster, or a single server.

use anyhow::{Result, bail};
use sederunt_rig::postgres::Postgres;

use super::patroni::Patroni;

/// A database of PostgreSQL.
#[derive(Debug)]
pub enum Database {
    /// Three members of which one leads.
    Cluster(Patroni),
    /// One server.
    Single(Postgres),
}

impl Database {
    /// Runs SQL where it may write; the rows.
    pub fn execute(&self, sql: &str) -> Result<String> {
        match self {
            Self::Cluster(patroni) => patroni.execute(sql),
            Self::Single(postgres) => postgres.execute("postgres", sql),
        }
    }

    /// The ports where it may be found.
    pub fn ports(&self) -> Vec<u16> {
        match self {
            Self::Cluster(patroni) => patroni.ports(),
            Self::Single(postgres) => vec![postgres.port()],
        }
    }

    /// The cluster, if it is one.
    pub fn patroni(&mut self) -> Result<&mut Patroni> {
        match self {
            Self::Cluster(patroni) => Ok(patroni),
            Self::Single(_) => bail!("a single server has no others to take over"),
        }
    }

    /// Starts what was killed of it, and waits until it is whole.
    pub fn mend(&mut self) -> Result<()> {
        match self {
            Self::Cluster(patroni) => patroni.revive().and_then(|()| patroni.wait_whole()),
            Self::Single(_) => Ok(()),
        }
    }
}

/// The URL of the database at these ports of this machine.
pub fn url(ports: &[u16]) -> String {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://postgres@{}/postgres?target_session_attrs=read-write&sslmode=disable", hosts.join(","))
}
