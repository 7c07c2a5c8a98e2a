//! App clients, which speak for themselves with tokens from the token endpoint: made, listed, looked at, changed, deleted.
//! They are the core's confidential applications.

mod create;
mod list;
mod one;
mod view;

use axum::Router;
use axum::routing::get;
use sederunt_core::caller::Action;

use crate::Dialect;
use crate::operation::operation;

pub(crate) fn routes() -> Router<Dialect> {
    let clients = get(operation(Action::Admin, list::list)).post(operation(Action::Admin, create::create));
    let client = get(operation(Action::Admin, one::get))
        .patch(operation(Action::Admin, one::update))
        .delete(operation(Action::Admin, one::delete));
    Router::new().route("/v2/app_clients", clients).route("/v2/app_clients/{app_client_id}", client)
}
