//! The members of a session that a request gives or changes.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// The longest name, in characters.
const LONGEST_NAME: usize = 255;

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 10_000;

/// The longest time to idle, in minutes: a hundred years.
const LONGEST_TTI: u64 = 100 * 366 * 24 * 60;

/// `name`, if there.
pub(super) fn name(body: &Fields<'_>) -> Result<Option<String>, Failure> {
    match body.text("name")? {
        Some(name) if !(1..=LONGEST_NAME).contains(&name.chars().count()) => {
            Err(must_be("name", "1 to 255 characters"))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// `description`, if there.
pub(super) fn description(body: &Fields<'_>) -> Result<Option<String>, Failure> {
    Ok(body.short_text("description", LONGEST_DESCRIPTION)?.map(str::to_owned))
}

/// `metadata`, if there, as it came.
pub(super) fn metadata(body: &Fields<'_>) -> Result<Option<Map<String, Value>>, Failure> {
    match body.get("metadata") {
        None => Ok(None),
        Some(Value::Object(metadata)) => Ok(Some(metadata.clone())),
        Some(_) => Err(must_be("metadata", "an object").code(INVALID_METADATA)),
    }
}

/// The code of metadata that cannot be taken.
pub(super) const INVALID_METADATA: &str = "invalid_metadata";

/// `tti_minutes`, if there: how long the session lives after its last activity; 0 is for ever.
pub(super) fn lifetime(body: &Fields<'_>) -> Result<Option<Option<Duration>>, Failure> {
    let minutes = body.integer("tti_minutes", 0, LONGEST_TTI)?;
    Ok(minutes.map(|minutes| (minutes > 0).then(|| Duration::from_secs(minutes * 60))))
}

/// A refusal of the core's, with the code of metadata where it is that which it refuses.
pub(super) fn refused(failure: Failure) -> Failure {
    let is_metadata = failure.status == 400 && failure.fields().iter().any(|(field, _)| field == "metadata");
    if is_metadata { failure.code(INVALID_METADATA) } else { failure }
}
