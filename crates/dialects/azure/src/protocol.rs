//! The routes of the OpenAI protocol: responses and conversations, below an agent's endpoint (with and without the `v1`
//! that some of the vendor's pages print) and below the project; and those of invocations.

use axum::Router;
use axum::routing::{any, get, post};

use crate::failure::Failure;
use crate::operation::{Surface, operation};
use crate::{Dialect, conversations, invocations, responses};

/// A base of the protocol, and to what part of the API it belongs.
const BASES: [(&str, Surface); 3] = [
    ("/api/projects/{project}/agents/{agent_name}/endpoint/protocols/openai", Surface::Endpoint),
    ("/api/projects/{project}/agents/{agent_name}/endpoint/protocols/openai/v1", Surface::Endpoint),
    ("/api/projects/{project}/openai/v1", Surface::Project),
];

/// The routes of responses, conversations and invocations.
pub(crate) fn routes() -> Router<Dialect> {
    BASES.into_iter().fold(invocations::routes(), |router, (base, surface)| router.merge(openai(base, surface)))
}

fn openai(base: &str, surface: Surface) -> Router<Dialect> {
    let path = |rest: &str| format!("{base}{rest}");
    Router::new()
        .route(
            &path("/responses"),
            get(operation(surface, responses::list)).post(operation(surface, responses::create)),
        )
        .route(
            &path("/responses/{response_id}"),
            get(operation(surface, responses::retrieve)).delete(operation(surface, responses::delete)),
        )
        .route(&path("/responses/compact"), any(operation(surface, compact)))
        .route(&path("/responses/{response_id}/cancel"), post(operation(surface, responses::cancel)))
        .route(&path("/responses/{response_id}/input_items"), get(operation(surface, responses::input_items)))
        .route(
            &path("/conversations"),
            get(operation(surface, conversations::list)).post(operation(surface, conversations::create)),
        )
        .route(
            &path("/conversations/{conversation_id}"),
            get(operation(surface, conversations::retrieve))
                .post(operation(surface, conversations::update))
                .delete(operation(surface, conversations::delete)),
        )
        .route(
            &path("/conversations/{conversation_id}/items"),
            get(operation(surface, conversations::list_items)).post(operation(surface, conversations::add_items)),
        )
        .route(
            &path("/conversations/{conversation_id}/items/{item_id}"),
            get(operation(surface, conversations::get_item)).delete(operation(surface, conversations::remove_item)),
        )
}

async fn compact(_asked: crate::asked::Asked) -> crate::operation::Answer {
    Err(Failure::not_implemented("Responses are not compacted here."))
}
