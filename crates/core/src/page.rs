//! Walks: one paged listing from its first page to its last, and the tokens that carry its place from page to page.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::error::{Error, Result};
use crate::id::SessionId;

/// One page, and what asks for the next.
#[derive(Clone, Debug)]
pub struct Page<T, N> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on; `None` on the last page.
    pub next: Option<N>,
}

/// Which end of a list in the order of creation comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    OldestFirst,
    /// The newest.
    NewestFirst,
}

/// A piece of a list whose order never changes, by the places of its entries. With `after`, the first entries behind that
/// place; with `before` alone, the last ones ahead of it; with both, the first between them. In any case they come in
/// the order asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice<P> {
    /// Which end comes first.
    pub order: Order,
    /// Only what follows this place, in that order.
    pub after: Option<P>,
    /// Only what precedes this place, in that order.
    pub before: Option<P>,
    /// The most entries.
    pub limit: u32,
}

/// What a [`Slice`] held.
#[derive(Clone, Debug, PartialEq)]
pub struct Sliced<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether more of them lie on the far side: behind the last one, or, with `before` alone, ahead of the first.
    pub more: bool,
}

/// A place in a list by time of creation: that time, then the id.
pub type Created<Id> = (Time, Id);

/// A place in the list of sessions by *most recently updated*: that list is ordered by update time descending, then by
/// id descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The update time of the last session seen.
    pub updated: Time,
    /// Its id.
    pub id: SessionId,
}

/// A walk over a list that moves while it is read.
///
/// Every transaction that makes or moves a session of an owner draws the owner's next commit number. `mark`
/// holds the numbers (one a shard) at the first page; later pages show each session where it stood at the mark, so that
/// each one that existed then and still exists comes exactly once. Positions left behind are remembered for a window
/// (an hour); an older walk goes on as plain keyset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The commit numbers at the first page.
    pub mark: Vec<i64>,
    /// The last place seen.
    pub after: Position,
}

/// Seals page tokens: what a client hands back is what we handed out, for the same caller, list and filter.
#[derive(Clone)]
pub struct TokenSeal([u8; 32]);

impl fmt::Debug for TokenSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSeal(..)")
    }
}

/// Bytes of authentication code in a token.
const CODE: usize = 16;

impl TokenSeal {
    /// A seal under this key. Nodes that share a store share the key.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A token that carries `content` and is good only for `binding` (caller, list, filter). URL-safe text.
    pub fn seal(&self, binding: &str, content: &impl Serialize) -> Result<String> {
        let mut bytes = serde_json::to_vec(content).map_err(Error::internal)?;
        let code = self.code(binding, &bytes);
        bytes.extend_from_slice(&code);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a token carries; an error if it is not ours or not for `binding`.
    pub fn open<T: for<'de> Deserialize<'de>>(&self, binding: &str, token: &str) -> Result<T> {
        let foreign = || Error::malformed("page token", "not a token of this list");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
        let (content, code) = bytes.len().checked_sub(CODE).map(|at| bytes.split_at(at)).ok_or_else(foreign)?;
        // blake3::Hash compares in constant time; the codes are padded to its length.
        let pad = |code: &[u8]| {
            let mut whole = [0u8; 32];
            whole.iter_mut().zip(code).for_each(|(to, from)| *to = *from);
            blake3::Hash::from_bytes(whole)
        };
        if pad(code) != pad(&self.code(binding, content)) {
            return Err(foreign());
        }
        serde_json::from_slice(content).map_err(|_| foreign())
    }

    fn code(&self, binding: &str, content: &[u8]) -> [u8; CODE] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(binding.len() as u64).to_be_bytes());
        hasher.update(binding.as_bytes());
        hasher.update(content);
        let mut code = [0u8; CODE];
        hasher.finalize_xof().fill(&mut code);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_opens_for_its_binding_and_no_other(content in ".*", binding in ".*", other in ".*") {
            let seal = TokenSeal::new([7; 32]);
            let token = seal.seal(&binding, &content).unwrap();
            prop_assert_eq!(seal.open::<String>(&binding, &token).unwrap(), content);
            prop_assert!(binding == other || seal.open::<String>(&other, &token).is_err());
            prop_assert!(TokenSeal::new([8; 32]).open::<String>(&binding, &token).is_err());
        }

        #[test]
        fn no_text_at_all_makes_it_panic(token in ".*") {
            prop_assert!(TokenSeal::new([7; 32]).open::<String>("b", &token).is_err());
        }
    }
}
