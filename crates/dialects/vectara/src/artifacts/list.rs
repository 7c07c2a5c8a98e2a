//! `GET …/sessions/{session_key}/artifacts?limit&page_key&sort_by&order_by`: newest first unless the query says otherwise.

use sederunt_core::agent::Agent;
use sederunt_core::artifact::Artifact;
use sederunt_core::clock::Time;
use sederunt_core::id::ArtifactId;
use sederunt_core::page::{Created, Order, Slice};
use sederunt_web::query::Query;
use serde_json::{Map, Value};

use super::view::{artifact_id, parse, view};
use crate::answer;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::fields::must_be;
use crate::operation::Answer;
use crate::paging::{self, DEFAULT, Paging, page, token_with, unusable};

/// How tokens name the last artifact of a page.
const ID: &str = "artifact_id";
/// When it came, in nanoseconds: a place stays good when the artifact goes.
const CREATED: &str = "created";

pub(super) async fn list(asked: Asked, agent: Agent) -> Answer {
    let session = asked.session(&agent).await?;
    let paging = Paging::read(&asked.query, ID, DEFAULT)?;
    let order = order(&asked.query)?;
    let after = paging.after.as_ref().map(|place| at(place).ok_or_else(unusable)).transpose()?;
    let slice = Slice { order, after, before: None, limit: paging.limit };
    let found = asked.app().artifacts().list(&session, &slice).await?;
    let next = found.items.last().filter(|_| found.more).map(token);
    let artifacts = found.items.iter().map(|artifact| Value::Object(view(artifact))).collect();
    Ok(answer::json(&page("artifacts", artifacts, next, found.total)))
}

/// `sort_by` and `order_by`. An artifact never changes, so that it was last changed when it came.
fn order(query: &Query) -> Result<Order, Failure> {
    match query.get("sort_by").unwrap_or("created_at") {
        "created_at" | "updated_at" => {}
        _ => return Err(must_be("sort_by", "created_at or updated_at")),
    }
    match query.get("order_by").unwrap_or("desc") {
        "asc" => Ok(Order::OldestFirst),
        "desc" => Ok(Order::NewestFirst),
        _ => Err(must_be("order_by", "asc or desc")),
    }
}

fn at(place: &paging::Place) -> Option<Created<ArtifactId>> {
    let created = place.token.get(CREATED)?.as_i64()?;
    Some((Time::from_nanos(created), parse(&place.id)?))
}

fn token(last: &Artifact) -> String {
    let created = Map::from_iter([(CREATED.to_owned(), last.created.nanos().into())]);
    token_with(ID, &artifact_id(last.id), created)
}
