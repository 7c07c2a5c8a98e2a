//! One model call: sent, perhaps again, then read to its end. Everything is held by the stream; dropping it closes the
//! connection.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use reqwest::header::CONTENT_TYPE;
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::model::{ModelEvent, ModelRequest};
use tokio::time::timeout;

use super::Upstream;
use super::failure::{self, Failure};
use super::request::Question;
use super::response::Assembly;
use super::retry::Retries;
use crate::sse::{Events, TooLong};

/// The longest event of a stream, in bytes.
const MAX_EVENT: usize = 4 << 20;

/// How far a call is.
enum Stage {
    Unsent(Box<ModelRequest>),
    Reading(Box<Reading>),
    Over,
}

/// The events of one call.
pub fn stream(upstream: Arc<Upstream>, request: ModelRequest) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
    let advance = move |mut stage| {
        let upstream = upstream.clone();
        async move {
            loop {
                let told = match stage {
                    Stage::Unsent(request) => match upstream.open(&request).await {
                        Ok(reading) => {
                            stage = Stage::Reading(Box::new(reading));
                            continue;
                        }
                        Err(fault) => Err(fault),
                    },
                    Stage::Reading(mut reading) => match reading.next(&upstream).await {
                        Ok(Some(event)) => return Some((Ok(event), Stage::Reading(reading))),
                        Ok(None) => return None,
                        Err(fault) => Err(fault),
                    },
                    Stage::Over => return None,
                };
                return Some((told.map_err(|fault| upstream.redact(fault)), Stage::Over));
            }
        }
    };
    futures_util::stream::unfold(Stage::Unsent(Box::new(request)), advance).boxed()
}

impl Upstream {
    /// Sends the request until it is answered with a stream.
    async fn open(&self, request: &ModelRequest) -> Result<Reading, ModelFault> {
        let question = Question::of(&self.settings, request);
        let body = bytes::Bytes::from(question.body.to_string());
        let mut retries = Retries::new(&self.settings);
        loop {
            match self.send(body.clone()).await {
                Ok(response) => {
                    return Ok(Reading {
                        response,
                        events: Events::new(MAX_EVENT),
                        assembly: Assembly::new(question.names, request),
                        ready: VecDeque::new(),
                        begun: false,
                        over: false,
                    });
                }
                Err(failure) => {
                    let wait = retries.next(failure, &*self.chance)?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn send(&self, body: bytes::Bytes) -> Result<reqwest::Response, Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let patience = self.settings.first_byte_timeout;
        let response = match timeout(patience, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::unsent(error)),
            Err(_) => return Err(Failure::final_(FaultKind::Unavailable.with("no answer within the time allowed"))),
        };
        let json =
            response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if response.status().is_success() && !json {
            return Ok(response);
        }
        Err(failure::of(response, self.settings.idle_timeout).await)
    }

    /// Takes our own key out of what the log will see: servers quote the key that they refuse.
    fn redact(&self, mut fault: ModelFault) -> ModelFault {
        let headers = self.settings.headers.iter().map(|(_, value)| value);
        for secret in self.settings.api_key.iter().chain(headers).filter(|secret| !secret.expose().is_empty()) {
            fault.detail = fault.detail.replace(secret.expose(), "[secret]");
        }
        fault
    }
}

/// An answer that is coming in.
struct Reading {
    response: reqwest::Response,
    events: Events,
    assembly: Assembly,
    ready: VecDeque<ModelEvent>,
    /// Whether anything of the body came.
    begun: bool,
    over: bool,
}

impl Reading {
    async fn next(&mut self, upstream: &Upstream) -> Result<Option<ModelEvent>, ModelFault> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            match self.events.next() {
                Ok(Some(data)) if data.trim() == "[DONE]" => self.finish()?,
                Ok(Some(data)) => self.assembly.take(&data, &mut self.ready)?,
                Ok(None) => self.read(upstream).await?,
                Err(TooLong) => return Err(FaultKind::BrokenStream.with("an event was too long")),
            }
        }
    }

    async fn read(&mut self, upstream: &Upstream) -> Result<(), ModelFault> {
        let settings = &upstream.settings;
        let patience = if self.begun { settings.idle_timeout } else { settings.first_byte_timeout };
        let cut = match timeout(patience, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.begun = true;
                self.events.push(&bytes);
                return Ok(());
            }
            Ok(Ok(None)) => "the stream ended without saying why".to_owned(),
            Ok(Err(error)) => failure::told(error),
            Err(_) => "the stream fell silent".to_owned(),
        };
        // Once the server has said why it stopped, the answer is whole; only counts can be missing.
        if self.assembly.has_stopped() { self.finish() } else { Err(FaultKind::BrokenStream.with(cut)) }
    }

    fn finish(&mut self) -> Result<(), ModelFault> {
        self.over = true;
        self.assembly.finish(&mut self.ready)
    }
}
