//! What `sederunt check` finds of a PostgreSQL database, and what of it deserves a thought.

use std::time::Duration;

use sederunt_core::clock::Time;
use sederunt_store::Examined;
use serde_json::{Value, json};

use crate::commands::table::table;
use crate::config;

/// How far the database's clock may be from this machine's before it is told: nodes go by the database's.
const SKEW: Duration = Duration::from_secs(1);

const NANOS: i64 = 1_000_000_000;

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    what: &'static str,
    found: String,
    /// What should be thought about, if anything.
    warning: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: found.into(), warning: None }
    }

    fn but(self, is_amiss: bool, warning: impl Into<String>) -> Self {
        Self { warning: is_amiss.then(|| warning.into()), ..self }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({"what": self.what, "found": self.found, "warning": self.warning})
    }
}

/// What was found, in the order in which people read it. `now` is this machine's time of day.
pub fn of(found: &Examined, config: &config::Store, now: Time) -> Vec<Finding> {
    let waits = found.synchronous_commit.as_str();
    let follows = |standby: &sederunt_store::Standby| format!("{} ({}, {})", standby.name, standby.state, standby.sync);
    let standbys: Vec<String> = found.standbys.iter().map(follows).collect();
    let free = found.connections.saturating_sub(found.taken).max(0);
    let wanted = i64::try_from(config.connections.get()).unwrap_or(i64::MAX);
    let offset = found.clock.saturating_sub(now.nanos());
    let is_far = offset.unsigned_abs() > SKEW.as_nanos() as u64;
    // The looks at the database that came between say how exact this can be: not very.
    let clock =
        if is_far { format!("{} s from this machine's", offset / NANOS) } else { "this machine's, within 1 s".into() };
    vec![
        Finding::fine("hosts", found.hosts.as_str()),
        Finding::fine("server", format!("PostgreSQL {}", found.version)),
        Finding::fine("schema", schema(found)).but(
            found.schema < found.newest && !config.migrate,
            "serve refuses it while store.migrate is false: run sederunt migrate",
        ),
        Finding::fine("encrypted", yes(found.is_encrypted)),
        Finding::fine("commits wait for", format!("synchronous_commit = {waits}"))
            .but(waits == "off", "what was acknowledged can be lost when the server dies: set synchronous_commit = on"),
        Finding::fine("safe in a crash", yes(found.is_crash_safe)).but(
            !found.is_crash_safe,
            "a loss of power can destroy the database: set fsync = on and full_page_writes = on",
        ),
        Finding::fine("standbys", if standbys.is_empty() { "none".into() } else { standbys.join(", ") }).but(
            !standbys.is_empty() && (found.synchronous_standbys.is_empty() || waits == "local"),
            "a failover can lose what was acknowledged last: no commit waits for a standby (synchronous_standby_names)",
        ),
        Finding::fine(
            "connections",
            format!("{} of {} taken; this node wants {wanted}", found.taken, found.connections),
        )
        .but(wanted > free, "there are not enough left: lower store.connections, or raise max_connections"),
        Finding::fine("isolation", found.isolation.as_str()),
        Finding::fine("clock", clock).but(is_far, "nodes go by the database's clock: set one of the two right"),
    ]
}

/// The findings for people, and what should be thought about under them.
pub fn told(findings: &[Finding]) -> String {
    let rows: Vec<Value> = findings.iter().map(Finding::json).collect();
    let mut text = table(&[("DATABASE", "/what"), ("FOUND", "/found")], &rows);
    for finding in findings {
        if let Some(warning) = &finding.warning {
            text.push_str(&format!("\nwarning: {}: {warning}", finding.what));
        }
    }
    text
}

fn schema(found: &Examined) -> String {
    match (found.schema, found.newest) {
        (0, _) => "none yet; the first start makes it".into(),
        (schema, newest) if schema < newest => format!("{schema}; this release brings it to {newest}"),
        (schema, _) => format!("{schema}, as this release has it"),
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers};

    fn examined() -> Examined {
        Examined {
            hosts: "one:5432".into(),
            version: "15.18".into(),
            schema: 7,
            newest: 7,
            synchronous_commit: "on".into(),
            synchronous_standbys: "ANY 1 (*)".into(),
            is_crash_safe: true,
            isolation: "read committed".into(),
            connections: 97,
            taken: 3,
            standbys: Vec::new(),
            is_encrypted: true,
            clock: 0,
            round_trip: Duration::ZERO,
            has_api_key: true,
        }
    }

    fn warned(found: &Examined) -> Vec<&'static str> {
        let config = Config::read(&Layers::defaults().unwrap()).unwrap();
        let findings = of(found, &config.store, Time::from_nanos(0));
        findings.iter().filter(|finding| finding.warning.is_some()).map(|finding| finding.what).collect()
    }

    #[test]
    fn what_can_lose_data_or_stop_a_node_is_warned_of_and_nothing_else() {
        assert_eq!(warned(&examined()), [""; 0]);
        let standby = sederunt_store::Standby { name: "two".into(), state: "streaming".into(), sync: "async".into() };
        let amiss = Examined {
            synchronous_commit: "off".into(),
            synchronous_standbys: String::new(),
            is_crash_safe: false,
            taken: 90,
            standbys: vec![standby],
            clock: -1_100_000_000,
            ..examined()
        };
        assert_eq!(warned(&amiss), ["commits wait for", "safe in a crash", "standbys", "connections", "clock"]);
    }
}
