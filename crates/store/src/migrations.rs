//! The schema as numbered files, applied in order, forward only, each recorded in the `migrations` table.

/// A migration: its number, its name, its statements.
pub(crate) struct Migration {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// Every migration, in order.
pub(crate) const ALL: &[Migration] = &[
    Migration { number: 1, name: "first", sql: include_str!("../migrations/0001_first.sql") },
    Migration { number: 2, name: "conversations", sql: include_str!("../migrations/0002_conversations.sql") },
    Migration { number: 3, name: "records", sql: include_str!("../migrations/0003_records.sql") },
    Migration { number: 4, name: "shards", sql: include_str!("../migrations/0004_shards.sql") },
    Migration { number: 5, name: "nodes", sql: include_str!("../migrations/0005_nodes.sql") },
    Migration { number: 6, name: "files", sql: include_str!("../migrations/0006_files.sql") },
    Migration { number: 7, name: "restores", sql: include_str!("../migrations/0007_restores.sql") },
];

/// The oldest schema whose binaries run on the newest one as well: the newest only adds to it what has a default.
pub(crate) const COMPATIBLE: i64 = 4;

/// What is recorded of them.
pub(crate) const TABLE: &str =
    "create table if not exists migrations (number bigint not null primary key, name text not null)";

/// The newest that this binary knows.
pub(crate) fn newest() -> i64 {
    ALL.last().map_or(0, |m| m.number)
}
