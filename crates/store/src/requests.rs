//! Requests that may be repeated: what is remembered of them, and what a repetition means.

use sederunt_core::error::Conflict;
use sederunt_core::id::TenantId;
use sederunt_core::store::{Keyed, RequestKey};
use sederunt_core::{Error, Result};

use crate::SqlStore;
use crate::driver::{Guard, Step, params};
use crate::rows;

macro_rules! remember {
    ($conflict:literal) => {
        concat!(
            "insert into request_keys (tenant, scope, key, body, object, at) values ($1, $2, $3, $4, $5, $6) \
             on conflict ",
            $conflict
        )
    };
}
const REMEMBER: &str = remember!("do nothing");
const TAKE: &str =
    remember!("(tenant, scope, key) do update set body = excluded.body, object = excluded.object, at = excluded.at");
const REMEMBERED: &str = "select body, object from request_keys where tenant = $1 and scope = $2 and key = $3";

/// The step that remembers a request.
pub(crate) fn remember(tenant: &TenantId, request: &RequestKey, object: impl ToString) -> Step {
    let params = params![
        tenant.as_str(),
        request.scope.as_str(),
        request.key.as_str(),
        request.body.as_str(),
        object.to_string(),
        request.at.nanos(),
    ];
    Step::guarded(Guard::Request, if request.first_attempt { TAKE } else { REMEMBER }, params)
}

impl SqlStore {
    /// What a request's key that was there already means. `None` if it has gone meanwhile.
    pub(crate) async fn replayed<T: Default>(
        &self,
        tenant: &TenantId,
        request: Option<&RequestKey>,
        object: impl ToString,
    ) -> Result<Option<Keyed<T>>> {
        let Some(request) = request else { return Ok(None) };
        let params = params![tenant.as_str(), request.scope.as_str(), request.key.as_str()];
        let Some(row) = self.one(REMEMBERED, params).await? else { return Ok(None) };
        let mut columns = rows::Columns::of("request_keys", row);
        let (body, stored) = (columns.text()?, columns.text()?);
        if body != request.body {
            return Err(Error::conflict(Conflict::KeyReused, &request.key));
        }
        // The same object: it is this very call that comes again.
        Ok(Some(if stored == object.to_string() { Keyed::Applied(T::default()) } else { Keyed::Replayed(stored) }))
    }
}
