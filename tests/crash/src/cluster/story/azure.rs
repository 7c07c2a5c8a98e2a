//! A response in the background: its stream can be read again from any event, anywhere.

use anyhow::{Context as _, Result, ensure};

use super::{Fate, Place, WORDS, in_time};
use crate::azure::{Api, Asked, Frame};
use crate::cluster::reader::{Heard, Reader};

/// A response that runs, its own stream, one from its beginning and one from the last event that was seen.
#[derive(Debug)]
pub struct Response {
    api: Api,
    place: Place,
    text: String,
    id: String,
    own: Reader,
    from_start: Reader,
    after: u64,
    resumed: Reader,
}

impl Response {
    pub async fn begin(api: &Api, place: &Place, text: String) -> Result<Self> {
        let asked = Asked { text: text.clone(), conversation: None, stream: true, background: true };
        let mut own = Reader::begin(place.home()?, api.respond(&asked, false));
        let deltas = |heard: &Heard| heard.body.matches("event: response.output_text.delta\n").count();
        let seen = own.until(|heard| deltas(heard) >= WORDS).await?;
        let frames = Frame::all(&seen.body);
        let id = frames.first().map(|frame| frame.response()["id"].as_str().unwrap_or_default().to_owned());
        let (id, after) =
            (id.unwrap_or_default(), frames.last().and_then(Frame::number).context("events are numbered")?);
        let (first, last) = (place.others.first().copied(), place.others.last().copied());
        let mut from_start = Reader::begin(place.address(first.unwrap_or_default())?, api.replay(&id, None));
        let mut resumed = Reader::begin(place.address(last.unwrap_or_default())?, api.replay(&id, Some(after)));
        from_start.until(|heard| deltas(heard) > WORDS).await.context("read elsewhere from its beginning")?;
        resumed.until(|heard| deltas(heard) > 0).await.context("resumed elsewhere")?;
        Ok(Self { api: api.clone(), place: place.clone(), text, id, own, from_start, after, resumed })
    }

    pub async fn check(mut self, fate: Fate) -> Result<()> {
        let (from_start, resumed) = (self.from_start.end().await?, self.resumed.end().await?);
        let own = self.own.end().await?;
        let whole = self.place.ask(true, &self.api.replay(&self.id, None)).await?;
        ensure!(whole.status == 200, "{} told again answers {whole:?}", self.id);
        let whole = Frame::all(&whole.text());
        self.hold(&from_start, &resumed, &whole, fate)?;
        let last = whole.last().map(Frame::response).unwrap_or_default();
        let seen = match fate {
            Fate::Completes => {
                ensure!(last["status"] == "completed", "{} is to be completed, and ends as {last}", self.id);
                ensure!(crate::azure::said(&last) == self.text, "{} says {last}", self.id);
                own.body.as_str()
            }
            Fate::Interrupted { seen_until, .. } => {
                ensure!(last["status"] == "failed", "{} was cut short, and ends as {last}", self.id);
                ensure!(last["error"]["code"] == "server_error", "{} was cut short, and says {last}", self.id);
                own.by(seen_until)
            }
        };
        let seen = Frame::all(seen);
        ensure!(whole.starts_with(&seen), "{}: of {} events seen on its node not all are stored", self.id, seen.len());
        Ok(())
    }

    pub async fn cancel(mut self) -> Result<()> {
        let answer = self.place.ask(false, &self.api.cancel(&self.id)).await?;
        ensure!(answer.json()["status"] == "cancelled", "{} is cancelled elsewhere: {}", self.id, answer.text());
        let (from_start, resumed, own) =
            (self.from_start.end().await?, self.resumed.end().await?, self.own.end().await?);
        // Its stream cannot be told again, so that what its own was told is held against what the others were.
        ensure!(own.is_whole(), "{} told its own stream {own:?}", self.id);
        self.hold(&from_start, &resumed, &Frame::all(&own.body), Fate::Completes)?;
        for last in [false, true] {
            let shown = self.place.ask(last, &self.api.response(&self.id)).await?.json();
            ensure!(shown["status"] == "cancelled", "{} was cancelled, and reads {shown}", self.id);
        }
        Ok(())
    }

    /// Both readers must have been told all of this without a gap, and nothing twice. Who is told of an interruption may have
    /// seen more than was stored, of late; the end then has a number above that.
    fn hold(&self, from_start: &Heard, resumed: &Heard, whole: &[Frame], fate: Fate) -> Result<()> {
        let rest: Vec<_> = whole.iter().filter(|frame| frame.number() > Some(self.after)).cloned().collect();
        for (who, heard, wanted) in [("a reader", from_start, whole), ("who resumed", resumed, &rest)] {
            ensure!(heard.status == 200 && heard.is_whole(), "{who} of {} was told {heard:?}", self.id);
            let told = Frame::all(&heard.body);
            let numbers: Vec<_> = told.iter().filter_map(Frame::number).collect();
            let first = wanted.first().and_then(Frame::number).unwrap_or_default();
            let counted = numbers.len() == told.len() && numbers.iter().zip(first..).all(|(number, at)| *number == at);
            ensure!(counted, "{who} of {} was told the events {numbers:?}, from {first} on", self.id);
            let before_end =
                |frames: &[Frame]| frames.split_last().map_or_else(Vec::new, |(_, before)| before.to_vec());
            let (seen, stored) = (before_end(&told), before_end(wanted));
            let differs = seen.iter().zip(&stored).find(|(seen, stored)| seen != stored);
            ensure!(differs.is_none(), "{who} of {} was told otherwise than is stored: {differs:?}", self.id);
            let due = match fate {
                Fate::Completes => seen.len(),
                Fate::Interrupted { seen_until, .. } => Frame::all(heard.by(seen_until)).len(),
            };
            let (seen, stored) = (seen.len(), stored.len());
            ensure!(due <= stored && stored <= seen, "{who} of {}: {seen} seen, {due} due, {stored} stored", self.id);
            in_time(who, heard, fate)?;
        }
        Ok(())
    }
}
