//! What a session is about, in a model's words: asked for when one of the session's first messages was answered, unless
//! somebody has said it or wants nothing said. Until then, and where the model fails, the first message stands for it.
//!
//! It is done beside the turns: nobody waits for it, and nothing fails with it.

use std::sync::Arc;
use std::time::Duration;

use super::aside::{answer, transcript};
use super::live::Outcome;
use super::run::Run;
use super::{Engine, Setting};
use crate::error::{FaultKind, Ignore, Result};
use crate::item::ItemBody;
use crate::model::{Model, ModelRequest};
use crate::session::{Session, cut};
use crate::turn::{NewTurn, ToolSight, TurnKind};

/// How many sessions are described at once; where more ask for it, their next message asks again.
pub(super) const AT_ONCE: usize = 32;

/// After how many messages it is not tried any more.
const TRIES: u32 = 3;

/// How long the model has.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest description, in Unicode scalar values.
const LONGEST: usize = 300;

/// How much the model may say, in bytes: what is longer than this is no description.
const MOST: usize = 16 << 10;

/// How many items the model is shown, the first ones.
const ITEMS: usize = 16;

/// How much of each, in Unicode scalar values.
const SHOWN: usize = 4_000;

const INSTRUCTION: &str = "You are given the beginning of a conversation between a user and an assistant. Say in one sentence of \
     at most thirty words, in the language of the user, what the conversation is about. Write nothing but that sentence.";

impl Run {
    /// Has the turn's session described, if that is wanted and was not done.
    pub(super) async fn describe(&self) {
        let (Some(name), Some(session)) = (&self.new.described_by, &self.setting.session) else { return };
        if session.description.is_some() || session.turns >= TRIES {
            return;
        }
        let Outcome::Ended(record) = self.live.outcome().await else { return };
        if !record.turn.kept || record.turn.kind != TurnKind::Message {
            return;
        }
        let shared = &self.engine.0;
        let Some(model) = shared.ports.models.get(Some(name)) else {
            tracing::warn!(model = name, "no such model is configured: sessions are not described");
            return;
        };
        let Ok(place) = shared.describing.clone().try_acquire_owned() else { return };
        let request = question(&self.setting, record.items.iter().map(|item| &item.body));
        let (engine, session) = (self.engine.clone(), session.clone());
        // It ends with the drain at the latest: nobody waits for it then.
        shared.tasks.spawn(shared.draining.clone().run_until_cancelled_owned(async move {
            let _place = place;
            engine.described(&session, model, request).await.ignore("its first message stands for what it is about");
        }));
    }
}

impl Engine {
    async fn described(&self, session: &Session, model: Arc<dyn Model>, request: ModelRequest) -> Result<()> {
        let answered = tokio::time::timeout(PATIENCE, answer(&*model, request, MOST)).await;
        let (text, _) = answered.map_err(|_| FaultKind::DeadlinePassed.with(""))??;
        let ports = &self.0.ports;
        ports.store.describe_session(&session.tenant, session.id, &description(&text), ports.clock.now()).await?;
        Ok(())
    }
}

/// What the model is asked.
fn question<'a>(setting: &Setting, items: impl Iterator<Item = &'a ItemBody>) -> ModelRequest {
    let items: Vec<_> = items.take(ITEMS).map(beginning).collect();
    let told: Vec<_> = items.iter().collect();
    let new = NewTurn {
        instructions: Some(INSTRUCTION.to_owned()),
        ..NewTurn::message(transcript(&told, ToolSight::Nothing))
    };
    // Nothing of how the agent's own model answers concerns this one.
    ModelRequest { options: Default::default(), parameters: Default::default(), ..setting.request(&new) }
}

/// An item, no longer than the model is to be bothered with.
fn beginning(item: &ItemBody) -> ItemBody {
    match item {
        ItemBody::UserMessage { text } => ItemBody::UserMessage { text: cut(text, SHOWN).to_owned() },
        ItemBody::AgentMessage { text } => ItemBody::AgentMessage { text: cut(text, SHOWN).to_owned() },
        other => other.clone(),
    }
}

/// A model's answer as a description: in one line, without the quotes that models like to put around it.
fn description(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = line.strip_prefix('"').and_then(|line| line.strip_suffix('"'));
    cut(quoted.unwrap_or(&line), LONGEST).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_without_quotes_and_not_too_long() {
        assert_eq!(description("\"Who sits\n today.\""), "Who sits today.");
        assert_eq!(description("He said \"no\""), "He said \"no\"");
        assert_eq!(description(&"🐝".repeat(1_000)), "🐝".repeat(LONGEST));
    }
}
