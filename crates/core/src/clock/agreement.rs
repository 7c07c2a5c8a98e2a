//! How the nodes of a cluster agree on the time: each corrects its clocks by the database's, so that machines whose clocks
//! stand seconds apart write the same times and end the same lives.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{Clock, ClockSetting, Time, Timer};
use crate::error::Error;

/// Which part of the time that passes is given to going back: the time that is told never does.
const SLEW: i64 = 10;
/// Says that the correction is under way.
const MOVING: i64 = i64::MIN;

/// The time of day that a node has agreed on: its own elapsed time, from a moment that the database told. Until one is told
/// it is the machine's time of day.
#[derive(Debug)]
pub struct Agreement {
    timer: Arc<dyn Timer>,
    /// Where elapsed time began, in nanoseconds since the epoch; [`MOVING`] while that changes or is not known.
    steady: AtomicI64,
    moving: Mutex<Moving>,
}

#[derive(Debug, Default)]
struct Moving {
    /// What is told at present; `None` before anything was measured.
    now: Option<i64>,
    /// What was measured.
    target: i64,
    /// Up to when, in elapsed nanoseconds, `now` was moved.
    at: i64,
}

impl Agreement {
    /// An agreement of a node whose real time is told by `timer`.
    pub fn new(timer: Arc<dyn Timer>) -> Arc<Self> {
        Arc::new(Self { timer, steady: AtomicI64::new(MOVING), moving: Mutex::default() })
    }

    /// The timer with the agreed time of day.
    pub fn timer(self: &Arc<Self>) -> Arc<dyn Timer> {
        Arc::new(AgreedTimer(self.clone()))
    }

    /// A clock that stands to the agreed time as `own` does to the machine's.
    pub fn clock(self: &Arc<Self>, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(AgreedClock { agreement: self.clone(), own })
    }

    /// How far the agreed time of day is ahead of the machine's, in nanoseconds; `None` if nothing was agreed on.
    pub fn ahead(&self) -> Option<i64> {
        self.beginning()?;
        Some(self.wall().nanos().saturating_sub(self.timer.wall().nanos()))
    }

    /// Takes in a time that the database told, asked for and answered at these elapsed times. What is within the doubt that
    /// the way there and back leaves is as good as agreed.
    pub(crate) fn measured(&self, told: Time, asked: Duration, answered: Duration) {
        let (asked, answered) = (nanos(asked), nanos(answered));
        let way = answered.saturating_sub(asked) / 2;
        let target = told.nanos().saturating_sub(asked.saturating_add(way));
        let mut moving = self.moving();
        moving.advance(answered);
        match moving.now {
            Some(now) if now.abs_diff(target) <= way.unsigned_abs() => return,
            // Forward at once, since that puts nothing out of order.
            Some(now) => moving.now = Some(now.max(target)),
            None => moving.now = Some(target),
        }
        moving.target = target;
        moving.at = answered;
        self.steady.store(moving.steady(), Ordering::Release);
    }

    /// Where elapsed time began.
    fn beginning(&self) -> Option<i64> {
        match self.steady.load(Ordering::Acquire) {
            MOVING => {
                let mut moving = self.moving();
                moving.advance(nanos(self.timer.elapsed()));
                self.steady.store(moving.steady(), Ordering::Release);
                moving.now
            }
            steady => Some(steady),
        }
    }

    fn wall(&self) -> Time {
        // Elapsed time is read after the beginning, so that a reading between the two never goes back.
        match self.beginning() {
            Some(beginning) => Time::from_nanos(beginning.saturating_add(nanos(self.timer.elapsed()))),
            None => self.timer.wall(),
        }
    }

    fn moving(&self) -> MutexGuard<'_, Moving> {
        // Plain values, whole after each assignment.
        self.moving.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Moving {
    /// Goes back as far as the time that has passed allows.
    fn advance(&mut self, elapsed: i64) {
        if let Some(now) = &mut self.now {
            let most = elapsed.saturating_sub(self.at).max(0) / SLEW;
            *now = self.target.max(now.saturating_sub(most));
        }
        self.at = self.at.max(elapsed);
    }

    fn steady(&self) -> i64 {
        self.now.filter(|now| *now == self.target).unwrap_or(MOVING)
    }
}

fn nanos(elapsed: Duration) -> i64 {
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

#[derive(Debug)]
struct AgreedTimer(Arc<Agreement>);

impl Timer for AgreedTimer {
    fn elapsed(&self) -> Duration {
        self.0.timer.elapsed()
    }

    fn wall(&self) -> Time {
        self.0.wall()
    }
}

#[derive(Debug)]
struct AgreedClock {
    agreement: Arc<Agreement>,
    own: Arc<dyn Clock>,
}

impl Clock for AgreedClock {
    fn now(&self) -> Time {
        if self.agreement.beginning().is_none() {
            return self.own.now();
        }
        match self.own.setting() {
            ClockSetting::Held(at) => at,
            ClockSetting::Offset(offset) => Time::from_nanos(self.agreement.wall().nanos().saturating_add(offset)),
        }
    }

    fn set(&self, to: ClockSetting) -> Result<Time, Error> {
        self.own.set(to)?;
        Ok(self.now())
    }

    fn setting(&self) -> ClockSetting {
        self.own.setting()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A machine whose time of day is so many seconds after the epoch when it starts.
    #[derive(Debug)]
    struct Machine {
        seconds: i64,
        elapsed: AtomicU64,
    }

    impl Machine {
        fn new(seconds: i64) -> Arc<Self> {
            Arc::new(Self { seconds, elapsed: AtomicU64::new(0) })
        }

        fn pass(&self, time: Duration) {
            self.elapsed.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
        }
    }

    impl Timer for Machine {
        fn elapsed(&self) -> Duration {
            Duration::from_nanos(self.elapsed.load(Ordering::Relaxed))
        }

        fn wall(&self) -> Time {
            Time::from_nanos(self.seconds * SECOND + nanos(self.elapsed()))
        }
    }

    fn seconds(seconds: i64) -> Time {
        Time::from_nanos(seconds * SECOND)
    }

    fn measure(agreement: &Agreement, told: Time) {
        let now = agreement.timer.elapsed();
        agreement.measured(told, now, now);
    }

    #[test]
    fn machines_whose_clocks_differ_tell_the_databases_time() {
        for started in [1_000, 1_007, 990] {
            let machine = Machine::new(started);
            let agreement = Agreement::new(machine.clone());
            assert_eq!(agreement.timer().wall(), seconds(started), "nothing was agreed on yet");
            measure(&agreement, seconds(1_000));
            machine.pass(Duration::from_secs(2));
            assert_eq!(agreement.timer().wall(), seconds(1_002));
            assert_eq!(agreement.ahead(), Some((1_000 - started) * SECOND));
        }
    }

    #[test]
    fn the_time_goes_forward_at_once_and_back_without_ever_going_back() {
        let machine = Machine::new(0);
        let agreement = Agreement::new(machine.clone());
        let timer = agreement.timer();
        measure(&agreement, seconds(100));
        measure(&agreement, seconds(160));
        assert_eq!(timer.wall(), seconds(160));
        measure(&agreement, seconds(159));
        let mut last = timer.wall();
        assert_eq!(last, seconds(160));
        for _ in 0..20 {
            machine.pass(Duration::from_secs(1));
            let now = timer.wall();
            assert!(now > last, "{now} after {last}");
            last = now;
        }
        assert_eq!(last, seconds(179));
    }

    #[test]
    fn a_slow_answer_leaves_doubt_and_changes_nothing_within_it() {
        let machine = Machine::new(0);
        let agreement = Agreement::new(machine.clone());
        measure(&agreement, seconds(100));
        machine.pass(Duration::from_secs(2));
        agreement.measured(seconds(101), Duration::ZERO, Duration::from_secs(2));
        assert_eq!(agreement.timer().wall(), seconds(102));
    }

    #[test]
    fn a_clock_that_is_held_or_moved_stays_so() {
        let machine = Machine::new(0);
        let agreement = Agreement::new(machine.clone());
        let clock = agreement.clock(Arc::new(super::super::MovableClock::held(seconds(5))));
        measure(&agreement, seconds(100));
        assert_eq!(clock.now(), seconds(5));
        assert_eq!(clock.set(ClockSetting::Offset(-10 * SECOND)).unwrap(), seconds(90));
    }
}
