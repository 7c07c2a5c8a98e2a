//! JSON Schema, as far as answers are held to it: the keywords of draft 2020-12 but for those that need another document
//! or another keyword's outcome (`unevaluated…`, `$dynamicRef`, `$anchor`). A schema that uses one of those is refused
//! when it is compiled, never half applied; what only describes (`title`, `format`, …) is passed over, as the draft says.
//!
//! A check has a budget of steps: a schema is written by whoever asks, and small ones can be made to take for ever.

mod check;
mod compile;
mod measure;

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    root: Value,
    /// Every `pattern`, and every name in `patternProperties`.
    patterns: HashMap<String, Regex>,
}

/// The JSON pointer that a reference within a document stands for; `None` if it does not stay within it.
fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| text.is_empty() || text.starts_with('/'))
}

/// A name as a step of a JSON pointer.
fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
