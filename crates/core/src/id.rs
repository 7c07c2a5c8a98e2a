//! Identifiers: typed, made by the caller, equal in every store.
//!
//! Core ids are UUIDv7. Names that people give (agent and session keys) are [`Key`]s. What a dialect prints as an id is
//! a pure function of these.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Time;
use crate::error::Error;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Error::malformed(stringify!($name), "not a UUID"))
            }
        }
    };
}

uuid_id!(
    /// An agent, whatever it is called.
    AgentId
);
uuid_id!(
    /// A session.
    SessionId
);
uuid_id!(
    /// A turn; unique in its tenant, so that a turn's parent may lie in another session.
    TurnId
);
uuid_id!(
    /// One entry of the record.
    ItemId
);
uuid_id!(
    /// A file that a user brought.
    ArtifactId
);
uuid_id!(
    /// A conversation: a named, movable head of a line.
    ConversationId
);
uuid_id!(
    /// An instruction, whatever it is called.
    InstructionId
);
uuid_id!(
    /// One life of one process. A lease names it, so that a restarted process is never taken for its predecessor.
    NodeId
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text_id!(
    /// The isolation boundary; first column of every key.
    TenantId
);
text_id!(
    /// A person, or a service that acts for itself.
    UserId
);
text_id!(
    /// The client application through which a caller speaks. Lists may be limited to what one client made.
    ClientId
);

impl UserId {
    /// Between a user and the end user whom they act for. No user that a credential speaks for has it in their name.
    pub const BEHIND: char = '/';

    /// The end user of this name behind this user: somebody whom only this user knows.
    pub fn behind(&self, end_user: &str) -> Self {
        Self(format!("{}{}{end_user}", self.0, Self::BEHIND))
    }

    /// The user whom an end user is behind; any other user themselves.
    pub fn base(&self) -> &str {
        self.0.split(Self::BEHIND).next().unwrap_or(&self.0)
    }

    /// Whether this is an end user behind another user.
    pub fn is_end_user(&self) -> bool {
        self.0.contains(Self::BEHIND)
    }

    /// Whether this is an end user behind `user`.
    pub fn is_behind(&self, user: &Self) -> bool {
        self.0.strip_prefix(&user.0).is_some_and(|rest| rest.starts_with(Self::BEHIND))
    }
}

impl ClientId {
    /// The client of every personal token: what one person makes with any of their tokens counts as made by one client.
    pub fn personal() -> Self {
        Self("personal".to_owned())
    }
}

/// A name that people give to an agent or a session: 1 to 128 of `A-Z a-z 0-9 _ -`.
///
/// Unique per tenant for agents, per (tenant, agent) for sessions. A dialect may be stricter about what it creates, and
/// accepts this grammar in paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The longest key, in bytes.
    pub const MAX: usize = 128;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(legal) {
            return Err(Error::malformed("key", "1 to 128 letters, digits, '_' or '-'"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<SessionId> for Key {
    /// The default key of a session: the UUID's text, legal in every dialect.
    fn from(id: SessionId) -> Self {
        Self(id.to_string())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

/// Where randomness comes from: the one source of chance in the process, handed in so that a seeded run repeats.
pub trait Chance: Send + Sync + fmt::Debug {
    /// Fills `bytes`. The system's source is fit for secrets; a seeded one is not, and says so at start.
    fn fill(&self, bytes: &mut [u8]);
}

/// Makes ids from the time and the source of chance.
#[derive(Clone, Debug)]
pub struct Ids {
    chance: Arc<dyn Chance>,
    /// The time of the last id, in units of the 4096th part of a millisecond.
    last: Arc<AtomicU64>,
}

impl Ids {
    /// Ids drawn from `chance`.
    pub fn new(chance: Arc<dyn Chance>) -> Self {
        Self { chance, last: Arc::default() }
    }

    /// A UUIDv7: milliseconds of `now`, then the fraction of the millisecond in 12 bits, then 62 random bits. Ids of one
    /// process sort in the order in which they were made: where the clock stands still, or was set back, the next id's
    /// time is the last one's and a quarter of a microsecond.
    pub fn uuid(&self, now: Time) -> Uuid {
        let nanos = now.nanos().max(0) as u64;
        let now = ((nanos / 1_000_000) << 12) | (((nanos % 1_000_000) << 12) / 1_000_000);
        let after = |last: u64| Some(now.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or_default();
        let tick = now.max(last + 1);
        let (millis, fraction) = (tick >> 12, tick & 0xfff);
        let mut random = [0u8; 8];
        self.chance.fill(&mut random);
        let high = (millis << 16) | 0x7000 | fraction;
        let low = (u64::from_be_bytes(random) & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        Uuid::from_u64_pair(high, low)
    }

    /// A UUIDv4, for what must not tell its time: error instance ids, request ids.
    pub fn random_uuid(&self) -> Uuid {
        let mut bytes = [0u8; 16];
        self.chance.fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_bytes(bytes)
    }

    /// 256 random bits.
    pub fn secret(&self) -> [u8; 32] {
        let mut bytes = [0u8; 32];
        self.chance.fill(&mut bytes);
        bytes
    }

    /// A number from 0 up to but not `n`, each as likely as the others; 0 if `n` is 0.
    pub fn below(&self, n: u32) -> u32 {
        let mut bytes = [0u8; 8];
        self.chance.fill(&mut bytes);
        // Of 64 bits, no number below 2^32 is likelier by more than one part in 2^32.
        (u64::from_be_bytes(bytes) % u64::from(n.max(1))) as u32
    }
}

/// The operating system's source.
#[derive(Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::expect_used, reason = "without the system's randomness no secret is safe: nothing can go on")]
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// A repeatable source: the keystream of BLAKE3 under the seed. Not for secrets.
#[derive(Debug)]
pub struct SeededChance {
    stream: std::sync::Mutex<blake3::OutputReader>,
}

impl SeededChance {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("sederunt seeded chance v1");
        hasher.update(&seed.to_be_bytes());
        Self { stream: std::sync::Mutex::new(hasher.finalize_xof()) }
    }
}

impl Chance for SeededChance {
    fn fill(&self, bytes: &mut [u8]) {
        // A poisoned lock only means that another thread panicked between two reads; the stream is still a stream.
        self.stream.lock().unwrap_or_else(|e| e.into_inner()).fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_they_were_made_where_the_clock_stands_or_goes_back() {
        let ids = Ids::new(Arc::new(SystemChance));
        let made: Vec<_> = [9, 9, 9, 3, 1, 9].map(|s| ids.uuid(Time::from_nanos(s * 1_000_000_000))).into();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let ids = Ids::new(Arc::new(SystemChance));
        let at = |n: i64| ids.uuid(Time::from_nanos(1_700_000_000_000_000_000 + n));
        assert!(at(0) < at(1_000) && at(1_000) < at(1_000_000));
        assert_eq!(at(5).get_version_num(), 7);
    }

    #[test]
    fn a_seed_repeats_its_ids() {
        let draw = |seed| Ids::new(Arc::new(SeededChance::new(seed))).uuid(Time::from_nanos(7));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn keys_hold_to_their_grammar() {
        for good in ["a", "A_b-9", &"x".repeat(128)] {
            assert!(good.parse::<Key>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", &"x".repeat(129)] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
