//! The rate that somebody allows for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many requests a second one user of an account allows for. It is held by all clients of that user, and may change
/// while they work: that holds from the next request on.
#[derive(Clone, Debug, Default)]
pub struct Rate(Arc<AtomicU32>);

impl Rate {
    /// At most so many requests a second; None leaves it to what the server states.
    pub fn new(per_second: Option<u32>) -> Self {
        let rate = Self::default();
        rate.set(per_second);
        rate
    }

    /// From now on this rate.
    pub fn set(&self, per_second: Option<u32>) {
        self.0.store(per_second.map_or(0, |rate| rate.max(1)), Ordering::Relaxed);
    }

    /// The rate now.
    pub(super) fn get(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }
}
