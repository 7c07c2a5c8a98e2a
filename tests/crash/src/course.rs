//! The course of a round, shared by what breaks things and those who do the load: when breaking is to be put up with, when it
//! is over, and what was acknowledged when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One round's course.
#[derive(Debug, Default)]
pub struct Course {
    breaking: AtomicBool,
    over: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// When last something was put up with.
    failed: Mutex<Option<Instant>>,
}

/// Something that a client was told is done.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub at: Instant,
    /// The node that said so.
    pub node: usize,
    /// Since the same client was told so before.
    pub waited: Duration,
}

impl Course {
    /// From now on things break; or no longer.
    pub fn set_breaking(&self, breaking: bool) {
        self.breaking.store(breaking, Ordering::SeqCst);
    }

    /// Whether things break.
    pub fn is_breaking(&self) -> bool {
        self.breaking.load(Ordering::SeqCst)
    }

    /// Ends the load: each client finishes what it does.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether the load is to end.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Notes that a node acknowledged something.
    pub fn acknowledge(&self, node: usize, waited: Duration) {
        let acknowledged = Acknowledged { at: Instant::now(), node, waited };
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledged);
    }

    /// Notes that something did not work, which is put up with for now.
    pub fn fail(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When last something did not work.
    pub fn failed(&self) -> Option<Instant> {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was acknowledged, in order.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
