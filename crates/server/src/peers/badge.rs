//! The badge of a request between nodes: a code over what is asked, of whom and when, made with a secret that the nodes
//! share. The secret itself never crosses the network.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use sederunt_core::clock::Time;
use sederunt_core::id::NodeId;

use super::NODE;

/// How old a badge may be, or how far ahead. Nodes agree on the time to less than a second; for so long, whoever listens on
/// the way could send the same request again.
const AGE: Duration = Duration::from_secs(60);

/// What the code is made for: no other use of the same secret makes the same one.
const CONTEXT: &str = "sederunt 2026 requests between nodes";

/// The scheme of the `Authorization` header.
const SCHEME: &str = "Sederunt-Node ";

/// What the nodes of a cluster share.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The fewest characters of a secret that somebody chose.
    pub const MIN: usize = 32;

    /// From any bytes; `None` if they are fewer than [`Secret::MIN`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= Self::MIN).then(|| Self(blake3::derive_key(CONTEXT, bytes)))
    }

    /// The value of `Authorization` for a request to node `to` made at `now`. `target` is its path and query.
    pub(super) fn sign(&self, method: &str, target: &str, to: NodeId, body: &[u8], now: Time) -> String {
        let (now, body) = (now.nanos(), blake3::hash(body).to_hex());
        format!("{SCHEME}{now}.{body}.{}", self.code(method, target, to, &body, now).to_hex())
    }

    /// What the body of a request to node `me` must hash to; `None` unless its headers bear a badge of this secret for
    /// this request, made about `now`.
    pub(super) fn check(
        &self,
        method: &str,
        target: &str,
        me: NodeId,
        headers: &HeaderMap,
        now: Time,
    ) -> Option<blake3::Hash> {
        let mut fields = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(SCHEME)?.splitn(3, '.');
        let mut next = || fields.next();
        let (made, body, code) = (next()?.parse::<i64>().ok()?, next()?, next()?);
        let age = Duration::from_nanos(made.abs_diff(now.nanos()));
        // blake3::Hash compares in constant time.
        let genuine = self.code(method, target, me, body, made) == blake3::Hash::from_hex(code).ok()?;
        if genuine && age <= AGE { blake3::Hash::from_hex(body).ok() } else { None }
    }

    fn code(&self, method: &str, target: &str, to: NodeId, body: &str, made: i64) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{method}\n{target}\n{to}\n{made}\n{body}").as_bytes())
    }
}

/// From bytes drawn by chance.
impl From<[u8; 32]> for Secret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(blake3::derive_key(CONTEXT, &bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The node that a request means.
pub(super) fn meant(headers: &HeaderMap) -> Option<NodeId> {
    headers.get(HeaderName::from_static(NODE))?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use sederunt_core::id::{Ids, SystemChance};

    use super::*;

    fn bearing(badge: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(badge).unwrap())])
    }

    #[test]
    fn a_badge_is_good_for_its_request_at_its_time_and_for_nothing_else() {
        let ids = Ids::new(std::sync::Arc::new(SystemChance));
        let now = Time::parse("2026-01-02T03:04:05Z").unwrap();
        let (me, other) = (NodeId(ids.uuid(now)), NodeId(ids.uuid(now)));
        let secret = Secret::new(&[7; 32]).unwrap();
        let headers = bearing(&secret.sign("POST", "/orders", me, b"{}", now));
        let check = |secret: &Secret, method, target, me, headers: &HeaderMap, now| {
            secret.check(method, target, me, headers, now).map(|body| body == blake3::hash(b"{}"))
        };
        assert_eq!(check(&secret, "POST", "/orders", me, &headers, now), Some(true));
        assert_eq!(check(&secret, "POST", "/orders", me, &headers, now.plus(AGE)), Some(true));
        let late = now.plus(AGE + Duration::from_nanos(1));
        assert_eq!(check(&secret, "POST", "/orders", me, &headers, late), None);
        assert_eq!(check(&secret, "GET", "/orders", me, &headers, now), None);
        assert_eq!(check(&secret, "POST", "/order", me, &headers, now), None);
        assert_eq!(check(&secret, "POST", "/orders", other, &headers, now), None);
        assert_eq!(check(&Secret::new(&[8; 32]).unwrap(), "POST", "/orders", me, &headers, now), None);
        for bad in ["", "Sederunt-Node ", "Sederunt-Node 1.2.3", "Bearer x", "Sederunt-Node 1..", "Sederunt-Node -.-.-"]
        {
            assert_eq!(check(&secret, "POST", "/orders", me, &bearing(bad), now), None, "{bad}");
        }
        assert_eq!(check(&secret, "POST", "/orders", me, &HeaderMap::new(), now), None);
    }

    #[test]
    fn a_short_secret_is_none_and_no_secret_is_shown() {
        assert!(Secret::new(&[1; 31]).is_none());
        assert_eq!(format!("{:?}", Secret::new(&[1; 32]).unwrap()), "Secret(..)");
    }
}
