//! Why a database was not opened, and what to do about it.

/// Why a PostgreSQL database was not opened. Nothing in it was changed. No text holds a password.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum DatabaseError {
    #[error("the database's URL cannot be used: {why}")]
    Url { why: String },
    #[error("TLS to the database cannot be set up: {why}")]
    Tls { why: String },
    #[error("no database that takes writes can be reached at {hosts}: {why}")]
    Unreachable { hosts: String, why: String },
    #[error("the database at {hosts} lets nobody in: {why}")]
    Refused { hosts: String, why: String },
    #[error("the database is encoded in {found}, which cannot hold every text")]
    Encoding { found: String },
    #[error("the database is of PostgreSQL {found}, older than {oldest}")]
    TooOld { found: String, oldest: i64 },
    #[error("the database has schema {found}, which this binary's {known} is too old for")]
    Newer { found: i64, known: i64 },
    #[error("the database has schema {found}, older than this binary's {known}")]
    Outdated { found: i64, known: i64 },
    #[error("the database has tables that are not of ours: {why}")]
    Foreign { why: String },
    #[error("migration {number} ({name}) failed and was undone: {why}")]
    Migration { number: i64, name: &'static str, why: String },
    #[error("the database failed: {why}")]
    Failed { why: String },
}

impl DatabaseError {
    /// What the operator can do.
    pub fn how(&self) -> &'static str {
        match self {
            Self::Url { .. } => "write it as postgres://USER@HOST1,HOST2/DATABASE?sslmode=verify-full",
            Self::Tls { .. } => {
                "check sslmode, sslrootcert, sslcert and sslkey in the URL, and the files that they name"
            }
            Self::Unreachable { .. } => {
                "check the hosts, that one of them is a primary, and that the network lets this machine through"
            }
            Self::Refused { .. } => "check user, password and database, and the server's pg_hba.conf",
            Self::Encoding { .. } => "make one with: createdb --encoding UTF8 --template template0 NAME",
            Self::TooOld { .. } => "upgrade the server",
            Self::Newer { .. } => "run the release that the database was last migrated by, or a newer one",
            Self::Outdated { .. } => "run: sederunt migrate",
            Self::Foreign { .. } => {
                "give it a database, or a schema by options=-csearch_path=NAME in the URL, of its own"
            }
            Self::Migration { .. } => "see to what it says, then start again: what was applied before stands",
            Self::Failed { .. } => "see the server's log",
        }
    }
}
