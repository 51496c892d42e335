//! What to do about an object that is being deleted, and how long its rows are tried to be removed. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff;
use crate::api::spec::DeletionPolicy;

/// A database that is back is seen within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is seen of an object that is being deleted.
#[derive(Clone, Copy, Debug)]
pub struct Deletion<'a> {
    /// `spec.deletionPolicy`.
    pub policy: DeletionPolicy,
    /// Whether the operator's finalizer is on it.
    pub held: bool,
    /// Whether a sync run was ever claimed for it: before, it has no rows.
    pub claimed: bool,
    /// Whether a sync run is still ending, which may store one page more.
    pub running: bool,
    /// The removal of its rows; None, where none was begun.
    pub removal: Option<Removal<'a>>,
}

/// How a removal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal<'a> {
    /// Its end wakes the object.
    Underway,
    /// Nothing is left.
    Done,
    /// What is wrong with the database.
    Failed(&'a str),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionStep<'a> {
    /// A task's end is waited for, or others' finalizers.
    Wait,
    /// The rows are to be removed now.
    Remove,
    /// That has failed.
    Failed(&'a str),
    /// The object may go.
    LetGo,
}

/// Decides.
pub fn deletion(seen: Deletion<'_>) -> DeletionStep<'_> {
    let Deletion { policy, held, claimed, running, removal } = seen;
    match removal {
        _ if !held => DeletionStep::Wait,
        _ if policy == DeletionPolicy::Retain || !claimed => DeletionStep::LetGo,
        Some(Removal::Done) => DeletionStep::LetGo,
        Some(Removal::Failed(why)) => DeletionStep::Failed(why),
        None if !running => DeletionStep::Remove,
        None | Some(Removal::Underway) => DeletionStep::Wait,
    }
}

/// Failed attempts to remove the rows of one connection, since the last that removed some.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts {
    count: u32,
    first: Option<Instant>,
}

impl Attempts {
    /// One more has failed. How long to wait for the next one; None, if they have failed for as long as `patience`.
    pub fn failed(&mut self, progressed: bool, patience: Duration, uid: &str, now: Instant) -> Option<Duration> {
        if progressed {
            *self = Self::default();
        }
        self.count = self.count.saturating_add(1);
        let left = patience.checked_sub(now - *self.first.get_or_insert(now)).filter(|left| !left.is_zero())?;
        Some(backoff::wait(self.count, uid).min(LONGEST_WAIT).min(left))
    }

    /// Whether there is none.
    pub const fn none(&self) -> bool {
        self.count == 0
    }

    /// Whether the last one is the first of them.
    pub const fn is_first(&self) -> bool {
        self.count == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Deletion<'_> =
        Deletion { policy: DeletionPolicy::Delete, held: true, claimed: true, running: false, removal: None };

    #[test]
    fn rows_go_before_the_object_where_it_was_promised() {
        assert_eq!(deletion(SEEN), DeletionStep::Remove);
        assert_eq!(deletion(Deletion { removal: Some(Removal::Underway), ..SEEN }), DeletionStep::Wait);
        assert_eq!(deletion(Deletion { removal: Some(Removal::Done), ..SEEN }), DeletionStep::LetGo);
        let failed = Some(Removal::Failed("down"));
        assert_eq!(deletion(Deletion { removal: failed, ..SEEN }), DeletionStep::Failed("down"));
    }

    #[test]
    fn what_a_run_may_still_store_is_waited_for() {
        assert_eq!(deletion(Deletion { running: true, ..SEEN }), DeletionStep::Wait);
    }

    #[test]
    fn nobody_waits_for_a_database_that_holds_nothing_or_is_to_keep_it() {
        assert_eq!(deletion(Deletion { claimed: false, ..SEEN }), DeletionStep::LetGo);
        let failed = Some(Removal::Failed("down"));
        let kept = Deletion { policy: DeletionPolicy::Retain, removal: failed, running: true, ..SEEN };
        assert_eq!(deletion(kept), DeletionStep::LetGo);
        assert_eq!(deletion(Deletion { held: false, ..kept }), DeletionStep::Wait);
    }

    #[test]
    fn a_database_is_waited_for_as_long_as_was_said_and_not_longer() {
        const PATIENCE: Duration = Duration::from_mins(10);
        let (begin, mut attempts) = (Instant::now(), Attempts::default());
        let mut now = begin;
        while let Some(wait) = attempts.failed(false, PATIENCE, "uid", now) {
            assert!(!wait.is_zero() && wait <= LONGEST_WAIT);
            assert_eq!(attempts.is_first(), now == begin);
            now += wait;
        }
        assert_eq!(now - begin, PATIENCE);
        let wait = attempts.failed(true, PATIENCE, "uid", now);
        assert!(wait.is_some() && attempts.is_first(), "what goes on is not given up");
    }
}
