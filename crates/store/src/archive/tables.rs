//! What is in an archive: the tables, their columns and the order of their rows. What is not here is either made anew by a
//! restore (`counts`, `heads`, and the columns of sessions that go with them) or of the running processes alone.

use crate::driver::Read;

/// A table of the archive.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns that order its rows: its primary key.
    pub(crate) key: &'static str,
    /// Its columns, by the schema that they came with.
    columns: &'static [(i64, &'static [&'static str])],
}

/// The oldest schema that an archive can be of.
pub(crate) const OLDEST: i64 = 4;

/// The tables, in the order in which they stand in an archive.
pub(crate) const ALL: &[Table] = &[
    Table {
        name: "agents",
        key: "tenant, id",
        columns: &[(
            4,
            &[
                "tenant",
                "id",
                "key",
                "enabled",
                "created",
                "updated",
                "ordinal",
                "latest",
                "published",
                "revision",
                "extra",
                "deleted",
            ],
        )],
    },
    Table {
        name: "agent_versions",
        key: "tenant, agent, ordinal",
        columns: &[(
            4,
            &["tenant", "agent", "ordinal", "major", "minor", "published", "draft", "created", "definition"],
        )],
    },
    Table {
        name: "instructions",
        key: "tenant, id, version",
        columns: &[(
            4,
            &[
                "tenant",
                "id",
                "version",
                "latest",
                "name",
                "description",
                "syntax",
                "template",
                "metadata",
                "enabled",
                "created",
                "updated",
            ],
        )],
    },
    Table {
        name: "sessions",
        key: "tenant, id",
        columns: &[(
            4,
            &[
                "tenant",
                "id",
                "key",
                "agent",
                "version",
                "owner",
                "client",
                "title",
                "auto_title",
                "description",
                "metadata",
                "context",
                "enabled",
                "ttl",
                "created",
                "updated",
                "accessed",
                "expires",
                "due",
                "idle_after",
                "asleep",
                "stopped",
                "retention",
                "lapsed",
                "running",
                "turns",
                "items",
                "kept",
                "last_turn",
                "extra",
                "deleted",
            ],
        )],
    },
    Table {
        name: "session_metadata",
        key: "tenant, session, path",
        columns: &[(4, &["tenant", "session", "path", "agent", "owner", "key", "value"])],
    },
    Table {
        name: "conversations",
        key: "tenant, id",
        columns: &[(
            4,
            &[
                "tenant", "id", "key", "owner", "client", "agent", "session", "head", "turns", "metadata", "created",
                "deleted",
            ],
        )],
    },
    Table {
        name: "turns",
        key: "tenant, id",
        columns: &[(
            4,
            &[
                "tenant",
                "id",
                "session",
                "conversation",
                "agent",
                "version",
                "owner",
                "client",
                "parent",
                "elsewhere",
                "number",
                "place",
                "kind",
                "lane",
                "state",
                "ending",
                "kept",
                "alias",
                "tag",
                "on_failure",
                "on_disconnect",
                "recording",
                "parameters",
                "usage",
                "created",
                "ended",
                "items",
                "inputs",
                "first_item",
                "extra",
                "deleted",
            ],
        )],
    },
    Table {
        name: "items",
        key: "tenant, turn, position",
        columns: &[(4, &["tenant", "turn", "position", "id", "session", "created", "body"])],
    },
    Table {
        name: "item_masks",
        key: "tenant, item, session",
        columns: &[(4, &["tenant", "item", "session", "reason", "created"])],
    },
    Table { name: "parts", key: "tenant, turn, first", columns: &[(4, &["tenant", "turn", "first", "last", "body"])] },
    Table { name: "leases", key: "tenant, lane", columns: &[(4, &["tenant", "lane", "token", "turn", "agent"])] },
    Table {
        name: "artifacts",
        key: "tenant, session, id",
        columns: &[(4, &["tenant", "session", "id", "turn", "created", "expires", "body"])],
    },
    Table {
        name: "gone",
        key: "tenant, agent, key",
        columns: &[(4, &["tenant", "agent", "key", "id", "created", "at"])],
    },
    Table {
        name: "request_keys",
        key: "tenant, scope, key",
        columns: &[(4, &["tenant", "scope", "key", "body", "object", "at"])],
    },
    Table {
        name: "credentials",
        key: "id",
        columns: &[(
            4,
            &[
                "id", "kind", "tenant", "user_id", "client", "name", "enabled", "grants", "scope", "family", "redeem",
                "created", "expires", "revoked", "extra",
            ],
        )],
    },
    Table {
        name: "applications",
        key: "client_id",
        columns: &[(
            4,
            &["client_id", "secret", "tenant", "name", "description", "redirect_uris", "grants", "created", "extra"],
        )],
    },
    Table { name: "secrets", key: "name", columns: &[(4, &["name", "value"])] },
];

impl Table {
    /// Its columns in an archive of this schema; none if the schema does not have the table.
    pub(crate) fn columns(&self, schema: i64) -> Vec<&'static str> {
        self.columns.iter().filter(|(since, _)| *since <= schema).flat_map(|(_, columns)| *columns).copied().collect()
    }

    /// All its rows in order, in a database of this schema.
    pub(crate) fn rows(&self, schema: i64) -> Read {
        let columns = self.columns(schema).join(", ");
        Read::new(format!("select {columns} from {} order by {}", self.name, self.key), Vec::new())
    }

    /// How many rows it has.
    pub(crate) fn count(&self) -> Read {
        Read::new(format!("select count(*) from {}", self.name), Vec::new())
    }

    /// Whether it has any row.
    pub(crate) fn any(&self) -> Read {
        Read::new(format!("select 1 from {} limit 1", self.name), Vec::new())
    }
}
