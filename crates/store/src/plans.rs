//! Each list reads its index in order: none scans a table, none sorts what it found.

mod postgresql;

use rusqlite::Connection;
use sederunt_core::clock::Time;
use sederunt_core::condition::{Condition, Field, Operator, Scalar};
use sederunt_core::id::AgentId;
use sederunt_core::session::{Owner, SessionFilter, SessionQuery};

use crate::session_keys::Listed;
use crate::walk_runs::OF_ONE_SHARD;
use crate::{
    accept, agents, artifacts, conversation_items, conversations, delete, expiry, finish, identity, instructions,
    lanes, migrations, nodes, reaping, session_items, session_lists, sessions, system, turn_lists, turns, versions,
    walk,
};

/// Statements that find the few rows that they are about by their keys.
const BY_KEY: &[&str] = &[
    accept::BIND,
    accept::CONVERSATION,
    accept::ENTER,
    accept::HOLD,
    accept::INSERT_AT_CONVERSATION,
    accept::INSERT_AT_HEAD,
    accept::INSERT_AT_STILL_HEAD,
    accept::INSERT_AFTER,
    agents::HIDE,
    agents::UPDATE,
    artifacts::BY_ID,
    artifacts::COUNT,
    artifacts::KNOWN,
    artifacts::REMOVE,
    conversation_items::ITEM,
    conversation_items::ITEMS,
    conversations::BY_KEY,
    conversations::PLACE,
    conversations::SET_METADATA,
    delete::BLANK_TURN,
    delete::COUNT_DOWN,
    delete::COUNT_DOWN_VERSION,
    delete::COUNT_TURN_DOWN,
    delete::EMPTY_TURN,
    delete::END_IN_CONVERSATIONS,
    delete::END_IN_LANE,
    delete::END_OF_AGENT,
    delete::END_OF_VERSION,
    delete::HIDE,
    delete::HIDE_CONVERSATION,
    delete::HIDE_EXPIRED,
    delete::HIDE_OF_VERSION,
    delete::HIDE_TURN,
    delete::LEAVE_OF_LANE,
    delete::PLACE_OF_CONVERSATION,
    delete::PLACE_OF_SESSION,
    delete::PLACES_OF_VERSION,
    delete::RELEASE,
    delete::RELEASE_AGENT,
    delete::RELEASE_VERSION,
    delete::UNLIST_OF_VERSION,
    delete::UNMASK_TURN,
    expiry::COUNT_OFF,
    expiry::HIDE,
    expiry::LAPSE,
    finish::RELEASE,
    finish::APPEND_PARTS_FENCED,
    finish::END_KEPT,
    finish::END_KEPT_ALONE,
    finish::KEEP,
    finish::LEAVE_SESSION,
    finish::MOVE_HEAD,
    identity::REMOVE_APPLICATION,
    identity::REVOKE_FAMILY,
    lanes::ENQUEUE,
    nodes::REMOVE_WAITING,
    nodes::TAKE_OVER,
    reaping::EMPTY_DELETED,
    reaping::HIDE,
    reaping::REMOVE_CONVERSATION,
    reaping::REMOVE_MASKS,
    reaping::REMOVE_SESSION,
    reaping::UNMASK_DELETED,
    session_items::COUNT,
    session_items::ENTRIES,
    session_items::ENTRY,
    session_items::ERASE,
    session_items::UNMASK,
    session_items::UNMASK_ITEM,
    session_lists::GONE,
    session_lists::PLACE,
    sessions::BY_ID,
    sessions::BY_KEY,
    sessions::COUNT_UP,
    sessions::DESCRIBE,
    sessions::PATCH_AND_MOVE,
    sessions::KEEP_EXTRA,
    sessions::LIVE,
    sessions::REST,
    sessions::TOUCH,
    system::FORGET,
    system::TRIM,
    turns::BY_ID,
    turns::BY_ALIAS,
    turns::HEAD,
    versions::LATEST,
    walk::DRAW,
    walk::LEAVE,
];

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

/// Lists, each with the index that it reads in order.
fn lists() -> Vec<(&'static str, &'static str)> {
    let [standing, standing_of_agent] = OF_ONE_SHARD.standing;
    let [many, many_of_agent] = OF_ONE_SHARD.many;
    let lists = [
        ("agents_by_key", agents::LIST),
        ("sqlite_autoindex_agent_versions_1", versions::BEFORE),
        ("sessions_due", agents::COUNT),
        ("sessions_by_client", walk::NEXT_CLIENT),
        ("sessions_by_client", standing),
        ("sessions_by_client_agent", standing_of_agent),
        ("moved_by_client", many),
        ("moved_by_client", many_of_agent),
        ("turns_by_number", turns::KEPT),
        ("turns_by_created", turns::ALL),
        ("turns_by_tag", turns::BY_TAG),
        ("sqlite_autoindex_parts_1", turns::PARTS),
        ("leases_by_node", nodes::LEASES),
        ("sqlite_autoindex_waiting_1", lanes::FIRST),
        ("credentials_api_keys", identity::API_KEYS),
        ("credentials_api_keys", identity::LIVE_API_KEYS),
        ("credentials_by_client", identity::REVOKE_OF_CLIENT),
        ("applications_by_tenant", identity::APPLICATIONS),
        ("instructions_latest", instructions::LIST),
        ("turns_by_owner", turn_lists::NEXT_AGENT_OF_OWNER),
        ("turns_by_agent", turn_lists::NEXT_AGENT),
        ("sessions_by_version", versions::UNUSED),
        ("agents_hidden", reaping::OF_HIDDEN_AGENTS),
        ("agents_hidden", reaping::EMPTY_AGENTS),
        ("sessions_hidden", reaping::SESSIONS),
        ("turns_by_created", reaping::TURNS_OF_SESSION),
        ("conversations_hidden", reaping::CONVERSATIONS),
        ("turns_by_conversation", reaping::TURNS_OF_CONVERSATION),
        ("turns_deleted", reaping::DELETED_TURNS),
        ("gone_by_time", system::OLD_PLACES),
        ("artifacts_by_expiry", artifacts::EXPIRED),
        ("moved_by_time", system::LEFT),
        ("request_keys_by_time", system::OLD_REQUESTS),
        ("credentials_by_expiry", system::OLD_CREDENTIALS),
        ("waiting_by_until", system::FORSAKEN_INPUT),
    ];
    let slices = [
        ("agents_by_created", agents::BY_CREATED),
        ("artifacts_by_created", artifacts::BY_CREATED),
        ("sqlite_autoindex_agent_versions_1", versions::LIST),
        ("sessions_by_created", session_lists::BY_CREATED),
        ("sessions_by_agent", session_lists::BY_AGENT),
        ("sessions_by_owner", session_lists::BY_OWNER),
        ("turns_by_owner", turn_lists::BY_OWNER),
        ("turns_by_agent", turn_lists::BY_AGENT),
        ("turns_by_conversation", turn_lists::BY_CONVERSATION),
        ("conversations_by_created", conversations::BY_CREATED),
        ("conversations_by_agent", conversations::BY_AGENT),
        ("conversations_by_owner", conversations::BY_OWNER),
        ("conversations_by_owner_agent", conversations::BY_OWNER_AND_AGENT),
        ("turns_by_place", conversation_items::TURNS),
        ("turns_by_number", session_items::TURNS),
    ];
    let both = slices.into_iter().flat_map(|(index, [one, other])| [(index, one), (index, other)]);
    lists.into_iter().chain(both).collect()
}

#[test]
fn every_list_reads_its_index_in_order() {
    let database = database();
    for (index, sql) in lists() {
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
    for sql in OF_ONE_SHARD.few {
        let plan = plan(&database(), sql);
        let wanted = "SEARCH m USING INDEX sqlite_autoindex_moved_1 (tenant=? AND owner=? AND shard=? AND left_seq>?)";
        assert!(plan.contains(&wanted.to_owned()), "{plan:?}");
    }
}

#[test]
fn the_sweeper_goes_agent_by_agent() {
    let plan = plan(&database(), expiry::DUE);
    assert!(plan[0].starts_with("SCAN a "), "{plan:?}");
    assert_eq!(plan[1..], ["SEARCH s USING INDEX sessions_due (tenant=? AND agent=? AND due>? AND due<?)"]);
}

#[test]
fn every_other_statement_finds_its_rows_by_a_key() {
    let database = database();
    for sql in BY_KEY {
        let plan = plan(&database, sql);
        let scans = plan.iter().filter(|line| line.starts_with("SCAN") && !line.contains("CONSTANT ROW"));
        assert_eq!(scans.count(), 0, "{sql}\n{}", plan.join("\n"));
    }
}

#[test]
fn the_turns_of_a_page_are_chosen_before_their_items_are_read() {
    let plan = plan(&database(), turns::KEPT_ITEMS);
    let lookups: Vec<_> = plan.iter().filter(|line| line.starts_with("SEARCH")).collect();
    assert!(lookups[0].contains(" turns_by_number "), "{plan:?}");
    assert!(lookups[1].ends_with("sqlite_autoindex_items_1 (tenant=? AND turn=?)"), "{plan:?}");
    assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
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

#[test]
fn those_who_hold_something_are_found_from_one_to_the_next() {
    for sql in [nodes::STRAY_HOLDERS, nodes::STRAY_WAITERS] {
        let plan = plan(&database(), sql);
        let is_scan = |line: &str| line.starts_with("SCAN") && line != "SCAN holder" && !line.contains("CONSTANT ROW");
        assert_eq!(plan.iter().filter(|line| is_scan(line)).count(), 0, "{}", plan.join("\n"));
    }
}

#[test]
fn a_list_by_key_reads_the_index_of_what_narrows_it_most() {
    let field = Field(vec!["tier".into()]);
    let gold = Condition::Compare { field, operator: Operator::Equal, value: Scalar::Text("gold".into()) };
    let alice = Owner { user: "alice".into(), end_users: false };
    for (owner, metadata, index) in [
        (None, None, "sessions_by_key"),
        (Some(alice.clone()), None, "sessions_by_owner_key"),
        (None, Some(gold.clone()), "COVERING INDEX session_metadata_by_value"),
        (Some(alice), Some(gold), "COVERING INDEX session_metadata_by_value"),
    ] {
        let agent = Some(AgentId(uuid::Uuid::nil()));
        let filter = SessionFilter { tenant: "acme".into(), owner, client: None, agent };
        let query = SessionQuery { filter, enabled: Some(true), metadata };
        let listed = Listed::of(&query, Time::from_nanos(0)).unwrap();
        let page = plan(&database(), &listed.page(None, 10).sql);
        assert!(page.iter().any(|line| line.contains(&format!(" {index} "))), "{page:?}");
        for read in listed.counts().into_iter().chain([listed.page(None, 10)]) {
            let plan = plan(&database(), &read.sql);
            let slow =
                |line: &String| line.starts_with("SCAN s") || line.starts_with("SCAN d") || line.contains("TEMP B");
            assert!(!plan.iter().any(slow), "{}\n{plan:?}", read.sql);
            if read.sql.starts_with("select count(*) from sessions s where") && !read.sql.contains("enabled = 0") {
                let rowless = |line: &String| line.contains("COVERING") || line.contains(" sessions_due ");
                assert!(plan.iter().any(rowless), "{}\n{plan:?}", read.sql);
            }
        }
        let off = SessionQuery { enabled: Some(false), metadata: None, ..query };
        let off = Listed::of(&off, Time::from_nanos(0)).unwrap().page(None, 10);
        let plan = plan(&database(), &off.sql);
        assert!(plan.iter().any(|line| line.contains(" sessions_disabled ")), "{plan:?}");
    }
}
