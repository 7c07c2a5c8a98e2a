//! `agent_card`: what an agent says it can do (the service's REST reference). Kept as it came, within its limits.

use serde_json::Value;

use crate::failure::Failure;
use crate::fields::{Fields, must_be};

/// Checks a card.
pub(crate) fn check(card: &Value) -> Result<(), Failure> {
    let card = Fields::of("agent_card", card)?;
    bounded(&card, "version", 32)?;
    card.short_text("description", 2_048)?;
    let skills = card.objects("skills")?;
    if !(1..=16).contains(&skills.len()) {
        return Err(must_be(&card.path("skills"), "an array of 1 to 16 skills"));
    }
    for skill in skills {
        bounded(&skill, "id", 64)?;
        bounded(&skill, "name", 128)?;
        skill.text("description")?;
        short_texts(&skill, "tags", 32)?;
        short_texts(&skill, "examples", 1_024)?;
    }
    Ok(())
}

/// A text that must be there and has 1 to `most` characters.
fn bounded(of: &Fields<'_>, name: &str, most: usize) -> Result<(), Failure> {
    match of.short_text(name, most)? {
        Some("") | None => Err(must_be(&of.path(name), &format!("a string of 1 to {most} characters"))),
        Some(_) => Ok(()),
    }
}

/// At most five texts of at most `most` characters each.
fn short_texts(of: &Fields<'_>, name: &str, most: usize) -> Result<(), Failure> {
    let texts = of.list(name)?.unwrap_or_default();
    let fits = |text: &Value| text.as_str().is_some_and(|text| text.chars().nth(most).is_none());
    if texts.len() <= 5 && texts.iter().all(fits) {
        return Ok(());
    }
    Err(must_be(&of.path(name), &format!("an array of at most 5 strings of at most {most} characters")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::json;

    #[test]
    fn a_card_holds_to_its_limits() {
        let skill = json!({"id": "s", "name": "S", "tags": ["a"], "examples": ["b"]});
        assert!(check(&json!({"version": "1.0", "description": "d", "skills": [skill]})).is_ok());
        for bad in [
            json!([]),
            json!({"skills": [skill]}),
            json!({"version": "v".repeat(33), "skills": [skill]}),
            json!({"version": "1", "skills": []}),
            json!({"version": "1", "skills": vec![skill.clone(); 17]}),
            json!({"version": "1", "skills": [{"id": "s"}]}),
            json!({"version": "1", "skills": [{"id": "s", "name": "S", "tags": vec!["t"; 6]}]}),
            json!({"version": "1", "skills": [{"id": "s", "name": "S", "tags": ["t".repeat(33)]}]}),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }
}
