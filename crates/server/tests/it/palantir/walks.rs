//! The walk's guarantee over the wire: `allSessions` shows each session that was there at its first page and still is
//! exactly once, in the order of that moment, whatever is done between the pages.

use std::collections::HashSet;
use std::time::Duration;

use sederunt_core::caller::Grants;
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};

use super::{Desk, at};
use crate::dice::Dice;
use crate::harness::Persona;

const CASES: u64 = 20;

/// Somebody with sessions, and what became of them.
struct Owner<'d> {
    desk: &'d Desk,
    person: Persona,
    agents: [&'d str; 2],
    sessions: Vec<(String, String)>,
    deleted: HashSet<String>,
}

impl<'d> Owner<'d> {
    async fn new(desk: &'d Desk, name: &str) -> Self {
        let new = NewKey { user: UserId::from(name), name: "walks".into(), grants: Grants::all(), life: None };
        let (secret, _) = desk.house.app().tokens().first_key(&TenantId::from("default"), new).await.unwrap();
        let agents = [desk.agent.as_str(), &desk.house.agent("echo").rid];
        Self { desk, person: desk.house.holder(&secret), agents, sessions: Vec::new(), deleted: HashSet::new() }
    }

    async fn create(&mut self, dice: &mut Dice) {
        let agent = *dice.pick(&self.agents);
        let session = self.person.post(&at(agent, "/sessions"), json!({})).await.json(200);
        self.sessions.push((agent.to_owned(), session["rid"].as_str().unwrap().to_owned()));
    }

    /// One thing that its owner, or time, may do.
    async fn happen(&mut self, dice: &mut Dice) {
        let (agent, session) = dice.pick(&self.sessions).clone();
        let path = |rest: &str| at(&agent, &format!("/sessions/{session}{rest}"));
        let status = if self.deleted.contains(&session) { 404 } else { 200 };
        match dice.below(8) {
            0 => self.create(dice).await,
            1 => self.desk.house.advance(Duration::from_secs(1)).await,
            2 => {
                let done = self.person.delete(&path("")).await;
                done.expect(if status == 200 { 204 } else { 404 });
                self.deleted.insert(session);
            }
            3 | 4 => {
                let done = self.person.put(&path("/updateTitle"), json!({"title": "another"})).await;
                done.expect(if status == 200 { 204 } else { 404 });
            }
            _ => {
                let said = json!({"userInput": {"text": "hi"}});
                self.person.post(&path("/blockingContinue"), said).await.expect(status);
            }
        }
    }

    async fn page(&self, size: usize, token: Option<&str>) -> (Vec<String>, Option<String>) {
        let token = token.map(|token| format!("&pageToken={token}")).unwrap_or_default();
        let path = format!("/api/v2/aipAgents/agents/allSessions?preview=true&pageSize={size}{token}");
        let page = self.person.get(&path).await.json(200);
        let rids = page["data"].as_array().unwrap().iter().map(|session| session["rid"].as_str().unwrap().to_owned());
        (rids.collect(), page.get("nextPageToken").and_then(Value::as_str).map(str::to_owned))
    }
}

#[tokio::test]
async fn a_walk_over_all_sessions_shows_each_once_whatever_happens_between_its_pages() {
    let desk = Desk::new().await;
    for seed in 0..CASES {
        let dice = &mut Dice::new(seed);
        let mut owner = Owner::new(&desk, &format!("owner{seed}")).await;
        for _ in 0..1 + dice.below(20) {
            owner.create(dice).await;
        }
        for _ in 0..dice.below(20) {
            owner.happen(dice).await;
        }
        let size = 1 + dice.below(7);
        let (expected, none) = owner.page(100, None).await;
        assert_eq!(none, None);

        let (mut seen, mut next) = owner.page(size, None).await;
        while let Some(token) = next {
            for _ in 0..dice.below(6) {
                owner.happen(dice).await;
            }
            let (page, after) = owner.page(size, Some(&token)).await;
            assert!(after.is_none() || page.len() == size, "seed {seed}: a short page is the last");
            seen.extend(page);
            next = after;
        }
        let mut in_order = expected.iter();
        assert!(seen.iter().all(|rid| in_order.any(|wanted| wanted == rid)), "seed {seed}: {seen:?} of {expected:?}");
        let still =
            |rids: &[String]| rids.iter().filter(|rid| !owner.deleted.contains(*rid)).cloned().collect::<Vec<_>>();
        assert_eq!(still(&seen), still(&expected), "seed {seed}");
    }
}
