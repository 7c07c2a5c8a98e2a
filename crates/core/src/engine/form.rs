//! The form that an answer was asked to have: checked when the model has answered, asked for once more if it is not kept
//! to.

use super::ask::Answer;
use super::run::Run;
use crate::error::{FaultKind, ModelFault};
use crate::item::ItemBody;
use crate::model::Stop;

/// The longest account of what is wrong, in bytes.
const ACCOUNT: usize = 500;

/// An answer that was not of the form, and what the model was told: both stand in its sight, and nowhere else.
pub(super) struct Correction {
    /// How many items came before.
    at: usize,
    said: Vec<ItemBody>,
}

impl Correction {
    pub fn new(at: usize, answer: String, wrong: &str) -> Self {
        let text = format!(
            "Your answer does not have the form that was asked for: {wrong}. Answer again, with nothing but JSON of that form."
        );
        let mut said = vec![ItemBody::UserMessage { text }];
        if !answer.is_empty() {
            said.insert(0, ItemBody::AgentMessage { text: answer });
        }
        Self { at, said }
    }

    /// What the turn has done, with the correction where it was made.
    pub fn within(&self, mut items: Vec<ItemBody>) -> Vec<ItemBody> {
        let at = self.at.min(items.len());
        items.splice(at..at, self.said.iter().cloned());
        items
    }
}

/// How a turn fails whose answer is not of the form.
pub(super) fn fault(wrong: &str) -> ModelFault {
    let kind = FaultKind::WrongForm;
    ModelFault { kind, message: format!("{kind}: {wrong}"), detail: String::new() }
}

impl Run {
    /// What is wrong with an answer, if it is the turn's last and a form was asked for. What was cut short, or refused, is
    /// no answer that could have one.
    pub(super) fn wrong_form(&self, answer: &Answer) -> Option<String> {
        let form = self.setting.form.as_ref()?;
        let text = answer.held.concat();
        let goes_on =
            !answer.open.is_empty() || text.is_empty() && matches!(self.doings().last(), Some(ItemBody::ToolResult(_)));
        if goes_on || answer.refused || answer.stop != Stop::Done {
            return None;
        }
        let wrong = form.check(&text).err()?;
        Some(wrong.get(..wrong.floor_char_boundary(ACCOUNT)).unwrap_or_default().to_owned())
    }
}
