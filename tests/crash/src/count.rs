//! The count: what stands after the crash, held against what was acknowledged before it.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sederunt_rig::http::Answer;
use serde_json::Value;

use crate::api::Api;
use crate::nodes::Nodes;
use crate::record::{Deleted, Exchange, Left, Sitting, UnderWay};

/// How old a part that a client saw may be and not be stored, unless streams are strict.
const RELAXED: Duration = Duration::from_millis(250);

/// What a count came to.
#[derive(Debug, Default)]
pub struct Found {
    /// Sessions that were acknowledged and not deleted; in a sum, each counts once a round.
    pub sessions: usize,
    /// Of those, how many are gone.
    pub sessions_lost: usize,
    /// Exchanges that were acknowledged, in sessions that were not deleted.
    pub exchanges: usize,
    /// Of those, how many are gone or changed.
    pub exchanges_lost: usize,
    /// Exchanges that this crash cut short.
    pub interrupted: usize,
    /// Of those, how many had been seen in part.
    pub seen_in_part: usize,
    /// Exchanges that stand although nobody was told.
    pub unheard: usize,
    /// Requests that were repeated with their keys.
    pub repeated: usize,
    /// Conversations that were acknowledged; in a sum, each counts once a round.
    pub conversations: usize,
    /// Responses that were acknowledged: of conversations, and in the background.
    pub responses: usize,
    /// Of those, how many are gone or changed.
    pub responses_lost: usize,
    /// Streams that were read again from some event on.
    pub replayed: usize,
    /// Every promise that was broken, each in a line.
    pub violations: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "checked {} sessions ({} lost) and {} exchanges ({} lost), {} conversations and {} responses ({} lost), {} \
             interrupted ({} seen in part), {} unheard, {} repeated, {} replayed, {} violations",
            self.sessions,
            self.sessions_lost,
            self.exchanges,
            self.exchanges_lost,
            self.conversations,
            self.responses,
            self.responses_lost,
            self.interrupted,
            self.seen_in_part,
            self.unheard,
            self.repeated,
            self.replayed,
            self.violations.len()
        )
    }
}

impl std::ops::AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.sessions_lost += other.sessions_lost;
        self.exchanges += other.exchanges;
        self.exchanges_lost += other.exchanges_lost;
        self.interrupted += other.interrupted;
        self.seen_in_part += other.seen_in_part;
        self.unheard += other.unheard;
        self.repeated += other.repeated;
        self.conversations += other.conversations;
        self.responses += other.responses;
        self.responses_lost += other.responses_lost;
        self.replayed += other.replayed;
        self.violations.extend(other.violations);
    }
}

/// The server after the crash, and what was found so far.
#[derive(Debug)]
pub struct Count {
    pub api: Api,
    pub nodes: Nodes,
    /// Up to which moment what a client saw must be stored.
    pub seen_until: Instant,
    pub found: Found,
}

/// The moment up to which what was seen must be stored, if the server died at `killed`.
pub fn stored_until(killed: Instant, strict: bool) -> Instant {
    if strict { killed } else { killed.checked_sub(RELAXED).unwrap_or(killed) }
}

impl Count {
    /// Counts everything, and repeats what was sent with a key. What was unsure is settled in `lefts` afterwards.
    pub async fn run(mut self, lefts: &mut [Left]) -> Result<Found> {
        for left in lefts.iter_mut() {
            self.found.violations.append(&mut left.faults);
            for sitting in &mut left.sittings {
                self.sitting(sitting).await?;
            }
        }
        let mut unnamed = 0;
        for left in lefts.iter_mut() {
            for key in std::mem::take(&mut left.creating) {
                match key {
                    Some(key) => left.sittings.push(self.create_again(&key).await?),
                    None => unnamed += 1,
                }
            }
        }
        self.list(lefts, unnamed).await?;
        Ok(self.found)
    }

    fn violated(&mut self, what: impl Into<String>) {
        self.found.violations.push(what.into());
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violated(what());
        }
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.nodes.ask(request).await.context("the connection broke during the count")
    }

    async fn sitting(&mut self, sitting: &mut Sitting) -> Result<()> {
        let rid = sitting.rid.clone();
        let session = self.ask(&self.api.session(&rid)).await?;
        match (sitting.deleted, session.status) {
            (Deleted::Unsure | Deleted::No, 200) => sitting.deleted = Deleted::No,
            (Deleted::Unsure | Deleted::Yes, 404) => return self.gone(sitting).await,
            (Deleted::Yes, status) => {
                self.violated(format!("{rid} was deleted and answers {status}"));
                return Ok(());
            }
            (deleted, status) => {
                if deleted == Deleted::No {
                    self.found.sessions_lost += 1;
                    self.found.exchanges_lost += sitting.exchanges.len();
                }
                self.violated(format!("{rid} was acknowledged and answers {status}"));
                sitting.deleted = Deleted::Yes;
                return Ok(());
            }
        }
        self.found.sessions += 1;
        self.found.exchanges += sitting.exchanges.len();
        let content = self.ask(&self.api.content(&rid)).await?.json();
        let content = content["exchanges"].as_array().cloned().unwrap_or_default();
        let turns = self.turns(&rid).await?;
        let mut repeat: Vec<(Exchange, Repeated)> = Vec::new();
        if let Some(last) = sitting.exchanges.iter().rev().find(|exchange| exchange.key.is_some()) {
            repeat.push((last.clone(), Repeated::Same));
        }
        if let Some(under_way) = sitting.under_way.take() {
            let outcome = self.settle(sitting, &under_way, &content, &turns).await?;
            repeat.push((under_way.exchange, outcome));
        }
        self.title(sitting, &session.json());
        self.record(sitting, &session.json(), &content, &turns).await?;
        for (exchange, outcome) in repeat.into_iter().filter(|(exchange, _)| exchange.key.is_some()) {
            self.repeat(sitting, exchange, outcome).await?;
        }
        let turns = self.turns(&rid).await?.len();
        let wanted = sitting.exchanges.len() + sitting.interrupted.len();
        self.must(turns == wanted, || format!("{rid} has {turns} turns after repetition, not {wanted}"));
        Ok(())
    }

    async fn gone(&mut self, sitting: &mut Sitting) -> Result<()> {
        sitting.deleted = Deleted::Yes;
        for request in [self.api.content(&sitting.rid), self.api.control_session(&sitting.rid)] {
            let status = self.ask(&request).await?.status;
            self.must(status == 404, || format!("{} was deleted and something of it answers {status}", sitting.rid));
        }
        Ok(())
    }

    fn title(&mut self, sitting: &mut Sitting, session: &Value) {
        let shown = session["metadata"]["title"].as_str().unwrap_or_default();
        if let Some(asked) = sitting.title_under_way.take()
            && shown == asked
        {
            sitting.title = Some(asked);
        }
        let wanted = sitting.shown_title().to_owned();
        self.must(shown == wanted, || format!("{} has the title '{shown}', not '{wanted}'", sitting.rid));
    }

    /// What came of the exchange that was under way.
    async fn settle(
        &mut self,
        sitting: &mut Sitting,
        under_way: &UnderWay,
        content: &[Value],
        turns: &[Value],
    ) -> Result<Repeated> {
        let exchange = &under_way.exchange;
        let turn = turns.iter().find(|turn| turn["alias"] == exchange.trace.as_str());
        if content.len() > sitting.exchanges.len() && content.last().is_some_and(|last| is_same(last, exchange)) {
            self.found.unheard += 1;
            sitting.exchanges.push(exchange.clone());
            return Ok(Repeated::Same);
        }
        let seen = under_way.seen_by(self.seen_until);
        let Some(turn) = turn else {
            let seen = under_way.seen.len();
            self.must(seen == 0, || format!("{} was seen in {seen} parts and is not stored at all", exchange.trace));
            return Ok(Repeated::Runs);
        };
        self.found.interrupted += 1;
        self.found.seen_in_part += usize::from(!under_way.seen.is_empty());
        let state = turn["state"].as_str().unwrap_or_default().to_owned();
        self.must(state == "interrupted_by_crash", || format!("{} is cut short and reads {state}", exchange.trace));
        let parts = self.ask(&self.api.control_parts(turn["id"].as_str().unwrap_or_default())).await?.json();
        let deltas = parts["parts"].as_array().into_iter().flatten().filter(|part| part["type"] == "text");
        let text: String = deltas.filter_map(|part| part["delta"].as_str()).collect();
        self.must(exchange.text.starts_with(&text), || {
            format!("{} stored what was never said: {text}", exchange.trace)
        });
        let stored = text.len();
        self.must(stored >= seen, || format!("{}: {seen} bytes were seen, {stored} are stored", exchange.trace));
        let said = said(turn, "agent_message");
        self.must(said == text, || format!("{}: the items say '{said}', the parts '{text}'", exchange.trace));
        sitting.interrupted.push(exchange.clone());
        Ok(Repeated::Refused)
    }

    /// Content, counts, turns and items agree, and nothing of them is half-done.
    async fn record(&mut self, sitting: &Sitting, session: &Value, content: &[Value], turns: &[Value]) -> Result<()> {
        let rid = &sitting.rid;
        for (at, exchange) in sitting.exchanges.iter().enumerate() {
            if !content.get(at).is_some_and(|stored| is_same(stored, exchange)) {
                self.found.exchanges_lost += 1;
                self.violated(format!("{rid}: exchange {} '{}' is not in its place", at + 1, exchange.text));
            }
        }
        let wanted = sitting.exchanges.len();
        self.must(content.len() == wanted, || format!("{rid} has {} exchanges, not {wanted}", content.len()));
        let count = session["metadata"]["messageCount"].as_u64().unwrap_or(u64::MAX);
        self.must(count == 2 * wanted as u64, || format!("{rid} counts {count} messages for {wanted} exchanges"));

        let control = self.ask(&self.api.control_session(rid)).await?.json();
        self.must(control["turns"] == wanted as u64, || format!("{rid} counts {} turns", control["turns"]));
        self.must(control["status"] != "running", || format!("{rid} reads running, and nothing runs"));
        let kept: Vec<_> = turns.iter().filter(|turn| turn["kept"] == true).collect();
        self.must(kept.len() == wanted, || format!("{rid} has {} kept turns, not {wanted}", kept.len()));
        let mut item = 0;
        for (at, (turn, exchange)) in kept.iter().zip(&sitting.exchanges).enumerate() {
            let items = turn["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let numbered = items.iter().all(|i| {
                item += 1;
                i["number"] == item
            });
            let whole = turn["number"] == at as u64 + 1
                && turn["state"] == "done"
                && turn["alias"] == exchange.trace.as_str()
                && items.len() == 2
                && said(turn, "user_message") == exchange.text
                && said(turn, "agent_message") == exchange.text;
            self.must(whole && numbered, || format!("{rid}: turn {} does not agree with its exchange: {turn}", at + 1));
        }
        for turn in turns.iter().filter(|turn| turn["kept"] != true) {
            let known = sitting.interrupted.iter().any(|exchange| turn["alias"] == exchange.trace.as_str());
            let over = turn["state"] == "interrupted_by_crash";
            self.must(known && over, || format!("{rid} has a turn that nobody knows: {turn}"));
        }
        Ok(())
    }

    /// Sends a request again with its key; it must not run twice.
    async fn repeat(&mut self, sitting: &mut Sitting, exchange: Exchange, outcome: Repeated) -> Result<()> {
        self.found.repeated += 1;
        let request = self.api.exchange(&sitting.rid, &exchange);
        let tries = if outcome == Repeated::Runs { 2 } else { 1 };
        for _ in 0..tries {
            let answer = self.ask(&request).await?;
            let json = answer.json();
            let same = answer.status == 200
                && match exchange.stream {
                    true => answer.text() == exchange.text,
                    false => {
                        json["agentMarkdownResponse"] == exchange.text.as_str()
                            && json["sessionTraceId"] == exchange.trace.as_str()
                    }
                };
            let holds = match outcome {
                Repeated::Same | Repeated::Runs => same,
                Repeated::Refused => answer.status == 409,
            };
            self.must(holds, || {
                format!("{} repeated ({outcome:?}) answers {}: {}", exchange.trace, answer.status, answer.text())
            });
        }
        if outcome == Repeated::Runs {
            sitting.exchanges.push(exchange);
        }
        Ok(())
    }

    /// A creation without an answer, asked for again with its key: one session, however often.
    async fn create_again(&mut self, key: &str) -> Result<Sitting> {
        self.found.repeated += 1;
        let request = self.api.create(Some(key));
        let first = self.ask(&request).await?.json()["rid"].as_str().unwrap_or_default().to_owned();
        let second = self.ask(&request).await?.json()["rid"].as_str().unwrap_or_default().to_owned();
        self.must(!first.is_empty() && first == second, || format!("one key made '{first}' and '{second}'"));
        Ok(Sitting::new(first))
    }

    /// Walks the whole list: every living session exactly once, and no more than `unnamed` that nobody was told of.
    async fn list(&mut self, lefts: &mut [Left], unnamed: usize) -> Result<()> {
        let mut listed = HashSet::new();
        let mut token: Option<String> = None;
        loop {
            let page = self.ask(&self.api.list(token.as_deref())).await?.json();
            for session in page["data"].as_array().into_iter().flatten() {
                let rid = session["rid"].as_str().unwrap_or_default().to_owned();
                if !listed.insert(rid.clone()) {
                    self.violated(format!("{rid} is listed twice"));
                }
            }
            token = page["nextPageToken"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        let mut strangers = listed.clone();
        for sitting in lefts.iter().flat_map(|left| &left.sittings) {
            let shown = strangers.remove(&sitting.rid);
            let wanted = sitting.deleted == Deleted::No;
            self.must(shown == wanted, || format!("{} is listed: {shown}, is there: {wanted}", sitting.rid));
        }
        let most = unnamed;
        let more = strangers.len();
        self.must(more <= most, || format!("{more} sessions that nobody made; at most {most} were unsure"));
        if let Some(left) = lefts.first_mut() {
            left.sittings.extend(strangers.into_iter().map(Sitting::new));
        }
        Ok(())
    }

    /// Every turn of a session, as the control API shows it.
    async fn turns(&mut self, rid: &str) -> Result<Vec<Value>> {
        let mut turns = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.ask(&self.api.control_turns(rid, after.as_deref())).await?.json();
            turns.extend(page["turns"].as_array().into_iter().flatten().cloned());
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(turns);
            }
        }
    }
}

/// What a repeated request must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeated {
    /// It stands: the same answer.
    Same,
    /// It was cut short: a conflict.
    Refused,
    /// It had never arrived: it runs, once.
    Runs,
}

/// Whether an exchange of `content` is this one.
fn is_same(stored: &Value, exchange: &Exchange) -> bool {
    stored["userInput"]["text"] == exchange.text.as_str()
        && stored["result"]["agentMarkdownResponse"] == exchange.text.as_str()
        && stored["result"]["sessionTraceId"] == exchange.trace.as_str()
        && stored["result"]["interruptedOutput"] == false
}

/// The text of a turn's items of one type.
fn said(turn: &Value, kind: &str) -> String {
    let items = turn["items"].as_array().into_iter().flatten().filter(|item| item["type"] == kind);
    items.filter_map(|item| item["text"].as_str()).collect()
}
