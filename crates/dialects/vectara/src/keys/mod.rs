//! API keys: made, listed, looked at, switched off and on, deleted. Only who administers the installation may, since a key
//! can be given any role.

mod create;
mod list;
mod one;
mod view;

use axum::Router;
use axum::routing::get;
use sederunt_core::caller::Action;

use crate::Dialect;
use crate::operation::operation;

/// How many hexadecimal digits of a key's id its public id has.
const DIGITS: usize = 32;

const PREFIX: &str = "aky_";

pub(crate) fn routes() -> Router<Dialect> {
    let keys = get(operation(Action::Admin, list::list)).post(operation(Action::Admin, create::create));
    let key = get(operation(Action::Admin, one::get))
        .patch(operation(Action::Admin, one::update))
        .delete(operation(Action::Admin, one::delete));
    Router::new().route("/v2/api_keys", keys).route("/v2/api_keys/{api_key_id}", key)
}
