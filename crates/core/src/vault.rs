//! The vault: secrets that people give, sealed under a key that the operator holds, so that whoever reads the store alone
//! cannot read them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::error::{Error, Reason, Result};
use crate::id::Ids;

/// What the vault's own key is derived for.
const PURPOSE: &str = "sederunt vault v1";

/// Random bytes in front of each sealed text. With the vault's key and what the text is about they make a key that is used
/// once.
const SALT: usize = 32;

/// Seals and opens secrets. Without a key it refuses both.
#[derive(Clone, Default)]
pub struct Vault(Option<[u8; 32]>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(..)" } else { "Vault(no key)" })
    }
}

impl Vault {
    /// The fewest bytes of the text that a key is made from.
    pub const KEY_MIN: usize = 32;

    /// A vault under the key made from this text; `None` if the text is shorter than [`Vault::KEY_MIN`].
    pub fn new(text: &str) -> Option<Self> {
        (text.len() >= Self::KEY_MIN).then(|| Self(Some(blake3::derive_key(PURPOSE, text.as_bytes()))))
    }

    /// A vault that has no key.
    pub fn without_key() -> Self {
        Self(None)
    }

    /// The secret as it can be stored. It opens again only with the same `about`: whose it is, and what it is called.
    /// `Invalid("secrets")` if there is no key.
    pub fn seal(&self, ids: &Ids, about: &str, secret: &str) -> Result<String> {
        let salt = ids.secret();
        let mut bytes = secret.as_bytes().to_vec();
        let key = self.key(about, &salt)?;
        key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut bytes).map_err(|e| Error::internal(e.to_string()))?;
        let mut sealed = salt.to_vec();
        sealed.append(&mut bytes);
        Ok(STANDARD_NO_PAD.encode(sealed))
    }

    /// What was sealed under the same key and `about`. `Invalid("secrets")` if there is no key, `Internal` if it was sealed
    /// under another, or changed since.
    pub fn open(&self, about: &str, sealed: &str) -> Result<String> {
        let unreadable = || Error::internal("a stored secret does not open with this key");
        let mut bytes = STANDARD_NO_PAD.decode(sealed).map_err(|_| unreadable())?;
        let (salt, rest) = bytes.split_at_mut_checked(SALT).ok_or_else(unreadable)?;
        let key = self.key(about, salt)?;
        let secret = key.open_in_place(nonce(), Aad::empty(), rest).map_err(|_| unreadable())?;
        String::from_utf8(secret.to_vec()).map_err(|_| unreadable())
    }

    /// The key for one sealed text.
    fn key(&self, about: &str, salt: &[u8]) -> Result<LessSafeKey> {
        let Some(vault) = &self.0 else {
            let why = "this server keeps no secrets: its operator has set no key for them";
            return Err(Error::invalid("secrets", Reason::NotAllowed(why.into())));
        };
        let mut hasher = blake3::Hasher::new_keyed(vault);
        hasher.update(salt).update(about.as_bytes());
        let key = UnboundKey::new(&CHACHA20_POLY1305, hasher.finalize().as_bytes());
        Ok(LessSafeKey::new(key.map_err(|e| Error::internal(e.to_string()))?))
    }
}

/// Each key seals one text only, so that the nonce need not differ.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::SystemChance;

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let ids = Ids::new(Arc::new(SystemChance));
        let vault = Vault::new(&"k".repeat(32)).unwrap();
        let sealed = vault.seal(&ids, "session 1: token", "söcret").unwrap();
        assert!(!sealed.contains("cret"));
        assert_ne!(sealed, vault.seal(&ids, "session 1: token", "söcret").unwrap());
        assert_eq!(vault.open("session 1: token", &sealed).unwrap(), "söcret");
        assert!(vault.open("session 2: token", &sealed).is_err());
        assert!(Vault::new(&"K".repeat(32)).unwrap().open("session 1: token", &sealed).is_err());
        for broken in ["", "AAAA", &sealed[..sealed.len() - 4], "not base64!"] {
            assert!(vault.open("session 1: token", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn without_a_key_nothing_is_sealed() {
        let ids = Ids::new(Arc::new(SystemChance));
        assert!(Vault::new("too short").is_none());
        let refused = Vault::without_key().seal(&ids, "a", "b").unwrap_err();
        assert!(matches!(refused, Error::Invalid { param, .. } if param == "secrets"));
    }
}
