//! Each list reads its index in order: none scans a table, none sorts what it found.

use rusqlite::Connection;

use crate::{accept, agents, finish, identity, lanes, migrations, sessions, system, turns, walk};

/// The plan of a statement, as SQLite tells it.
fn plan(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(&format!("explain query plan {}", sql.replace('$', "?"))).unwrap();
    let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
    let lines = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
    lines.unwrap().map(Result::unwrap).collect()
}

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    for migration in migrations::ALL {
        database.execute_batch(migration.sql).unwrap();
    }
    database
}

#[test]
fn every_list_reads_its_index_in_order() {
    let lists = [
        ("agents_by_key", agents::LIST),
        ("sqlite_autoindex_agent_versions_1", agents::VERSIONS),
        ("sessions_due", agents::COUNT),
        ("sessions_by_created", sessions::BY_CREATED),
        ("sessions_by_agent", sessions::BY_AGENT),
        ("sessions_by_client", walk::NEXT_CLIENT),
        ("sessions_by_client", walk::STANDING),
        ("sessions_by_client_agent", walk::STANDING_WITH_AGENT),
        ("moved_by_client", walk::MOVED_OF_MANY),
        ("moved_by_client", walk::MOVED_OF_MANY_WITH_AGENT),
        ("turns_by_number", turns::KEPT),
        ("turns_by_number", turns::KEPT_ITEMS),
        ("turns_by_created", turns::ALL),
        ("turns_by_tag", turns::BY_TAG),
        ("sqlite_autoindex_parts_1", turns::PARTS),
        ("leases_by_node", lanes::OF_OTHERS),
        ("sqlite_autoindex_waiting_1", lanes::FIRST),
        ("credentials_api_keys", identity::API_KEYS),
        ("credentials_by_client", identity::REVOKE_OF_CLIENT),
        ("applications_by_tenant", identity::APPLICATIONS),
        ("agents_hidden", system::OF_HIDDEN_AGENTS),
        ("agents_hidden", system::EMPTY_AGENTS),
        ("sessions_hidden", system::HIDDEN),
        ("moved_by_time", system::LEFT),
        ("request_keys_by_time", system::OLD_REQUESTS),
        ("credentials_by_expiry", system::OLD_CREDENTIALS),
        ("waiting_by_until", system::FORSAKEN_INPUT),
    ];
    let database = database();
    for (index, sql) in lists {
        let plan = plan(&database, sql);
        let text = plan.join("\n");
        assert!(plan.iter().any(|line| line.contains(&format!(" {index} "))), "{index}: {sql}\n{text}");
        assert!(!text.contains("TEMP B-TREE"), "{sql}\n{text}");
        let scans = plan.iter().filter(|line| line.starts_with("SCAN") && !line.contains("CONSTANT ROW"));
        assert_eq!(scans.count(), 0, "{sql}\n{text}");
    }
}

#[test]
fn a_few_moves_are_found_by_their_commit_numbers() {
    for sql in [walk::MOVED_OF_FEW, walk::MOVED_OF_FEW_WITH_AGENT] {
        let plan = plan(&database(), sql);
        let wanted = "SEARCH m USING INDEX sqlite_autoindex_moved_1 (tenant=? AND owner=? AND left_seq>?)";
        assert!(plan.contains(&wanted.to_owned()), "{plan:?}");
    }
}

#[test]
fn the_sweeper_goes_agent_by_agent() {
    let plan = plan(&database(), system::DUE);
    assert!(plan[0].starts_with("SCAN a "), "{plan:?}");
    assert_eq!(plan[1..], ["SEARCH s USING INDEX sessions_due (tenant=? AND agent=? AND due>? AND due<?)"]);
}

#[test]
fn every_other_statement_finds_its_rows_by_a_key() {
    let database = database();
    let statements = [
        accept::ENTER,
        accept::HOLD,
        accept::INSERT_AT_HEAD,
        accept::INSERT_AFTER,
        agents::UPDATE,
        agents::VERSION_LATEST,
        finish::RELEASE,
        finish::APPEND_PARTS_FENCED,
        finish::END_KEPT,
        finish::KEEP,
        finish::LEAVE_SESSION,
        identity::REMOVE_APPLICATION,
        identity::REVOKE_FAMILY,
        lanes::ENQUEUE,
        lanes::RENEW,
        lanes::TAKE_OVER,
        sessions::BY_ID,
        sessions::BY_KEY,
        sessions::COUNT_UP,
        sessions::COUNT_DOWN,
        sessions::HIDE,
        sessions::PATCH_AND_MOVE,
        sessions::RELEASE,
        system::COUNT_OFF,
        system::EXPIRE,
        system::FORGET,
        system::REMOVE_MASKS,
        system::REMOVE_SESSION,
        system::TRIM,
        turns::BY_ID,
        turns::BY_ALIAS,
        walk::DRAW,
        walk::LEAVE,
    ];
    for sql in statements {
        let plan = plan(&database, sql);
        let scans = plan.iter().filter(|line| line.starts_with("SCAN") && !line.contains("CONSTANT ROW"));
        assert_eq!(scans.count(), 0, "{sql}\n{}", plan.join("\n"));
    }
}

#[test]
fn a_line_is_followed_from_key_to_key() {
    for sql in [turns::LINE, turns::LINE_ITEMS] {
        let plan = plan(&database(), sql);
        // All that a tenant has is not much better than all there is.
        let is_scan = |line: &str| (line.starts_with("SCAN") && line != "SCAN line") || line.ends_with("(tenant=?)");
        assert_eq!(plan.iter().filter(|line| is_scan(line)).count(), 0, "{}", plan.join("\n"));
    }
}
