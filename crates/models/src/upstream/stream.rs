//! One call of a server: sent, perhaps again, then read to its end. Everything is held by the stream; dropping it closes
//! the connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::model::ModelEvent;
use tokio::time::timeout;

use super::Upstream;
use super::failure::{self, Failure};
use super::retry::Retries;
use crate::sse::{Events, TooLong};

/// The longest wait for the end of a stream whose server has said why it stopped.
const ENDING: Duration = Duration::from_secs(5);

/// A request, and who reads its answer.
pub struct Call {
    /// Where it is sent.
    pub url: reqwest::Url,
    /// Sent beside the server's own headers.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Bytes,
    /// Reads the answer.
    pub reader: Box<dyn Reader>,
    /// The longest event of the answer, in bytes.
    pub max_event: usize,
}

/// Reads the events of one answer.
pub trait Reader: Send + Sync {
    /// Takes the data of one event; what it says goes to `out`.
    fn take(&mut self, data: &str, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault>;

    /// Whether the server has said why it stopped: then the answer is whole, even if the stream breaks off.
    fn has_stopped(&self) -> bool;

    /// Takes the end of the answer; what is left to say goes to `out`, a [`ModelEvent::Stop`] last.
    fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ModelFault>;
}

/// How far a call is.
enum Stage {
    Unsent(Box<Call>),
    Reading(Box<Reading>),
    Over,
}

/// The events of one call.
pub fn stream(upstream: Arc<Upstream>, call: Call) -> BoxStream<'static, Result<ModelEvent, ModelFault>> {
    let advance = move |mut stage| {
        let upstream = upstream.clone();
        async move {
            loop {
                let told = match stage {
                    Stage::Unsent(call) => match upstream.open(*call).await {
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
    futures_util::stream::unfold(Stage::Unsent(Box::new(call)), advance).boxed()
}

impl Upstream {
    /// Sends the request until it is answered with a stream.
    async fn open(&self, call: Call) -> Result<Reading, ModelFault> {
        let mut retries = Retries::new(&self.patience);
        loop {
            match self.send(&call).await {
                Ok(response) => {
                    return Ok(Reading {
                        response,
                        events: Events::new(call.max_event),
                        reader: call.reader,
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

    async fn send(&self, call: &Call) -> Result<reqwest::Response, Failure> {
        let request = self.client.post(call.url.clone()).headers(self.headers.clone()).headers(call.headers.clone());
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = match timeout(self.patience.first_byte, request.body(call.body.clone()).send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::unsent(error, self.agent)),
            Err(_) => return Err(Failure::final_(FaultKind::Unavailable.with("no answer within the time allowed"))),
        };
        let json =
            response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if response.status().is_success() && !json {
            return Ok(response);
        }
        Err(failure::of(response, self.patience.idle, self.agent).await)
    }
}

/// An answer that is coming in.
struct Reading {
    response: reqwest::Response,
    events: Events,
    reader: Box<dyn Reader>,
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
                Ok(Some(data)) => self.reader.take(&data, &mut self.ready)?,
                Ok(None) => self.read(upstream).await?,
                Err(TooLong) => return Err(FaultKind::BrokenStream.with("an event was too long")),
            }
        }
    }

    async fn read(&mut self, upstream: &Upstream) -> Result<(), ModelFault> {
        let patience = match (self.begun, self.reader.has_stopped()) {
            (_, true) => upstream.patience.idle.min(ENDING),
            (true, false) => upstream.patience.idle,
            (false, false) => upstream.patience.first_byte,
        };
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
        if self.reader.has_stopped() { self.finish() } else { Err(FaultKind::BrokenStream.with(cut)) }
    }

    fn finish(&mut self) -> Result<(), ModelFault> {
        self.over = true;
        self.reader.finish(&mut self.ready)
    }
}
