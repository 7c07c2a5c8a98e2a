//! The same of PostgreSQL, over a database with as much in it as makes the reading of all of it dear.

use std::fmt::Write as _;

use sederunt_rig::postgres::{Postgres as Server, name_of};

use super::{BY_KEY, lists};
use crate::walk_runs::{OF_SEVERAL_SHARDS, Statements};
use crate::{Postgres, PostgresOptions, expiry, reaping, turns};

/// Tables that hold little however much is stored.
const SMALL: [&str; 8] = ["agents", "agent_versions", "counts", "leases", "waiting", "nodes", "duties", "applications"];

/// The plan of a statement whatever its parameters are, but for how much it takes at once.
fn plan(server: &Server, database: &str, sql: &str) -> Vec<String> {
    let sql = sql.replace("limit $2)", "limit 10)");
    let most = (1..40).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
    let nulls = vec!["null"; most].join(", ");
    let nulls = if most == 0 { nulls } else { format!("({nulls})") };
    let ask =
        format!("set plan_cache_mode = force_generic_plan; prepare p as {sql}; explain (costs off) execute p{nulls}");
    let plan = server.execute(database, &ask).unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    plan.lines().map(|line| line.trim_start().trim_start_matches("->  ").to_owned()).collect()
}

/// The table that a line of a plan reads from its first row to its last.
fn scanned(line: &str) -> Option<&str> {
    line.strip_prefix("Seq Scan on ")?.split(' ').next()
}

#[tokio::test]
async fn statements_find_their_rows_by_indices_and_lists_read_them_in_order() {
    let server = Server::shared().unwrap();
    let url = server.database().unwrap();
    Postgres::migrate(&url, &PostgresOptions::default()).await.unwrap();
    let database = name_of(&url);
    server.execute(database, include_str!("filled.sql")).unwrap();
    let Statements { standing, few, many } = OF_SEVERAL_SHARDS;
    // Few are due at a time.
    let due = expiry::DUE.replace("$1", "100010").replace("$2", "10");
    let sweeps =
        [due.as_str(), reaping::OF_HIDDEN_AGENTS, reaping::EMPTY_AGENTS, reaping::SESSIONS, reaping::CONVERSATIONS];
    let lines = [turns::LINE, turns::LINE_ITEMS, turns::KEPT_ITEMS];
    let lists = lists().into_iter().map(|(_, sql)| sql).chain(standing).chain(many);
    let others = BY_KEY.iter().copied().chain(few).chain(sweeps).chain(lines);
    let all = lists.map(|sql| (true, sql)).chain(others.map(|sql| (false, sql)));
    let mut wrong = String::new();
    for (is_list, sql) in all {
        let plan = plan(server, database, sql);
        let of_small = plan.iter().any(|line| scanned(line).is_some_and(|table| SMALL.contains(&table)));
        let is_wrong = |line: &String| {
            scanned(line).is_some_and(|table| !SMALL.contains(&table))
                || (is_list && line.ends_with("Sort") && !of_small)
        };
        if plan.iter().any(is_wrong) {
            writeln!(wrong, "{sql}\n{}\n", plan.join("\n")).unwrap();
        }
    }
    for sql in few {
        let plan = plan(server, database, sql);
        let by_number = plan.iter().any(|line| line.starts_with("Index Cond:") && line.contains("left_seq >"));
        if !by_number {
            writeln!(wrong, "{sql}\n{}\n", plan.join("\n")).unwrap();
        }
    }
    server.drop_database(&url).unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
