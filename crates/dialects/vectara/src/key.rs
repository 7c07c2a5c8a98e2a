//! Keys: given by callers, or made from names as the live service makes them (`agt_rag_research_assistant_4627`).

use sederunt_core::id::{Ids, Key};

use crate::failure::Failure;

/// The longest key that can be given, and the longest that is made.
const LONGEST: usize = 50;

/// A key that a caller gives at the member `field`: 1 to 50 letters, digits, `_` or `-`.
pub(crate) fn given(field: &str, text: &str) -> Result<Key, Failure> {
    let key = if text.len() <= LONGEST { text.parse().ok() } else { None };
    key.ok_or_else(|| Failure::invalid(field, format!("{field} must be 1 to {LONGEST} letters, digits, '_' or '-'")))
}

/// A key from a prefix (`agt`, `ase`), the name, and four hexadecimal digits of chance.
pub(crate) fn generated(prefix: &str, name: &str, ids: &Ids) -> Result<Key, Failure> {
    Ok(compose(prefix, name, ids.below(0x1_0000)).parse()?)
}

fn compose(prefix: &str, name: &str, chance: u32) -> String {
    let mut slug = String::new();
    let mut in_space = false;
    for c in name.chars() {
        if c.is_whitespace() {
            in_space = true;
            continue;
        }
        if std::mem::take(&mut in_space) {
            slug.push('_');
        }
        slug.extend(c.to_lowercase().filter(|c| c.is_ascii_digit() || c.is_ascii_lowercase() || "_-".contains(*c)));
    }
    if in_space {
        slug.push('_');
    }
    // The two underscores and the digits of chance.
    slug.truncate(LONGEST - prefix.len() - 6);
    format!("{prefix}_{slug}_{chance:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_looks_like_the_services() {
        for (name, key) in [
            ("RAG Research Assistant", "agt_rag_research_assistant_4627"),
            ("Technical  Support\tChat 20260528-151501", "agt_technical_support_chat_20260528-151501_4627"),
            ("Café ☕ 7", "agt_caf__7_4627"),
            ("日本", "agt__4627"),
        ] {
            assert_eq!(compose("agt", name, 0x4627), key);
        }
        assert_eq!(compose("ase", &"x".repeat(300), 7).len(), LONGEST);
    }

    #[test]
    fn a_given_key_has_at_most_fifty_characters() {
        assert!(given("key", &"x".repeat(50)).is_ok());
        for bad in ["", "a b", "é", "a/b", &"x".repeat(51)] {
            assert_eq!(given("key", bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
