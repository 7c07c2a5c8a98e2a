//! When a request is sent again: twice the wait each time, spread by chance, or what the server asks for.

use std::time::Duration;

use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::id::Chance;
use tokio::time::Instant;

use super::Patience;
use super::failure::Failure;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// The longest wait that a server may ask for.
const MAX_ASKED: Duration = Duration::from_secs(30);

/// What is left of a request's retries.
#[derive(Debug)]
pub struct Retries {
    made: u32,
    most: u32,
    until: Option<Instant>,
}

impl Retries {
    pub fn new(patience: &Patience) -> Self {
        Self { made: 0, most: patience.max_retries, until: Instant::now().checked_add(patience.retry_budget) }
    }

    /// How long to wait before the next attempt, or the fault to end with.
    pub fn next(&mut self, failure: Failure, chance: &dyn Chance) -> Result<Duration, ModelFault> {
        let Failure { fault, again, asked } = failure;
        if !again || self.most == 0 {
            return Err(fault);
        }
        if self.made >= self.most {
            // A limit that lasts is told as the limit: slowing down helps, repeating does not.
            let kind = match fault.kind {
                FaultKind::RateLimited => FaultKind::RateLimited,
                _ => FaultKind::RetriesUsedUp,
            };
            return Err(kind.with(format!("{} attempts; the last: {}", self.made + 1, said(&fault))));
        }
        let backoff = FIRST_WAIT.saturating_mul(1 << self.made.min(8)).min(MAX_BACKOFF);
        let wait = asked.map_or_else(|| spread(backoff, chance), |asked| asked.min(MAX_ASKED));
        if self.until.is_some_and(|until| Instant::now() + wait > until) {
            return Err(FaultKind::DeadlinePassed.with(format!(
                "{} attempts; the last: {}",
                self.made + 1,
                said(&fault)
            )));
        }
        self.made += 1;
        tracing::debug!(attempt = self.made, wait_ms = wait.as_millis(), fault = %fault.kind, "model call is repeated");
        Ok(wait)
    }
}

fn said(fault: &ModelFault) -> String {
    format!("{}: {}", fault.kind, fault.detail)
}

/// Between half of `wait` and all of it.
fn spread(wait: Duration, chance: &dyn Chance) -> Duration {
    let mut byte = [0];
    chance.fill(&mut byte);
    wait / 2 + wait / 2 * u32::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use super::*;
    use sederunt_core::id::SeededChance;

    fn limited(asked: Option<Duration>) -> Failure {
        Failure { fault: FaultKind::RateLimited.with("d"), again: true, asked }
    }

    fn retries(max_retries: u32) -> Retries {
        let wait = Duration::from_secs(60);
        Retries::new(&Patience { first_byte: wait, idle: wait, max_retries, retry_budget: wait })
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_up_to_a_limit() {
        let chance = SeededChance::new(1);
        let mut retries = retries(40);
        let mut longest = FIRST_WAIT;
        for _ in 0..12 {
            let wait = retries.next(limited(None), &chance).unwrap();
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
            longest = (longest * 2).min(MAX_BACKOFF);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_may_ask_for_a_wait_up_to_a_limit() {
        let chance = SeededChance::new(1);
        let mut retries = retries(2);
        let mut asked = |secs| retries.next(limited(Some(Duration::from_secs(secs))), &chance);
        assert_eq!(asked(3), Ok(Duration::from_secs(3)));
        assert_eq!(asked(3600), Ok(MAX_ASKED));
        assert_eq!(asked(1).unwrap_err().kind, FaultKind::RateLimited);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stays_away_uses_the_retries_up() {
        let chance = SeededChance::new(1);
        let mut retries = retries(1);
        let away = || Failure { fault: FaultKind::Unavailable.with("d"), again: true, asked: None };
        assert!(retries.next(away(), &chance).is_ok());
        assert_eq!(retries.next(away(), &chance).unwrap_err().kind, FaultKind::RetriesUsedUp);
    }

    #[tokio::test(start_paused = true)]
    async fn no_retry_begins_past_the_budget() {
        let chance = SeededChance::new(1);
        let mut retries = retries(9);
        tokio::time::advance(Duration::from_secs(59)).await;
        let fault = retries.next(limited(Some(Duration::from_secs(2))), &chance).unwrap_err();
        assert_eq!(fault.kind, FaultKind::DeadlinePassed);
    }

    #[tokio::test]
    async fn without_retries_the_fault_is_the_server_s() {
        let fault = retries(0).next(limited(None), &SeededChance::new(1)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::RateLimited);
    }
}
