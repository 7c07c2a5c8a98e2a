//! Times as the service writes them: whole seconds since the epoch.

use sederunt_core::clock::Time;

/// What stands for *never*, where the wire wants a time: 9999-12-31T23:59:59Z.
pub(crate) const NEVER: i64 = 253_402_300_799;

/// The second that the moment lies in.
pub(crate) fn seconds(time: Time) -> i64 {
    time.nanos().div_euclid(1_000_000_000)
}
