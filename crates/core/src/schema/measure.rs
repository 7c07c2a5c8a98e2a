//! Single measures of a value: its type, its size, its bounds.

use serde_json::{Map, Number, Value};

use super::check::{Outcome, wrong};

/// A whole number from 0, also if it is written with a point.
pub fn count(value: &Value) -> Option<u64> {
    let whole = |number: f64| {
        // Past this a float no longer tells whole numbers apart.
        (number >= 0.0 && number.fract() == 0.0 && number <= 9_007_199_254_740_992.0).then_some(number as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// Whether a size lies between the two bounds that these keywords set.
pub fn bounds(
    keywords: &Map<String, Value>,
    (least, most): (&str, &str),
    size: usize,
    what: &str,
    at: &str,
) -> Outcome {
    let size = size as u64;
    if let Some(least) = keywords.get(least).and_then(count).filter(|least| size < *least) {
        return Err(wrong(at, format!("has {size} {what} and must have at least {least}")));
    }
    if let Some(most) = keywords.get(most).and_then(count).filter(|most| size > *most) {
        return Err(wrong(at, format!("has {size} {what} and must have at most {most}")));
    }
    Ok(())
}

/// Whether a number is what may be asked of one.
pub fn numeric(keywords: &Map<String, Value>, number: &Number, at: &str) -> Outcome {
    let Some(value) = number.as_f64() else { return Ok(()) };
    let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_f64);
    let broken = |keyword: &str, fits: fn(f64, f64) -> bool| bound(keyword).filter(|bound| !fits(value, *bound));
    let said = [
        ("at least", broken("minimum", |value, bound| value >= bound)),
        ("at most", broken("maximum", |value, bound| value <= bound)),
        ("more than", broken("exclusiveMinimum", |value, bound| value > bound)),
        ("less than", broken("exclusiveMaximum", |value, bound| value < bound)),
        ("a multiple of", broken("multipleOf", is_multiple)),
    ];
    match said.iter().find_map(|(how, bound)| bound.map(|bound| format!("must be {how} {bound}"))) {
        Some(why) => Err(wrong(at, why)),
        None => Ok(()),
    }
}

fn is_multiple(value: f64, of: f64) -> bool {
    let times = value / of;
    if !times.is_finite() {
        return value % of == 0.0;
    }
    // 0.3 is a multiple of 0.1, whatever binary fractions say.
    (times - times.round()).abs() <= times.abs().max(1.0) * 4.0 * f64::EPSILON
}

/// Whether a value is of a type that a schema names.
pub fn is_a(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("object", Value::Object(_))
        | ("array", Value::Array(_))
        | ("boolean", Value::Bool(_))
        | ("null", Value::Null) => true,
        _ => false,
    }
}
