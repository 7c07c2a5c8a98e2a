//! Turns: run in a session, listed with those that are not kept, shown with their items and stored parts, cancelled.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use sederunt_core::agent::{Parameters, WhenBusy};
use sederunt_core::caller::Caller;
use sederunt_core::clock::Time;
use sederunt_core::error::Error;
use sederunt_core::id::TurnId;
use sederunt_core::part::Part;
use sederunt_core::turn::{NewTurn, TurnState};
use serde::{Deserialize, Serialize};

use super::Control;
use super::error::Refusal;
use super::extract::{Admin, Asked, Named, limit};
use super::once::{Once, SentOnce};
use super::sessions;
use super::stream;
use super::view::{ItemView, TurnView};

/// A turn to be run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    text: String,
    #[serde(default)]
    parameters: Parameters,
    /// What happens if the session is busy; as the agent's version says, else it is refused.
    when_busy: Option<WhenBusy>,
    /// Answers with the parts as they come instead of the whole turn at its end.
    #[serde(default)]
    stream: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The `next` of the page before.
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartPage {
    /// The number of the first part wanted.
    #[serde(default)]
    from: u32,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Turns {
    turns: Vec<TurnView>,
    /// What to ask for as `after`; null on the last page.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Parts {
    parts: Vec<Part>,
    /// What to ask for as `from`; null if there are no more yet.
    next: Option<u32>,
}

pub(super) async fn start(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(session): Named,
    SentOnce(body, once): SentOnce<Start>,
) -> Result<Response, Refusal> {
    let session = sessions::find(&control, &caller, &session).await?;
    let new = NewTurn { parameters: body.parameters, when_busy: body.when_busy, ..NewTurn::message(body.text) };
    let turns = control.app().turns();
    let started = turns.start(&caller, session.agent, session.id, new, once.as_ref().map(Once::request)).await?;
    match started.read().filter(|_| body.stream) {
        Some(parts) => Ok(stream::parts(started.turn().id, parts)),
        None => {
            turns.outcome(&started).await?;
            // Read again: only the store knows the numbers that the items were given.
            let turn = whole(&control, &caller, started.turn().id).await?;
            Ok((StatusCode::CREATED, Json(turn)).into_response())
        }
    }
}

pub(super) async fn list(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(session): Named,
    Asked(page): Asked<Page>,
) -> Result<Json<Turns>, Refusal> {
    let limit = limit(page.limit)?;
    let app = control.app();
    let session = sessions::find(&control, &caller, &session).await?;
    let binding = format!("control turns {} {}", caller.tenant, session.id);
    let after = page.after.map(|token| app.seal().open::<(Time, TurnId)>(&binding, &token)).transpose()?;
    let found = app.turns().all(&caller, session.id, after, limit).await?;
    let last = found.last().filter(|_| found.len() == limit as usize).map(|last| (last.created, last.id));
    let next = last.map(|place| app.seal().seal(&binding, &place)).transpose()?;
    let mut turns = Vec::with_capacity(found.len());
    for turn in found {
        match whole(&control, &caller, turn.id).await {
            Ok(turn) => turns.push(turn),
            // Deleted since the list was read.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Turns { turns, next }))
}

pub(super) async fn show(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(turn): Named,
) -> Result<Json<TurnView>, Refusal> {
    Ok(Json(whole(&control, &caller, id(&turn)?).await?))
}

pub(super) async fn parts(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(turn): Named,
    Asked(page): Asked<PartPage>,
) -> Result<Json<Parts>, Refusal> {
    let limit = limit(page.limit)?;
    let turn = control.app().turns().any(&caller, id(&turn)?).await?.turn;
    let parts = control.app().turns().stored_parts(&caller, turn.id, page.from, limit).await?;
    let next = parts.last().filter(|_| parts.len() == limit as usize).map(|part| part.number.saturating_add(1));
    Ok(Json(Parts { parts, next }))
}

pub(super) async fn cancel(
    State(control): State<Control>,
    Admin(caller): Admin,
    Named(turn): Named,
) -> Result<Json<TurnView>, Refusal> {
    let turn = control.app().turns().any(&caller, id(&turn)?).await?.turn;
    control.app().turns().cancel_any(&caller, turn.id).await?;
    Ok(Json(whole(&control, &caller, turn.id).await?))
}

/// A turn with its items: those that it has made so far, if it runs.
async fn whole(control: &Control, caller: &Caller, turn: TurnId) -> Result<TurnView, Error> {
    let turns = control.app().turns();
    let record = turns.any(caller, turn).await?;
    let live = match record.turn.state {
        TurnState::Running => turns.live(caller, turn).await?,
        TurnState::Ended { .. } => None,
    };
    let mut view = TurnView::from(record);
    if let Some(live) = live {
        let so_far = live.items().into_iter().map(|body| ItemView { id: None, number: None, body });
        view.items.extend(so_far);
    }
    Ok(view)
}

fn id(text: &str) -> Result<TurnId, Refusal> {
    text.parse().map_err(|_| Refusal::invalid("turn", format!("'{text}' is no id"), "give a turn's UUID"))
}
