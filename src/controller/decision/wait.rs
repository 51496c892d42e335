//! When to look at a connection again, if nothing wakes it before. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::facts::Facts;
use super::knowledge::Knowledge;

/// What the next look waits for, beside what is known.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// How often the credentials are verified again: no wait is longer.
    pub interval: Duration,
    /// A person's request that was there and that this reconcile may have handled.
    pub requested_at: Option<&'a String>,
    /// When the run under way may show its progress again.
    pub show_at: Option<Instant>,
    /// The clock.
    pub now: Instant,
}

/// How long to wait: until the next verification, slot, or progress.
pub fn wait(facts: &Facts, knowledge: &Knowledge, waiting: Waiting<'_>) -> Duration {
    let Waiting { interval, requested_at, show_at, now } = waiting;
    if facts.suspended {
        return interval;
    }
    if requested_at.is_some() && facts.requested_at.as_ref() != requested_at && show_at.is_none() {
        // It came while another verification was under way, which may have been another request's.
        return Duration::ZERO;
    }
    let known = knowledge.next(show_at.is_some(), now);
    let shown = show_at.map(|at| at.saturating_duration_since(now));
    let slot = facts.schedule.as_ref().ok().and_then(|schedule| schedule.wait(facts.now));
    let next = [known, shown, slot].into_iter().flatten().fold(interval, Duration::min);
    // A little late rather than a little early: what is due must be due when the object wakes.
    next + Duration::from_millis(20)
}
