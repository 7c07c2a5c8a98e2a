//! Rate limits by credential: a token bucket of requests a minute, and a number of requests at once.
//!
//! A table of our own rather than a crate: it is one map with a bound, and the answer is needed together with the
//! number at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What one credential may do. Zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute, of which all may come at once.
    pub per_minute: u32,
    /// Requests that are being answered at once, their streams included.
    pub at_once: u32,
}

impl Rates {
    /// The limiter, if there is anything to limit.
    pub fn limiter(self) -> Option<Limiter> {
        (self != Self::default()).then(|| Limiter {
            rates: self,
            hasher: RandomState::new(),
            buckets: Arc::new(Mutex::new(HashMap::new())),
        })
    }
}

/// The most credentials that are remembered. When there are more, those that are at rest are forgotten first; if none
/// is, the newcomer is refused.
const MOST: usize = 65_536;

/// Admits requests. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct Limiter {
    rates: Rates,
    hasher: RandomState,
    buckets: Arc<Mutex<HashMap<u64, Bucket>>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    filled: Instant,
    running: u32,
}

/// The right to be answered; ends when dropped.
#[derive(Debug)]
pub struct Admission {
    bucket: u64,
    buckets: Arc<Mutex<HashMap<u64, Bucket>>>,
}

impl Limiter {
    /// Admits one request of `credential` at `now`, or says how long to wait.
    pub fn admit(&self, credential: &str, now: Instant) -> Result<Admission, Duration> {
        let key = self.hasher.hash_one(credential);
        let most = f64::from(self.rates.per_minute);
        let per_second = most / 60.0;
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            buckets.retain(|_, b| b.running > 0 || b.left + per_second * since(b.filled, now) < most);
            if buckets.len() >= MOST {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: most, filled: now, running: 0 });
        if self.rates.at_once > 0 && bucket.running >= self.rates.at_once {
            return Err(Duration::from_secs(1));
        }
        if self.rates.per_minute > 0 {
            bucket.left = (bucket.left + per_second * since(bucket.filled, now)).min(most);
            bucket.filled = now;
            if bucket.left < 1.0 {
                return Err(Duration::from_secs_f64((1.0 - bucket.left) / per_second));
            }
            bucket.left -= 1.0;
        }
        bucket.running += 1;
        drop(buckets);
        Ok(Admission { bucket: key, buckets: self.buckets.clone() })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(bucket) = lock(&self.buckets).get_mut(&self.bucket) {
            bucket.running -= 1;
        }
    }
}

fn since(earlier: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(earlier).as_secs_f64()
}

/// The counts hold even if a thread panicked between two of them.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_refills_the_bucket_and_each_credential_has_its_own() {
        let limiter = Rates { per_minute: 2, at_once: 0 }.limiter().unwrap();
        let start = Instant::now();
        let admit = |who, after| limiter.admit(who, start + Duration::from_secs(after)).map(drop);
        assert_eq!((admit("a", 0), admit("a", 0)), (Ok(()), Ok(())));
        assert_eq!(admit("a", 0), Err(Duration::from_secs(30)));
        assert_eq!(admit("b", 0), Ok(()));
        assert_eq!(admit("a", 30), Ok(()));
    }

    #[test]
    fn requests_at_once_are_counted_until_they_end() {
        let limiter = Rates { per_minute: 0, at_once: 1 }.limiter().unwrap();
        let now = Instant::now();
        let first = limiter.admit("a", now).unwrap();
        assert!(limiter.admit("a", now).is_err());
        drop(first);
        assert!(limiter.admit("a", now).is_ok());
    }

    #[test]
    fn no_limit_needs_no_limiter() {
        assert!(Rates::default().limiter().is_none());
    }
}
