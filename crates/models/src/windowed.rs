//! A model of which somebody has said how much it takes.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use sederunt_core::error::ModelFault;
use sederunt_core::item::Context;
use sederunt_core::model::{Model, ModelEvent, ModelRequest, Passage, Passed};

/// Another model, with the size of its context window.
#[derive(Debug)]
pub struct Windowed {
    model: Arc<dyn Model>,
    tokens: u64,
}

impl Windowed {
    /// `model`, which can be shown and say so many tokens at most.
    pub fn new(model: Arc<dyn Model>, tokens: u64) -> Self {
        Self { model, tokens }
    }
}

#[async_trait]
impl Model for Windowed {
    fn wants_line(&self) -> bool {
        self.model.wants_line()
    }

    fn context_window(&self) -> Option<u64> {
        Some(self.tokens)
    }

    fn keeps_form(&self) -> bool {
        self.model.keeps_form()
    }

    async fn retrieve(&self, request: &ModelRequest) -> Result<Option<Vec<Context>>, ModelFault> {
        self.model.retrieve(request).await
    }

    async fn pass(&self, passage: Passage) -> Option<Result<Passed, ModelFault>> {
        self.model.pass(passage).await
    }

    fn answer(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
        self.model.answer(request)
    }
}
