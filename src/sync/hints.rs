//! Repositories that were pushed to, as somebody has said. A hint may be lost, sent twice or be wrong: what is stored is what
//! Bitbucket is then asked for, and the next run asks for everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::destination::StoredRepository;

/// Repositories that wait, at most; what is pushed to beyond them waits for the next run.
const MOST: usize = 10_000;
/// Branches that are kept of a hint; of more, any may be meant.
const BRANCHES: usize = 100;
/// A repository is looked at once in that time, however often it is pushed to.
const PAUSE: Duration = Duration::from_secs(1);

/// Somebody has pushed to a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Bitbucket's id of the repository.
    pub source_id: i64,
    /// The refs that were pushed to, as `refs/heads/main`; None is any.
    pub refs: Option<Vec<String>>,
}

/// Hints that nobody has followed yet. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Hints(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<i64, Hint>,
    /// When repositories were given out last.
    taken: HashMap<i64, Instant>,
}

impl Hint {
    /// Both in one.
    pub(super) fn merge(&mut self, other: Self) {
        match (self.refs.as_mut(), other.refs) {
            (Some(known), Some(more)) if known.len() + more.len() <= BRANCHES => known.extend(more),
            _ => self.refs = None,
        }
    }

    /// Whether it may be about commits that are to be stored.
    pub(super) fn concerns(&self, repository: &StoredRepository) -> bool {
        let there = repository.allowlisted && repository.listed && repository.accessible;
        let branch = match (&self.refs, &repository.branch) {
            (Some(refs), Some(branch)) => refs.iter().any(|name| name.strip_prefix("refs/heads/") == Some(branch)),
            _ => true,
        };
        there && branch
    }
}

impl Hints {
    /// Keeps a hint until somebody follows it. Whether it is the only one.
    pub fn push(&self, hint: Hint) -> bool {
        let mut queue = self.lock();
        let first = queue.waiting.is_empty();
        if let Some(kept) = queue.waiting.get_mut(&hint.source_id) {
            kept.merge(hint);
        } else if queue.waiting.len() < MOST {
            queue.waiting.insert(hint.source_id, hint);
        }
        drop(queue);
        self.0.more.notify_one();
        first
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.lock().waiting.clear();
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// The next one to follow; waits until there is one. Cancel safe.
    pub async fn next(&self) -> Hint {
        loop {
            let wait = match self.lock().take() {
                Ok(hint) => return hint,
                Err(wait) => wait,
            };
            let more = self.0.more.notified();
            match wait {
                Some(until) => drop(tokio::time::timeout_at(until, more).await),
                None => more.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // It is whole between any two statements.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The first that may be looked at again; the error is when one may.
    fn take(&mut self) -> Result<Hint, Option<Instant>> {
        let now = Instant::now();
        self.taken.retain(|_, at| now.duration_since(*at) < PAUSE);
        let Some(source_id) = self.waiting.keys().find(|id| !self.taken.contains_key(id)).copied() else {
            let soonest = self.waiting.keys().filter_map(|id| self.taken.get(id)).min();
            return Err(soonest.map(|at| *at + PAUSE));
        };
        self.taken.insert(source_id, now);
        self.waiting.remove(&source_id).ok_or(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(source_id: i64, refs: &[&str]) -> Hint {
        Hint { source_id, refs: Some(refs.iter().map(|name| (*name).to_owned()).collect()) }
    }

    #[tokio::test(start_paused = true)]
    async fn one_repository_is_given_out_once_a_second_and_others_meanwhile() {
        let (hints, begin) = (Hints::default(), Instant::now());
        for name in ["refs/heads/a", "refs/heads/b"] {
            hints.push(hint(1, &[name]));
        }
        assert_eq!(hints.next().await, hint(1, &["refs/heads/a", "refs/heads/b"]));
        assert!(hints.is_empty());
        hints.push(hint(1, &["refs/heads/c"]));
        hints.push(hint(2, &[]));
        assert_eq!(hints.next().await, hint(2, &[]));
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(hints.next().await, hint(1, &["refs/heads/c"]));
        // What docs/webhooks.md says.
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        let waiting = tokio::spawn({
            let hints = hints.clone();
            async move { hints.next().await }
        });
        tokio::task::yield_now().await;
        hints.push(hint(3, &[]));
        assert_eq!(waiting.await.unwrap(), hint(3, &[]));
    }

    #[test]
    fn a_flood_takes_bounded_room() {
        let hints = Hints::default();
        for id in 0..20_000 {
            hints.push(hint(id, &["refs/heads/main"]));
        }
        assert_eq!(hints.lock().waiting.len(), MOST);
        for number in 0..1_000 {
            hints.push(hint(1, &[&format!("refs/heads/{number}")]));
        }
        assert_eq!(hints.lock().waiting[&1].refs, None, "any may be meant");
    }
}
