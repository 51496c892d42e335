//! What a run knows of each repository. The latest word counts, and what was stored on the way there stays counted.

use std::collections::{BTreeMap, HashSet};

use super::census::Census;
use super::failure::Failure;
use super::visit::Visited;
use crate::destination::StoredRepository;

/// One entry for each repository, by Bitbucket's id.
#[derive(Default)]
pub(super) struct Ledger {
    entries: BTreeMap<i64, Visited>,
    /// Rows added and removed in repositories that are the run's no longer.
    left: (u64, u64),
}

impl Ledger {
    /// What a visit has found out. Whether it is the first word of this repository.
    pub fn enter(&mut self, mut one: Visited) -> bool {
        let before = self.entries.remove(&one.repository.source_id);
        if let Some(before) = &before {
            one.added += before.added;
            one.removed += before.removed;
        }
        self.entries.insert(one.repository.source_id, one);
        before.is_none()
    }

    /// What a listing has found out, once more in the same run or for the first time. Gives those to visit.
    pub fn list(&mut self, census: Census) -> Vec<StoredRepository> {
        let Census { selected, missing, .. } = census;
        let first = self.entries.is_empty();
        let there: HashSet<i64> = selected.iter().map(|known| known.source_id).collect();
        let known: HashSet<i64> = missing.iter().map(|one| one.repository.source_id).chain(there).collect();
        // Those that a filter leaves out under their new names are none of the run's. One that has gone is told of once.
        let stays = |id: &i64, one: &Visited| known.contains(id) || one.outcome == Err(Failure::Gone);
        let left = self.entries.iter().filter(|(id, one)| !stays(id, one));
        let gone: Vec<i64> = left.map(|(id, _)| *id).collect();
        for one in gone.iter().filter_map(|id| self.entries.remove(id)) {
            self.left = (self.left.0 + one.added, self.left.1 + one.removed);
        }
        for one in missing {
            // That nobody can tell is no news of one that was visited well.
            let settled = |before: &Visited| before.outcome.is_ok() && !one.is_inaccessible();
            if !self.entries.get(&one.repository.source_id).is_some_and(settled) {
                self.enter(one);
            }
        }
        let open = |known: &StoredRepository| match self.entries.get(&known.source_id) {
            None => true,
            Some(one) => !first && (is_open(one) || one.is_inaccessible()),
        };
        selected.into_iter().filter(open).collect()
    }

    /// Whether there is a word of it.
    pub fn knows(&self, source_id: i64) -> bool {
        self.entries.contains_key(&source_id)
    }

    /// Whether an earlier listing of the run lacked it, and nothing was settled.
    pub fn misses(&self, source_id: i64) -> bool {
        self.entries.get(&source_id).is_some_and(|one| !one.found && is_open(one))
    }

    /// Whether the same run may fare better with some of them.
    pub fn is_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// Whether there are some, and to none of them the way was free.
    pub fn is_all_broken(&self) -> bool {
        let broken = |one: &Visited| one.outcome.as_ref().is_err_and(Failure::is_on_the_way);
        !self.entries.is_empty() && self.entries.values().all(broken)
    }

    /// Whether only another listing can tell where some of them are.
    pub fn needs_listing(&self) -> bool {
        let lost = |one: &Visited| !one.found || one.outcome.as_ref().is_err_and(Failure::is_elsewhere);
        self.entries.values().any(|one| is_open(one) && lost(one))
    }

    /// Those of these rows that are worth another visit.
    pub fn again(&self, known: Vec<StoredRepository>) -> Vec<StoredRepository> {
        let open: HashSet<i64> = self.open().collect();
        known.into_iter().filter(|known| open.contains(&known.source_id)).collect()
    }

    /// All entries, and the rows added and removed beside theirs.
    pub fn close(self) -> (Vec<Visited>, (u64, u64)) {
        (self.entries.into_values().collect(), self.left)
    }

    fn open(&self) -> impl Iterator<Item = i64> {
        self.entries.iter().filter(|(_, one)| is_open(one)).map(|(id, _)| *id)
    }
}

/// One that was inaccessible before is no news: another listing is not made for its sake.
fn is_open(one: &Visited) -> bool {
    let known = one.is_inaccessible() && !one.repository.accessible;
    !known && one.outcome.as_ref().is_err_and(Failure::is_worth_another_try)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::{Error, Fault};
    use crate::destination::{RepositoryState, Scope};

    fn visited(id: i64, outcome: Result<RepositoryState, Failure>) -> Visited {
        Visited { repository: StoredRepository::example(id), outcome, found: true, added: 3, removed: 1 }
    }

    fn census(selected: &[i64], missing: Vec<Visited>) -> Census {
        let selected = selected.iter().map(|id| StoredRepository::example(*id)).collect();
        Census { scope: Scope { connection: 1, instance: 1 }, selected, missing }
    }

    fn ids(repositories: &[StoredRepository]) -> Vec<i64> {
        repositories.iter().map(|known| known.source_id).collect()
    }

    fn broken() -> Failure {
        Error::Transport { request: "GET /x".to_owned(), fault: Fault::Unreachable("cut") }.into()
    }

    /// Added, removed, and of each repository whether it is in.
    fn closed(ledger: Ledger) -> (u64, u64, Vec<(i64, bool)>) {
        let (entries, (added, removed)) = ledger.close();
        let sum = |part: fn(&Visited) -> u64| entries.iter().map(part).sum::<u64>();
        let (added, removed) = (added + sum(|one| one.added), removed + sum(|one| one.removed));
        (added, removed, entries.iter().map(|one| (one.repository.source_id, one.outcome.is_ok())).collect())
    }

    #[test]
    fn each_is_counted_once_and_its_rows_all() {
        let mut ledger = Ledger::default();
        assert_eq!(ids(&ledger.list(census(&[1, 2, 3], vec![]))), [1, 2, 3]);
        assert!(ledger.enter(visited(1, Ok(RepositoryState::Synced))));
        assert!(ledger.enter(visited(2, Err(Failure::Replaced))));
        assert!(ledger.enter(visited(3, Err(broken()))));
        assert!(ledger.is_open() && ledger.needs_listing());
        // 1 has gone meanwhile, 2 is found again, 4 is new.
        let gone = Visited::missing(StoredRepository::example(1), Failure::Gone);
        assert_eq!(ids(&ledger.list(census(&[2, 3, 4], vec![gone]))), [2, 3, 4]);
        // The next listing of the run tells of it no more.
        assert_eq!(ids(&ledger.list(census(&[2, 3, 4], vec![]))), [2, 3, 4]);
        assert!(!ledger.enter(visited(2, Ok(RepositoryState::Synced))));
        ledger.enter(visited(3, Ok(RepositoryState::Synced)));
        ledger.enter(visited(4, Ok(RepositoryState::Synced)));
        assert!(!ledger.is_open());
        assert_eq!(closed(ledger), (18, 6, vec![(1, false), (2, true), (3, true), (4, true)]));
    }

    #[test]
    fn what_nobody_can_tell_takes_nothing_back() {
        let mut ledger = Ledger::default();
        ledger.list(census(&[1, 2], vec![Visited::missing(StoredRepository::example(5), broken())]));
        assert!(ledger.needs_listing(), "only a listing tells where 5 is");
        ledger.enter(visited(1, Ok(RepositoryState::Synced)));
        ledger.enter(visited(2, Err(Failure::Replaced)));
        let unclear = |id| Visited::missing(StoredRepository::example(id), broken());
        assert_eq!(ids(&ledger.list(census(&[5], vec![unclear(1), unclear(2)]))), [5]);
        ledger.enter(visited(5, Ok(RepositoryState::Synced)));
        assert_eq!(closed(ledger).2, [(1, true), (2, false), (5, true)]);
    }

    #[test]
    fn one_that_the_filter_leaves_out_under_its_new_name_is_counted_no_more() {
        let mut ledger = Ledger::default();
        ledger.list(census(&[1], vec![]));
        ledger.enter(visited(1, Err(Failure::Replaced)));
        assert_eq!(ids(&ledger.list(census(&[], vec![]))), [] as [i64; 0]);
        assert_eq!(closed(ledger), (3, 1, vec![]));
    }

    #[test]
    fn one_that_was_gone_and_is_listed_after_all_is_visited() {
        let mut ledger = Ledger::default();
        ledger.list(census(&[1], vec![Visited::missing(StoredRepository::example(2), Failure::Gone)]));
        ledger.enter(visited(1, Err(Failure::Replaced)));
        assert_eq!(ids(&ledger.list(census(&[1, 2], vec![]))), [1, 2]);
    }

    #[test]
    fn a_broken_way_needs_no_listing() {
        let mut ledger = Ledger::default();
        assert!(!ledger.is_all_broken(), "where there is nothing, nothing is broken");
        ledger.list(census(&[1, 2], vec![]));
        ledger.enter(visited(1, Ok(RepositoryState::Synced)));
        ledger.enter(visited(2, Err(broken())));
        assert!(ledger.is_open() && !ledger.needs_listing());
        assert!(!ledger.is_all_broken());
        assert_eq!(
            ids(&ledger.again(vec![
                StoredRepository::example(1),
                StoredRepository::example(2),
                StoredRepository::example(3)
            ])),
            [2]
        );
    }
}
