//! Resource identifiers: `ri.<service>.<instance>.<type>.<locator>`. An agent's and a session's are their core ids in
//! another dress.

use sederunt_core::id::{AgentId, SessionId};
use uuid::Uuid;

const AGENT: &str = "ri.aip-agents..agent.";
const SESSION: &str = "ri.aip-agents..session.";

/// `ri.aip-agents..agent.<uuid>`.
pub fn agent_rid(id: AgentId) -> String {
    format!("{AGENT}{id}")
}

/// `ri.aip-agents..session.<uuid>`.
pub fn session_rid(id: SessionId) -> String {
    format!("{SESSION}{id}")
}

/// A well-formed identifier that names something, though perhaps nothing of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rid<T> {
    /// As the caller wrote it.
    pub text: String,
    /// What it names; `None` if it is of another service or type.
    pub id: Option<T>,
}

/// Reads an agent's identifier; `None` if it is no identifier at all.
pub(crate) fn read_agent(text: &str) -> Option<Rid<AgentId>> {
    read(text, AGENT).map(|(text, id)| Rid { text, id: id.map(AgentId) })
}

/// Reads a session's identifier; `None` if it is no identifier at all.
pub(crate) fn read_session(text: &str) -> Option<Rid<SessionId>> {
    read(text, SESSION).map(|(text, id)| Rid { text, id: id.map(SessionId) })
}

fn read(text: &str, prefix: &str) -> Option<(String, Option<Uuid>)> {
    let id = text.strip_prefix(prefix).and_then(uuid);
    (id.is_some() || is_rid(text)).then(|| (text.to_owned(), id))
}

/// A UUID in its hyphenated form, in either case.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// The vendor's pattern, as its Python SDK checks it in requests and answers:
/// `^ri\.[a-z][a-z0-9-]*\.([a-z0-9][a-z0-9\-]*)?\.[a-z][a-z0-9-]*\.[a-zA-Z0-9._-]+$`.
pub(crate) fn is_rid(text: &str) -> bool {
    let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let word = |s: &str| s.starts_with(|c: char| c.is_ascii_lowercase()) && s.bytes().all(lower);
    let mut parts = text.splitn(5, '.');
    let (Some("ri"), Some(service), Some(instance), Some(kind), Some(locator)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let instance_fits = instance.is_empty() || (!instance.starts_with('-') && instance.bytes().all(lower));
    let locator_fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    word(service) && instance_fits && word(kind) && !locator.is_empty() && locator.bytes().all(locator_fits)
}

/// An identifier that stands for a name: the name itself if it is one, else one of this kind that holds the name, or a
/// hash of it where the name has letters that an identifier has not. Always the same for the same name.
pub(crate) fn named(kind: &str, name: &str) -> String {
    if is_rid(name) {
        return name.to_owned();
    }
    let plain = format!("{kind}.{name}");
    if is_rid(&plain) { plain } else { format!("{kind}.{}", hashed(name)) }
}

/// A UUID made from a text, always the same for the same text.
pub(crate) fn hashed(text: &str) -> Uuid {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_are_told_from_other_texts_and_ours_from_others() {
        let id = AgentId(Uuid::from_u128(7));
        let rid = read_agent(&agent_rid(id)).unwrap();
        assert_eq!(rid.id, Some(id));
        let upper = format!("ri.aip-agents..agent.{}", id.to_string().to_uppercase());
        assert_eq!(read_agent(&upper).unwrap().id, Some(id));
        assert_eq!(read_agent("ri.foundry.main.dataset.abc").unwrap().id, None);
        assert_eq!(read_agent("ri.aip-agents..agent.not-a-uuid").unwrap().id, None);
        for bad in ["", "ri", "ri.a.b.c", "ri.A..b.c", "ri.a..b.", "ri.a.-b.c.d", "ri.a..b.c d", "x.a..b.c"] {
            assert_eq!(read_agent(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_identifier_reads_back_as_what_it_names(bits: u128) {
            let id = SessionId(Uuid::from_u128(bits));
            prop_assert_eq!(read_session(&session_rid(id)).and_then(|rid| rid.id), Some(id));
        }

        #[test]
        fn every_name_has_an_identifier(name in ".*") {
            let rid = named("ri.function-registry.main.function", &name);
            prop_assert!(is_rid(&rid));
            prop_assert_eq!(named("ri.function-registry.main.function", &name), rid);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = read_agent(&text);
        }
    }
}
