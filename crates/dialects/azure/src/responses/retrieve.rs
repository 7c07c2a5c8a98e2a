//! `GET /responses/{response_id}`: the response as it stands, or its stream again.

use sederunt_core::turn::{Ending, TurnState};

use super::{Named, named};
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::Answer;
use crate::{answer, events};

/// The response; with `stream=true`, its events from the one after `starting_after`, and those to come.
pub(crate) async fn retrieve(asked: Asked) -> Answer {
    let Named { found, view } = named(&asked).await?;
    if asked.query.flag("stream")? {
        return stream(&asked, Named { found, view });
    }
    let response = match (&found.record.turn.state, &found.live) {
        (TurnState::Running, Some(live)) => view.so_far(&live.items()),
        (TurnState::Running, None) => view.beginning(),
        (TurnState::Ended { .. }, _) => view.whole(&found.record),
    };
    Ok(answer::json(&response))
}

fn stream(asked: &Asked, Named { found, view }: Named) -> Answer {
    let refuse = |how: &str| {
        let message = format!("This response cannot be streamed because it was not created with {how}.");
        Err(Failure::invalid("stream", message))
    };
    if !view.kept.background {
        return refuse("background=true");
    }
    let over = match &found.record.turn.state {
        TurnState::Running => false,
        TurnState::Ended { ending: Ending::Cancelled | Ending::Superseded } => {
            return refuse("stream=true or the stream TTL has expired");
        }
        TurnState::Ended { .. } => true,
    };
    if !view.kept.stream {
        return refuse(if over { "stream=true or the stream TTL has expired" } else { "stream=true" });
    }
    let seen = match asked.query.get("starting_after") {
        None => None,
        Some(text) => {
            let number = text.trim().parse::<i64>();
            let number = number.map_err(|_| Failure::invalid("starting_after", "starting_after must be an integer"))?;
            // What comes before the first event is nothing that was seen.
            if number < 0 { None } else { Some(u32::try_from(number).unwrap_or(u32::MAX)) }
        }
    };
    let keep_alive = asked.settings().keep_alive;
    Ok(match &found.live {
        Some(live) => events::live(live.clone(), view, seen, keep_alive),
        None => {
            let replay = asked.app().turns().replay(&found, 0);
            events::stored(replay, found.record.clone(), view, seen, keep_alive)
        }
    })
}
