//! An exchange: its stream is joined anywhere by who repeats the request with its key, and one that is cut short ends without
//! its last chunk.

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::{Fate, Place, WORDS, in_time};
use crate::api::Api;
use crate::cluster::reader::{Heard, Reader};
use crate::record;

/// An exchange that runs, its own stream, and those that joined it.
#[derive(Debug)]
pub struct Exchange {
    api: Api,
    place: Place,
    rid: String,
    exchange: record::Exchange,
    request: Bytes,
    own: Reader,
    joined: Vec<Reader>,
}

impl Exchange {
    pub async fn begin(api: &Api, place: &Place, exchange: record::Exchange) -> Result<Self> {
        let made = place.ask(false, &api.create(None)).await?;
        let rid = made.json()["rid"].as_str().unwrap_or_default().to_owned();
        let request = api.exchange(&rid, &exchange);
        let words = |heard: &Heard| heard.body.split_whitespace().count();
        let mut own = Reader::begin(place.home()?, request.clone());
        own.until(|heard| words(heard) >= WORDS).await?;
        let mut joined = Vec::new();
        for &node in &place.others {
            let mut reader = Reader::begin(place.address(node)?, request.clone());
            reader.until(|heard| words(heard) > WORDS).await?;
            joined.push(reader);
        }
        Ok(Self { api: api.clone(), place: place.clone(), rid, exchange, request, own, joined })
    }

    pub async fn check(mut self, fate: Fate) -> Result<()> {
        let (trace, text) = (self.exchange.trace.clone(), self.exchange.text.clone());
        let own = self.own.end().await?;
        for reader in &mut self.joined {
            let heard = reader.end().await?;
            let cut = matches!(fate, Fate::Interrupted { .. });
            ensure!(heard.status == 200 && heard.is_whole() != cut, "who joined {trace} was told {heard:?}");
            ensure!(text.starts_with(&heard.body) && (cut || heard.body == text), "{trace} never said {}", heard.body);
            if let Fate::Interrupted { seen_until, .. } = fate {
                let seen = own.by(seen_until);
                ensure!(heard.body.starts_with(seen), "{trace}: '{seen}' was seen, and who joined was told {heard:?}");
            }
            in_time("who joined an exchange", &heard, fate)?;
        }
        let again = self.place.ask(true, &self.request).await?;
        match fate {
            Fate::Completes => {
                ensure!(own.is_whole() && own.body == text, "{trace} told its own stream {own:?}");
                ensure!(again.status == 200 && again.text() == text, "{trace} repeated answers {again:?}");
            }
            Fate::Interrupted { .. } => {
                ensure!(again.status == 409, "{trace} was cut short, and repeated answers {again:?}");
            }
        }
        Ok(())
    }

    /// Cancelled, it leaves nothing and the session is free at once; who reads it is told it to its end.
    pub async fn cancel(mut self) -> Result<()> {
        let cancelled = self.place.ask(true, &self.api.cancel(&self.rid, &self.exchange.trace)).await?;
        ensure!(cancelled.status == 200, "it is cancelled elsewhere: {cancelled:?}");
        let (stream, key) = (false, None);
        let next = record::Exchange { text: "quick".to_owned(), trace: self.next_trace(), key, stream };
        let next = self.place.ask(false, &self.api.exchange(&self.rid, &next)).await?;
        ensure!(next.status == 200, "the session is free after a cancel: {next:?}");
        let content = self.place.ask(true, &self.api.content(&self.rid)).await?.json();
        let kept = content["exchanges"].as_array().map_or(0, Vec::len);
        ensure!(kept == 1, "what was cancelled left something: {content}");
        let own = self.own.end().await?;
        ensure!(own.is_whole() && own.body == self.exchange.text, "its own stream told {own:?}");
        for reader in &mut self.joined {
            let heard = reader.end().await?;
            ensure!(heard.is_whole() && heard.body == self.exchange.text, "who joined it was told {heard:?}");
        }
        Ok(())
    }

    /// A trace for the exchange after this one: any UUID that no other exchange has.
    fn next_trace(&self) -> String {
        self.exchange.key.clone().unwrap_or_default()
    }
}
