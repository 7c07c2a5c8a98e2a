//! The clock that people see: shown, set, advanced, held still, let run. It can be moved in development only.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sederunt_core::clock::{ClockSetting, Time};
use sederunt_core::error::Error;
use serde::{Deserialize, Serialize};

use super::Control;
use super::error::Refusal;
use super::extract::{Admin, Sent};
use super::view::Stamp;
use crate::config::unit;

/// What is to become of the clock: one of the fields at least. `set` and `advance` are not said together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    /// A time in RFC 3339.
    set: Option<String>,
    /// How far to go on, such as `25h`.
    advance: Option<String>,
    /// Whether it stands still from then on.
    hold: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    now: Stamp,
    /// What it would be if nobody had moved it.
    system: Stamp,
    held: bool,
    /// Sessions that expired by the move.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<u64>,
}

pub(super) async fn show(State(control): State<Control>, Admin(_): Admin) -> Json<Shown> {
    Json(shown(&control, None))
}

pub(super) async fn set(
    State(control): State<Control>,
    Admin(_): Admin,
    Sent(wanted): Sent<Move>,
) -> Result<Json<Shown>, Refusal> {
    let to = Wanted::read(wanted)?;
    {
        let _one_at_a_time = control.0.moving.lock().await;
        let ports = control.app().ports();
        let held = matches!(ports.clock.setting(), ClockSetting::Held(_));
        let time = match to.time {
            Target::Stay => ports.clock.now(),
            Target::At(time) => time,
            Target::Later(by) => ports.clock.now().plus(by),
        };
        let setting = if to.hold.unwrap_or(held) {
            ClockSetting::Held(time)
        } else {
            ClockSetting::Offset(time.nanos().saturating_sub(ports.timer.wall().nanos()))
        };
        ports.clock.set(setting)?;
    }
    let swept = control.app().sweep().await?;
    Ok(Json(shown(&control, Some(swept.expired))))
}

enum Target {
    Stay,
    At(Time),
    Later(Duration),
}

struct Wanted {
    time: Target,
    hold: Option<bool>,
}

impl Wanted {
    fn read(wanted: Move) -> Result<Self, Refusal> {
        let time = match (wanted.set, wanted.advance) {
            (None, None) if wanted.hold.is_none() => {
                return Err(Refusal::invalid("body", "nothing to do", "send 'set', 'advance' or 'hold'"));
            }
            (None, None) => Target::Stay,
            (Some(time), None) => Target::At(Time::parse(&time).map_err(|error| match error {
                Error::Invalid { reason, .. } => Error::Invalid { param: "set".into(), reason },
                other => other,
            })?),
            (None, Some(by)) => Target::Later(
                unit::time(&by).map_err(|why| Refusal::invalid("advance", why, "write it such as \"25h\""))?,
            ),
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("advance", "not together with 'set'", "send one of them"));
            }
        };
        Ok(Self { time, hold: wanted.hold })
    }
}

fn shown(control: &Control, expired: Option<u64>) -> Shown {
    let ports = control.app().ports();
    Shown {
        now: Stamp(ports.clock.now()),
        system: Stamp(ports.timer.wall()),
        held: matches!(ports.clock.setting(), ClockSetting::Held(_)),
        expired,
    }
}
