//! The repositories that a run is at, and what is heard of them meanwhile. Pure.

use std::collections::{HashMap, HashSet};

use super::hints::Hint;
use crate::destination::StoredRepository;

/// A visit that is to begin.
pub(super) enum Visit {
    /// One that the run has planned.
    Planned(StoredRepository),
    /// One that somebody has pushed to.
    Hinted(Hint),
}

/// The repositories that a run is at.
#[derive(Default)]
pub(super) struct UnderWay {
    now: HashMap<i64, Pending>,
    /// Those that were visited for a hint: what the run knew of them before is out of date.
    hinted: HashSet<i64>,
    planned: usize,
}

/// What waits for the end of a visit.
#[derive(Default)]
struct Pending {
    is_planned: bool,
    hint: Option<Hint>,
    planned: Option<StoredRepository>,
}

impl Visit {
    /// Bitbucket's id of the repository.
    pub const fn source_id(&self) -> i64 {
        match self {
            Self::Planned(repository) => repository.source_id,
            Self::Hinted(hint) => hint.source_id,
        }
    }
}

impl UnderWay {
    /// Whether planned visits are under way.
    pub const fn is_at_work(&self) -> bool {
        self.planned > 0
    }

    /// What to do of a visit that comes up: to begin it, unless the repository is being visited; then what is left of it comes up at the
    /// end of that.
    pub fn begin(&mut self, visit: Visit) -> Option<Visit> {
        let source_id = visit.source_id();
        if let Some(pending) = self.now.get_mut(&source_id) {
            match visit {
                Visit::Planned(repository) => pending.planned = Some(repository),
                Visit::Hinted(hint) => match &mut pending.hint {
                    Some(kept) => kept.merge(hint),
                    None => pending.hint = Some(hint),
                },
            }
            return None;
        }
        let is_planned = matches!(visit, Visit::Planned(_));
        if is_planned && self.hinted.contains(&source_id) {
            return None;
        }
        self.planned += usize::from(is_planned);
        self.now.insert(source_id, Pending { is_planned, ..Pending::default() });
        Some(visit)
    }

    /// The end of a visit; `visited` is whether there was anything to do. Gives what has come up meanwhile.
    pub fn end(&mut self, source_id: i64, visited: bool) -> (Option<Hint>, Option<Visit>) {
        let Pending { is_planned, hint, planned } = self.now.remove(&source_id).unwrap_or_default();
        self.planned -= usize::from(is_planned);
        if visited && !is_planned {
            self.hinted.insert(source_id);
        }
        (hint, planned.map(Visit::Planned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{Position, RepositoryState};

    fn planned(source_id: i64) -> Visit {
        Visit::Planned(StoredRepository {
            id: source_id,
            source_id,
            project: "PLAT".to_owned(),
            slug: "api".to_owned(),
            branch: None,
            state: RepositoryState::New,
            failed: false,
            allowlisted: true,
            listed: true,
            accessible: true,
            position: Position { head: None, walk: None },
        })
    }

    fn hint(source_id: i64, name: &str) -> Visit {
        Visit::Hinted(Hint { source_id, refs: Some(vec![name.to_owned()]) })
    }

    #[test]
    fn what_is_heard_during_a_visit_comes_up_at_its_end() {
        let mut under_way = UnderWay::default();
        assert!(under_way.begin(planned(1)).is_some() && under_way.is_at_work());
        assert!(under_way.begin(hint(1, "refs/heads/main")).is_none());
        assert!(under_way.begin(hint(1, "refs/heads/feature")).is_none());
        let (later, again) = under_way.end(1, true);
        assert_eq!(later.unwrap().refs.unwrap(), ["refs/heads/main", "refs/heads/feature"], "neither is lost");
        assert!(again.is_none() && !under_way.is_at_work());
    }

    #[test]
    fn a_planned_repository_is_visited_once_unless_the_hint_came_to_nothing() {
        for visited in [false, true] {
            let mut under_way = UnderWay::default();
            assert!(under_way.begin(hint(1, "refs/heads/feature")).is_some());
            assert!(!under_way.is_at_work(), "hints alone do not keep a run going");
            assert!(under_way.begin(planned(1)).is_none());
            let (_, again) = under_way.end(1, visited);
            let again = under_way.begin(again.expect("it is not forgotten"));
            assert_eq!(again.is_none(), visited);
        }
        let mut under_way = UnderWay::default();
        under_way.begin(hint(1, "refs/heads/main"));
        under_way.end(1, true);
        assert!(under_way.begin(planned(1)).is_none(), "its row is another one by now");
        assert!(under_way.begin(hint(1, "refs/heads/main")).is_some());
    }
}
