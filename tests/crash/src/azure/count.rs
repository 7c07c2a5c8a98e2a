//! The count: what stands after the crash, held against what was acknowledged before it.

use std::time::Instant;

use anyhow::{Context as _, Result};
use sederunt_rig::chance::Chance;
use sederunt_rig::http::Answer;
use serde_json::Value;

use super::api::Api;
use super::frames::Frame;
use super::load::said;
use super::record::{Asked, Left, Response, Talk};
use crate::count::Found;
use crate::nodes::Nodes;

/// What asks for what was said before, as far as it tells one text from another; a rule of the script.
const HISTORY: &str = "history";

/// The server after the crash, and what was found so far.
#[derive(Debug)]
pub struct Count {
    pub api: Api,
    pub nodes: Nodes,
    /// Up to which moment what a client saw must be stored.
    pub seen_until: Instant,
    pub chance: Chance,
    pub found: Found,
}

impl Count {
    /// Counts everything, and repeats what was under way. What was unsure is settled in `lefts` afterwards.
    pub async fn run(mut self, lefts: &mut [Left]) -> Result<Found> {
        for left in lefts.iter_mut() {
            self.found.violations.append(&mut left.faults);
            for talk in &mut left.talks {
                self.talk(talk).await.with_context(|| talk.id.clone())?;
            }
            let mut kept = Vec::new();
            for mut response in std::mem::take(&mut left.background) {
                if self.background(&mut response).await? {
                    kept.push(response);
                }
            }
            left.background = kept;
        }
        Ok(self.found)
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.violations.push(what());
        }
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.nodes.ask(request).await.context("the connection broke during the count")
    }

    /// A conversation: what was acknowledged stands in its order, what was cut short left nothing, and it goes on from
    /// there.
    async fn talk(&mut self, talk: &mut Talk) -> Result<()> {
        self.found.conversations += 1;
        self.found.responses += talk.said.len();
        let mut stored = self.stored(talk).await?;
        if let Some(under_way) = talk.under_way.take() {
            let text = &under_way.asked.text;
            let stands = stored.last().is_some_and(|(input, answer)| input == text && answer == text);
            if stands && stored.len() == talk.said.len() + 1 {
                self.found.unheard += 1;
                talk.said.push((text.clone(), text.clone()));
            } else if let Some(id) = &under_way.id {
                self.cut_short(id).await?;
            }
            self.again(talk, &under_way, stands).await?;
            stored = self.stored(talk).await?;
        }
        let lost = talk.said.iter().zip(&stored).filter(|(said, stored)| said != stored).count();
        self.found.responses_lost += lost + talk.said.len().saturating_sub(stored.len());
        let (id, wanted) = (talk.id.clone(), talk.said.clone());
        self.must(stored == wanted, || format!("{id} says {stored:?}, not {wanted:?}"));
        self.ended(talk).await?;
        self.heard(talk).await
    }

    /// What was said and answered in a conversation, in its order.
    async fn stored(&mut self, talk: &Talk) -> Result<Vec<(String, String)>> {
        let page = self.ask(&self.api.items(&talk.id)).await?;
        let (status, page) = (page.status, page.json());
        self.must(status == 200 && page["has_more"] == false, || format!("{} answers {status}: {page}", talk.id));
        let text = |item: &Value| item["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        let items = page["data"].as_array().cloned().unwrap_or_default();
        let in_turn = items.iter().zip(["user", "assistant"].iter().cycle()).all(|(item, role)| item["role"] == *role);
        self.must(in_turn && items.len() % 2 == 0, || format!("{} has half a turn: {page}", talk.id));
        let pairs = items.iter().step_by(2).zip(items.iter().skip(1).step_by(2));
        Ok(pairs.map(|(input, answer)| (text(input), text(answer))).collect())
    }

    /// A response that was seen to have begun, and did not end.
    async fn cut_short(&mut self, id: &str) -> Result<()> {
        self.found.interrupted += 1;
        let answer = self.ask(&self.api.response(id)).await?;
        let response = answer.json();
        let fails = answer.status == 200 && response["status"] == "failed" && response["error"]["code"].is_string();
        self.must(fails, || format!("{id} is cut short and reads {}: {response}", answer.status));
        Ok(())
    }

    /// Sends a request again that was not heard to have ended; it must not run twice.
    async fn again(&mut self, talk: &mut Talk, response: &Response, stands: bool) -> Result<()> {
        self.found.repeated += 1;
        let text = response.asked.text.clone();
        let before = self.turns(talk).await?.len();
        let answer = self.ask(&self.api.respond(&response.asked, true)).await?;
        let after = self.turns(talk).await?.len();
        let body = answer.text();
        match (answer.status, stands) {
            // It stands: the same answer. It was cut short: it is not run again.
            (200, true) | (409, false) => {
                self.must(before == after, || format!("'{text}' was repeated, and ran again: {body}"));
                talk.interrupted += usize::from(!stands);
            }
            // It had never arrived: it runs.
            (200, false) => {
                let known = response.id.is_some();
                self.must(!known && after == before + 1, || format!("'{text}' was cut short, and runs again: {body}"));
                talk.said.push((text.clone(), text.clone()));
            }
            (status, _) => self.must(false, || format!("'{text}' repeated answers {status}: {body}")),
        }
        let told = answer.status != 200 || body.contains(&text);
        self.must(told, || format!("'{text}' repeated answers {body}"));
        Ok(())
    }

    async fn turns(&mut self, talk: &Talk) -> Result<Vec<Value>> {
        let page = self.ask(&self.api.responses(&talk.id)).await?.json();
        Ok(page["data"].as_array().cloned().unwrap_or_default())
    }

    /// Each turn of a conversation has ended, once: those that stand, and those that a crash cut short.
    async fn ended(&mut self, talk: &Talk) -> Result<()> {
        let turns = self.turns(talk).await?;
        let count = |status: &str| turns.iter().filter(|turn| turn["status"] == status).count();
        let (completed, failed) = (count("completed"), count("failed"));
        let holds = completed == talk.said.len() && failed == talk.interrupted && turns.len() == completed + failed;
        self.must(holds, || {
            let (said, cut) = (talk.said.len(), talk.interrupted);
            format!("{}: {completed} of {said} turns stand, {failed} of {cut} failed, {}", talk.id, turns.len())
        });
        Ok(())
    }

    /// The next turn sees those that stand, and no others.
    async fn heard(&mut self, talk: &mut Talk) -> Result<()> {
        let texts: Vec<&str> = talk.said.iter().flat_map(|(input, answer)| [input.as_str(), answer]).collect();
        let beginnings: String = texts.iter().map(|text| format!("{}|", text.get(..42).unwrap_or(text))).collect();
        let wanted = format!("{} {beginnings}", texts.len());
        let conversation = Some(talk.id.clone());
        let asked = Asked { text: HISTORY.to_owned(), conversation, stream: false, background: false };
        let answer = self.ask(&self.api.respond(&asked, false)).await?;
        let heard = said(&answer.json());
        self.must(answer.status == 200 && heard == wanted, || {
            format!("{} goes on from '{heard}', not '{wanted}': {}", talk.id, answer.status)
        });
        talk.said.push((HISTORY.to_owned(), heard));
        Ok(())
    }

    /// A response in the background; whether it is there.
    async fn background(&mut self, response: &mut Response) -> Result<bool> {
        let Some(id) = response.id.clone() else { return Ok(false) };
        self.found.responses += 1;
        let answer = self.ask(&self.api.response(&id)).await?;
        let shown = answer.json();
        if answer.status == 404 && response.deleted == Some(false) {
            return Ok(false);
        }
        response.deleted = None;
        let status = shown["status"].as_str().unwrap_or_default().to_owned();
        if answer.status != 200 {
            self.found.responses_lost += 1;
            self.must(false, || format!("{id} was acknowledged and answers {}: {shown}", answer.status));
            return Ok(false);
        }
        self.must(response.ended.as_ref().is_none_or(|ended| *ended == status), || {
            format!("{id} had ended as {:?} and reads {status}", response.ended)
        });
        match status.as_str() {
            "completed" => self.must(said(&shown) == response.asked.text, || format!("{id} says {shown}")),
            "failed" if response.ended.is_none() => self.found.interrupted += 1,
            "failed" => {}
            other => self.must(false, || format!("{id} reads {other} after a crash")),
        }
        response.ended = Some(status);
        if response.asked.stream {
            self.replays(&id, response, &shown).await?;
        }
        Ok(true)
    }

    /// The stream of a response: what was seen is its beginning, and from any event on it is the same.
    async fn replays(&mut self, id: &str, response: &mut Response, shown: &Value) -> Result<()> {
        let whole = self.replay(id, None).await?;
        let numbers: Vec<_> = whole.iter().filter_map(Frame::number).collect();
        let counted = numbers.len() == whole.len() && numbers.iter().zip(0..).all(|(number, at)| *number == at);
        self.must(counted, || format!("{id} is numbered {numbers:?}"));
        let ends =
            whole.iter().filter(|frame| frame.is_last()).count() == 1 && whole.last().is_some_and(Frame::is_last);
        let told = whole.last().map(Frame::response).unwrap_or_default();
        self.must(ends && told == *shown, || format!("{id} ends as {told}, and is shown as {shown}"));
        let before_end = whole.split_last().map_or(&[][..], |(_, before)| before);
        let seen = response.seen_by(self.seen_until);
        let same = seen.iter().zip(&whole).all(|(seen, stored)| *seen == stored) && seen.len() <= whole.len();
        let stored = before_end.len();
        self.must(same, || format!("{id}: of {} events that were seen, not all are stored ({stored} are)", seen.len()));
        let last_seen = response.seen.last().and_then(|(_, frame)| frame.number());
        let mut after = vec![0, self.chance.below(whole.len()) as u64, numbers.last().copied().unwrap_or_default() + 7];
        after.extend(last_seen);
        for after in after {
            let rest = self.replay(id, Some(after)).await?;
            let mut wanted: Vec<_> = whole.iter().filter(|frame| frame.number() > Some(after)).cloned().collect();
            if wanted.is_empty() && shown["status"] == "failed" {
                // What a crash took with it may have been seen: the end is told above it.
                let end = rest.last().filter(|end| rest.len() == 1 && end.number() == Some(after + 1));
                self.must(end.is_some_and(|end| end.response() == *shown), || format!("{id} after {after}: {rest:?}"));
                wanted.clone_from(&rest);
            }
            self.must(rest == wanted, || format!("{id} after {after} tells {rest:?}, not {wanted:?}"));
            self.found.replayed += 1;
        }
        // What was seen beyond what is stored will not be asked for again.
        response.seen.clear();
        Ok(())
    }

    async fn replay(&mut self, id: &str, after: Option<u64>) -> Result<Vec<Frame>> {
        let answer = self.ask(&self.api.replay(id, after)).await?;
        self.must(answer.status == 200, || format!("the stream of {id} answers {}: {}", answer.status, answer.text()));
        Ok(Frame::all(&answer.text()))
    }
}
