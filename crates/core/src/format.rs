//! The form of an answer: what a model must keep to that was asked for JSON, and what is wrong with an answer that does
//! not.

use serde_json::Value;

use crate::agent::AnswerFormat;
use crate::error::{Error, Reason, Result};
use crate::schema::Schema;

/// The request's part that asks for a form, as errors name it.
const PARAM: &str = "format";
/// The largest schema, in bytes of JSON.
const SCHEMA_MOST: usize = 256 << 10;

/// A form that can be checked.
#[derive(Debug)]
pub(crate) enum Form {
    /// Any JSON object.
    Object,
    /// JSON that a schema accepts.
    Schema(Box<Schema>),
}

impl AnswerFormat {
    /// Refuses a form that no answer could be checked against: `Invalid` of `format`.
    pub fn check(&self) -> Result<()> {
        Form::of(Some(self)).map(drop)
    }
}

impl Form {
    /// What is asked for; `None` if any text will do. `Invalid` of `format` if a schema cannot be used.
    pub fn of(format: Option<&AnswerFormat>) -> Result<Option<Self>> {
        match format {
            None | Some(AnswerFormat::Text) => Ok(None),
            Some(AnswerFormat::JsonObject) => Ok(Some(Self::Object)),
            Some(AnswerFormat::JsonSchema { schema, .. }) => {
                let size = serde_json::to_vec(schema).map_err(Error::internal)?.len();
                if size > SCHEMA_MOST {
                    return Err(Error::invalid(PARAM, Reason::TooLarge(SCHEMA_MOST as u64)));
                }
                let schema = Schema::compile(schema).map_err(|wrong| Error::malformed(PARAM, wrong))?;
                Ok(Some(Self::Schema(Box::new(schema))))
            }
        }
    }

    /// What is wrong with an answer first of all, said so that the model can correct it.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(answer.trim()).map_err(|e| format!("it is not JSON: {e}"))?;
        match self {
            Self::Object if value.is_object() => Ok(()),
            Self::Object => Err("it is not a JSON object".into()),
            Self::Schema(schema) => schema.check(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(schema: Value) -> Result<Option<Form>> {
        Form::of(Some(&AnswerFormat::JsonSchema { name: "n".into(), schema, strict: true }))
    }

    #[test]
    fn an_object_is_an_object_and_nothing_around_it() {
        let form = Form::of(Some(&AnswerFormat::JsonObject)).unwrap().unwrap();
        assert_eq!(form.check(" {\"a\": 1}\n"), Ok(()));
        for other in ["", "[1]", "```json\n{}\n```", "{} and more"] {
            assert!(form.check(other).is_err(), "{other}");
        }
    }

    #[test]
    fn free_text_has_no_form() {
        assert!(Form::of(None).unwrap().is_none());
        assert!(Form::of(Some(&AnswerFormat::Text)).unwrap().is_none());
    }

    #[test]
    fn a_schema_that_is_none_or_is_too_large_is_refused() {
        for schema in [json!({"type": "objekt"}), json!(7), json!({"description": "x".repeat(SCHEMA_MOST)})] {
            assert!(matches!(of(schema), Err(Error::Invalid { param, .. }) if param == "format"));
        }
    }
}
