//! Whether this process may act. Of several that look after the same connections, one does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The right to act, which ends by itself: whoever is cut off from those who give it cannot be told. Asked before each
/// request to Bitbucket and each write. Clones share it.
#[derive(Clone, Debug)]
pub struct Lead(Option<Arc<Mutex<Option<Instant>>>>);

impl Lead {
    /// Of a process that is alone: it always holds.
    pub const fn alone() -> Self {
        Self(None)
    }

    /// One among several. Nobody has it yet.
    pub fn contested() -> Self {
        Self(Some(Arc::default()))
    }

    /// Holds from now on until then.
    pub fn extend(&self, until: Instant) {
        if let Some(mut end) = self.end_of_it() {
            *end = Some(until);
        }
    }

    /// Does not hold any more.
    pub fn end(&self) {
        if let Some(mut end) = self.end_of_it() {
            *end = None;
        }
    }

    /// Whether it holds now, by this machine's monotonic clock.
    pub fn holds(&self) -> bool {
        self.left().is_some()
    }

    /// How long it holds from now on, if nobody extends it; None, where it does not.
    pub fn left(&self) -> Option<Duration> {
        let Some(end) = self.end_of_it() else { return Some(Duration::MAX) };
        end.map(|end| end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn end_of_it(&self) -> Option<MutexGuard<'_, Option<Instant>>> {
        self.0.as_ref().map(|end| end.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_itself() {
        let (alone, lead) = (Lead::alone(), Lead::contested());
        assert!(alone.holds() && !lead.holds());
        let other = lead.clone();
        lead.extend(Instant::now() + Duration::from_secs(30));
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert!(other.holds());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!other.holds() && !lead.holds());
        lead.extend(Instant::now() + Duration::from_secs(30));
        other.end();
        alone.end();
        assert!(!lead.holds() && alone.holds());
    }
}
