//! Two clocks. [`Clock`] tells the time that people see and that a tester may move; [`Timer`] tells how much time has
//! really passed, for leases, timeouts, the life of tokens and keep-alive. Moving the first breaks nothing that the
//! second holds.

mod agreement;

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub use agreement::Agreement;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A moment: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// The moment `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Later by `by`, at most the last moment that fits (the year 2262).
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero if it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset and 0 to 9 digits of fraction.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let stamp: jiff::Timestamp =
            text.parse().map_err(|_| Error::malformed("time", "not an RFC 3339 time such as 2026-01-02T03:04:05Z"))?;
        let nanos = i64::try_from(stamp.as_nanosecond())
            .map_err(|_| Error::malformed("time", "outside the years 1678 to 2262"))?;
        Ok(Self(nanos))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with nine digits of fraction: `2024-10-01T22:04:24.962583055Z`. By hand, since every record that
    /// is shown prints several, and a calendar for all purposes takes five times as long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let numbers = [year, month, day, second / 3_600, second / 60 % 60, second % 60, nanos];
        for (number, (from, to)) in
            numbers.into_iter().zip([(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (20, 29)])
        {
            let mut rest = number.unsigned_abs();
            for digit in text.iter_mut().take(to).skip(from).rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Year, month and day of the proleptic Gregorian calendar, so many days after 1970-01-01. Years are counted from March,
/// so that the leap day is a year's last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The time that is written on records and compared with their expiry. May be moved, in either direction.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Time;

    /// Moves or holds the clock, where that is allowed.
    fn set(&self, to: ClockSetting) -> Result<Time, Error>;

    /// How far the clock stands from the system's, and whether it is held still.
    fn setting(&self) -> ClockSetting;
}

/// How a clock relates to the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSetting {
    /// Runs, this many nanoseconds ahead of (or behind) the system's time.
    Offset(i64),
    /// Stands still at this moment until it is set again.
    Held(Time),
}

/// Real elapsed time; nobody moves it.
pub trait Timer: Send + Sync + fmt::Debug {
    /// Monotonic time since an arbitrary start.
    fn elapsed(&self) -> Duration;

    /// The system's time of day, for lives that must outlast the process (tokens). Never the movable clock.
    fn wall(&self) -> Time;
}

/// The system's time of day.
fn system_now() -> Time {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    let now = std::time::SystemTime::now();
    let nanos = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    Time(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// The system's clock, which cannot be moved.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        system_now()
    }

    fn set(&self, _to: ClockSetting) -> Result<Time, Error> {
        Err(Error::invalid(
            "clock",
            crate::error::Reason::NotAllowed("the clock can be moved only in development".into()),
        ))
    }

    fn setting(&self) -> ClockSetting {
        ClockSetting::Offset(0)
    }
}

/// A clock for development and tests: starts where it is told, can be moved and held.
#[derive(Debug)]
pub struct MovableClock(Mutex<Moved>);

#[derive(Debug)]
struct Moved {
    setting: ClockSetting,
    /// The latest time told since it was set, so that two readings never go back.
    last: Time,
}

impl MovableClock {
    /// A clock that runs from the system's time, or from `start`.
    pub fn new(start: Option<Time>) -> Self {
        let offset = start.map_or(0, |t| t.nanos().saturating_sub(system_now().nanos()));
        Self::with(ClockSetting::Offset(offset))
    }

    /// A clock that stands still at `at`.
    pub fn held(at: Time) -> Self {
        Self::with(ClockSetting::Held(at))
    }

    fn with(setting: ClockSetting) -> Self {
        Self(Mutex::new(Moved { setting, last: Time(i64::MIN) }))
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, Moved> {
        // Two plain values, whole after each assignment.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Time {
        let mut moved = self.moved();
        match moved.setting {
            ClockSetting::Held(at) => at,
            ClockSetting::Offset(offset) => {
                moved.last = moved.last.max(Time(system_now().nanos().saturating_add(offset)));
                moved.last
            }
        }
    }

    fn set(&self, to: ClockSetting) -> Result<Time, Error> {
        *self.moved() = Moved { setting: to, last: Time(i64::MIN) };
        Ok(self.now())
    }

    fn setting(&self) -> ClockSetting {
        self.moved().setting
    }
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemTimer(Instant);

impl Default for SystemTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> Time {
        system_now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_nine_digits_and_reads_back() {
        let time = Time::parse("2024-10-01T22:04:24.962583055Z").unwrap();
        assert_eq!(time.to_string(), "2024-10-01T22:04:24.962583055Z");
        assert_eq!(Time::parse("2024-10-02T00:04:24.962583055+02:00").unwrap(), time);
        assert_eq!(Time::parse("2026-01-02T03:04:05Z").unwrap().to_string(), "2026-01-02T03:04:05.000000000Z");
        assert!(Time::parse("yesterday").is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_time_reads_back_as_itself(nanos: i64) {
            let time = Time::from_nanos(nanos);
            proptest::prop_assert_eq!(Time::parse(&time.to_string()).unwrap(), time);
        }
    }

    #[test]
    fn a_held_clock_stands_still_and_an_advanced_one_runs_on() {
        let start = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let clock = MovableClock::held(start);
        assert_eq!((clock.now(), clock.now()), (start, start));
        let clock = MovableClock::new(Some(start));
        let ClockSetting::Offset(offset) = clock.setting() else { panic!("runs") };
        clock.set(ClockSetting::Offset(offset + 3_600_000_000_000)).unwrap();
        assert!(clock.now() >= start.plus(Duration::from_secs(3600)));
    }
}
