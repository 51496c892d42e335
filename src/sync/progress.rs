//! How far a run is, for whoever shows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;

/// Counters of a run under way.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
    commits: AtomicU64,
    added: Counter,
    removed: Counter,
    begun: AtomicBool,
}

impl Progress {
    /// Counts what is added and removed there too.
    pub fn counted(added: Counter, removed: Counter) -> Self {
        Self { added, removed, ..Self::default() }
    }

    /// Repositories done, repositories in all, and commits stored so far.
    pub fn read(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.done), read(&self.total), read(&self.commits))
    }

    /// Whether the run has not begun yet.
    pub fn waits(&self) -> bool {
        !self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, repositories: usize) {
        self.total.fetch_add(repositories as u64, Ordering::Relaxed);
    }

    pub(super) fn stored(&self, added: u64, removed: u64) {
        self.commits.fetch_add(added, Ordering::Relaxed);
        self.added.inc_by(added);
        self.removed.inc_by(removed);
    }

    pub(super) fn repository_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}
