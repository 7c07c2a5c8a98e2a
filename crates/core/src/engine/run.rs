//! The loop of one turn: ask the model, run the tools it calls, ask again, until it is done.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::accept::Setting;
use super::form::{self, Correction};
use super::live::{Live, Phase};
use super::{Engine, line};
use crate::agent::AgentVersion;
use crate::app::StreamDurability;
use crate::error::{Conflict, Error, FaultKind, ModelFault};
use crate::id::Key;
use crate::item::{Context, ItemBody};
use crate::journal::Happened;
use crate::model::{Model, ModelRequest, SessionView, Stop};
use crate::part::{PartBody, fold, usage};
use crate::turn::{Ending, NewTurn, Recording, TurnKind};

/// How long what must be stored before it is told waits for a store that is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// One turn's run. Owned by its task, which ends when the turn has ended and no open stream wants more.
pub(super) struct Run {
    pub engine: Engine,
    pub live: Arc<Live>,
    pub setting: Setting,
    pub new: NewTurn,
}

/// What the loop of a turn ran into.
pub(super) enum Halt {
    /// The model, or a limit.
    Fault(ModelFault),
    /// The store, or a lost fence.
    Store(Error),
    /// It was cancelled, and no open stream listens any more.
    Unheard,
}

impl From<ModelFault> for Halt {
    fn from(fault: ModelFault) -> Self {
        Self::Fault(fault)
    }
}

impl Run {
    pub async fn run(self) {
        let limit = self.setting.version.definition.limits.turn_timeout;
        let ending = tokio::select! {
            biased;
            () = self.live.stop.cancelled() => self.live.why_stopped(),
            told = tokio::time::timeout(limit, AssertUnwindSafe(self.converse()).catch_unwind()) => match told {
                Ok(Ok(Ok(ending))) => ending,
                Ok(Ok(Err(Halt::Fault(fault)))) => {
                    if !fault.detail.is_empty() {
                        tracing::info!(turn = %self.live.turn.id, kind = %fault.kind, detail = fault.detail, "model fault");
                    }
                    fault.into()
                }
                Ok(Ok(Err(Halt::Store(error)))) => {
                    tracing::error!(turn = %self.live.turn.id, %error, source = ?std::error::Error::source(&error), "turn cut short");
                    match error {
                        // No model failed: who asks again with the same key must not have it run again, as after any crash.
                        Error::Unavailable { .. } => Ending::Crashed,
                        _ => FaultKind::Failed.with("").into(),
                    }
                }
                Ok(Ok(Err(Halt::Unheard))) => Ending::Cancelled,
                // A defect of a model or a tool is this turn's failure; its lane must not stay taken.
                Ok(Err(_)) => {
                    tracing::error!(turn = %self.live.turn.id, "a model or a tool panicked");
                    FaultKind::Failed.with("").into()
                }
                Err(_) => FaultKind::DeadlinePassed.with("").into(),
            },
        };
        self.engine.finish(&self.live, ending.clone(), &self.new.text()).await;
        self.live.end(ending);
        self.describe().await;
        self.engine.live().remove(&self.live.turn.id);
    }

    /// The loop. Parts go to the live turn as they come; what is returned is how the turn ends.
    async fn converse(&self) -> Result<Ending, Halt> {
        let definition = &self.setting.version.definition;
        let model = self.engine.model_of(&self.setting.agent, &self.setting.version)?;
        if self.new.kind == TurnKind::Compact {
            return self.compact(&*model).await;
        }
        let mut request = self.request(&*model).await?;
        let contexts = match self.new.contexts.clone() {
            Some(given) => Some(given),
            None => model.retrieve(&request).await?,
        };
        if let Some(contexts) = contexts {
            request.contexts.clone_from(&contexts);
            self.say(vec![PartBody::Contexts { contexts }]).await?;
        }
        let mut known = 0;
        let mut correction: Option<Correction> = None;
        for iteration in 0..definition.limits.iterations {
            request.iteration = iteration;
            self.note(&Happened::Asked(iteration + 1));
            let answer = self.ask(&*model, request.clone()).await?;
            if let Some(wrong) = self.wrong_form(&answer) {
                // Asked for once more, where that is still allowed.
                if correction.is_some() || iteration + 1 >= definition.limits.iterations {
                    return Err(form::fault(&wrong).into());
                }
                self.note(&Happened::Corrected);
                let items = self.doings();
                let correction = correction.insert(Correction::new(items.len(), answer.held.concat(), &wrong));
                request.so_far = correction.within(items);
                continue;
            }
            self.say(answer.held.into_iter().map(|delta| PartBody::Text { delta }).collect()).await?;
            let cut = match answer.stop {
                Stop::Length => Some(Ending::Length),
                Stop::Filtered => Some(Ending::Filtered),
                Stop::Done => None,
            };
            // Input that was steered in is answered, however the answer before it was cut.
            if let Some(cut) = cut
                && self.live.takes_no_more()
            {
                return Ok(cut);
            }
            if let Some(most) = definition.limits.tokens {
                let used = usage(&self.live.spoken()).map_or(0, |u| u.total());
                if used >= most && !answer.open.is_empty() {
                    self.hear(true).await?;
                    return Ok(Ending::Length);
                }
            }
            let (ours, unknown): (Vec<_>, Vec<_>) = answer.open.into_iter().partition(|call| self.can_run(call));
            self.call(ours).await?;
            if !unknown.is_empty() && self.new.caller_runs_tools {
                self.hear(true).await?;
                return Ok(Ending::NeedsOutputs);
            }
            self.call(unknown).await?;
            let mut items = self.doings();
            // Results call for another answer, whoever ran the tools; a model that then adds nothing is done.
            let added = items.len() > known;
            let more = added && matches!(items.last(), Some(ItemBody::ToolResult(_)));
            let steered = self.hear(!more).await?;
            if !more && steered.is_empty() {
                return Ok(Ending::Done);
            }
            items.extend(steered.into_iter().map(|text| ItemBody::UserMessage { text }));
            known = items.len();
            request.so_far = match &correction {
                Some(correction) => correction.within(items),
                None => items,
            };
        }
        Err(FaultKind::Iterations.with("").into())
    }

    /// What the turn has said and done so far, as its model is shown it.
    pub(super) fn doings(&self) -> Vec<ItemBody> {
        let mut items = fold(&self.live.spoken());
        items.retain(|item| !matches!(item, ItemBody::Contexts { .. }));
        items
    }

    /// What was steered in since the last step becomes part of the turn. With `last`, nothing more is taken if nothing
    /// came.
    async fn hear(&self, last: bool) -> Result<Vec<String>, Halt> {
        let steered = self.live.take_steered(last);
        self.say(steered.iter().map(|text| PartBody::Steered { text: text.clone() }).collect()).await?;
        Ok(steered)
    }

    async fn request(&self, model: &dyn Model) -> Result<ModelRequest, Halt> {
        let asked = self.setting.request(&self.new);
        let line = match (model.wants_line(), self.live.turn.parent) {
            (true, Some(parent)) => {
                let store = &self.engine.0.ports.store;
                let turns = store.line(&self.live.turn.tenant, parent, self.engine.0.settings.line_turns).await;
                let turns = self.compacted(model, turns.map_err(Halt::Store)?).await?;
                line::answered(turns, &asked.input)
            }
            _ => Vec::new(),
        };
        let input = line::answered(asked.input, &[]);
        let mut tools = self.setting.version.definition.tools.clone();
        tools.extend(self.new.tools.iter().cloned());
        tools.extend(self.update_tool());
        Ok(ModelRequest { line, input, tools, ..asked })
    }

    /// Writes down what happens to the turn.
    pub(super) fn note(&self, happened: &Happened<'_>) {
        self.engine.note(&self.live.turn, happened);
    }

    /// Adds parts, stores them first where that is promised, and shows them.
    pub(super) async fn say(&self, parts: Vec<PartBody>) -> Result<(), Halt> {
        if parts.is_empty() {
            return Ok(());
        }
        if self.live.phase() == Phase::Closed && !self.live.has_readers() {
            return Err(Halt::Unheard);
        }
        let shared = &self.engine.0;
        let first = !self.live.any_parts();
        if !self.live.push(parts, shared.settings.turn_bytes, shared.ports.clock.now()) {
            return Err(FaultKind::Failed.with("the turn has produced more than it may").into());
        }
        if shared.settings.stream_durability == StreamDurability::Strict && self.live.phase() == Phase::Open {
            match self.stored().await {
                // Cancelled in this very moment: what comes now is for open streams only.
                Err(Error::Conflict { kind: Conflict::Stale, .. }) if self.live.phase() != Phase::Open => {}
                stored => stored.map_err(Halt::Store)?,
            }
        }
        self.live.show();
        if first {
            shared.ports.observer.first_part(shared.ports.timer.elapsed().saturating_sub(self.live.accepted));
        }
        Ok(())
    }

    /// Stores what was said, and waits for a store that is away: what is told then is told late, but not cut short.
    async fn stored(&self) -> Result<(), Error> {
        let gives_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.engine.store_parts(&self.live).await {
                Err(Error::Unavailable { .. }) if tokio::time::Instant::now() < gives_up => {
                    tokio::time::sleep(PAUSE).await;
                }
                stored => return stored,
            }
        }
    }
}

impl Setting {
    /// What a model is asked first; the line and the tools are still to come.
    pub(super) fn request(&self, new: &NewTurn) -> ModelRequest {
        let definition = &self.version.definition;
        ModelRequest {
            agent: self.agent.clone(),
            version: self.version.clone(),
            session: self.session.as_ref().map(|session| SessionView {
                key: session.key.to_string(),
                title: session.shown_title().unwrap_or_default().to_owned(),
                metadata: session.metadata.clone(),
            }),
            turn: self.session.as_ref().map_or(1, |session| session.turns + 1),
            text: new.text(),
            input: new.input.iter().map(|item| item.body.clone()).collect(),
            instructions: new.instructions.clone().or_else(|| definition.instructions.clone()),
            options: new.options.clone().or(&definition.options),
            wire: new.wire.clone(),
            parameters: new.parameters.clone(),
            contexts: Vec::new(),
            line: Vec::new(),
            so_far: Vec::new(),
            iteration: 0,
            tools: Vec::new(),
        }
    }
}

impl Engine {
    /// The model that answers for a version. A fault of [`FaultKind::UnknownModel`] has the model's name as detail.
    pub(crate) fn model_of(&self, agent: &Key, version: &AgentVersion) -> Result<Arc<dyn Model>, ModelFault> {
        self.0.ports.models.choose(agent, &version.definition).ok_or_else(|| {
            let name = version.definition.model.as_deref().unwrap_or("default");
            let message = format!("no model '{name}' is configured");
            ModelFault { kind: FaultKind::UnknownModel, message, detail: name.to_owned() }
        })
    }

    /// Stores what the store does not have yet.
    pub(crate) async fn store_parts(&self, live: &Live) -> Result<(), Error> {
        let _storing = live.storing.lock().await;
        if live.phase() != Phase::Open || live.turn.recording == Recording::Nothing {
            // Whoever writes the end stores them too, if they are to be stored.
            return Ok(());
        }
        let (parts, mark) = live.unstored();
        if !parts.is_empty() {
            self.0.ports.store.append_parts(&live.turn.tenant, live.turn.id, &live.fence, &parts).await?;
            live.stored_up_to(mark);
        }
        Ok(())
    }

    /// Contexts that this agent's model looks up for an input, without running a turn.
    pub(crate) async fn retrieve(&self, setting: &Setting, new: NewTurn) -> Result<Vec<Context>, Error> {
        let definition = &setting.version.definition;
        let parameters = definition.bind(new.parameters.clone())?;
        let model = self.model_of(&setting.agent, &setting.version)?;
        let request = setting.request(&NewTurn { parameters, ..new });
        let limit = definition.limits.turn_timeout;
        let looked_up = tokio::time::timeout(limit, model.retrieve(&request)).await;
        Ok(looked_up.map_err(|_| FaultKind::DeadlinePassed.with(""))??.unwrap_or_default())
    }
}
