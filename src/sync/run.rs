//! A whole run: list, then bring each repository to its head, several at a time, and give those that failed another
//! chance before it ends.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use tracing::info;

use super::census::{Census, census};
use super::failure::{Failure, RunError};
use super::filter::Filter;
use super::outage::Outage;
use super::progress::Progress;
use super::visit::{Visited, note, visit};
use super::walk::Context;
use crate::bitbucket::Client;
use crate::destination::{ConnectionKey, Destination, RepositoryState, Scope, StoredRepository};

/// What a run needs.
#[derive(Clone, Debug)]
pub struct Run {
    /// The account at its Bitbucket.
    pub client: Client,
    /// Where the commits go.
    pub destination: Destination,
    /// Whose rows they are.
    pub key: ConnectionKey,
    /// Which repositories are imported.
    pub filter: Filter,
    /// Repositories at a time.
    pub concurrency: usize,
    /// Counters for whoever shows them.
    pub progress: Arc<Progress>,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Repositories whose stored set is their head's.
    pub synced: u64,
    /// Repositories without commits or without a default branch.
    pub empty: u64,
    /// Paths of those that Bitbucket refuses to this account.
    pub inaccessible: Vec<String>,
    /// Path, one word and what was seen, of each that was left behind.
    pub failed: Vec<(String, &'static str, String)>,
    /// Commits stored.
    pub added: u64,
    /// Commits removed.
    pub removed: u64,
    /// Commits stored for the connection when the run ended.
    pub commits: u64,
}

impl Summary {
    /// Repositories of the run.
    pub fn total(&self) -> u64 {
        self.synced + self.empty + self.inaccessible.len() as u64 + self.failed.len() as u64
    }

    /// Whether there was more than what Bitbucket refuses to this account: otherwise only a verification tells why.
    pub const fn proves_access(&self) -> bool {
        self.synced + self.empty > 0 || !self.failed.is_empty()
    }
}

impl Run {
    /// Runs to the end, or to the first fault that concerns all repositories.
    pub async fn run(&self) -> Result<Summary, RunError> {
        let Census { scope, selected, mut gone, mut unclear } = self.census().await?;
        self.progress.begin(selected.len());
        let mut visited = BTreeMap::new();
        let mut summary = Summary::default();
        self.visit_all(scope, selected, &mut visited).await?;

        let again = |visited: &Visited| visited.outcome.as_ref().is_err_and(Failure::is_worth_another_try);
        if visited.values().any(again) {
            // Some have moved meanwhile, and others may have been made.
            let relisted = visited.values().any(|one| one.outcome.as_ref().is_err_and(Failure::is_elsewhere));
            let repositories = if relisted {
                let census = self.census().await?;
                let there: HashSet<i64> = census.selected.iter().map(|known| known.source_id).collect();
                visited.retain(|id, one| {
                    let stays = there.contains(id);
                    if !stays {
                        // What was stored of it is stored.
                        summary.count(one);
                    }
                    stays
                });
                gone.retain(|id, _| !there.contains(id));
                gone.extend(census.gone);
                unclear = census.unclear;
                census.selected
            } else {
                self.destination.repositories(scope).await?
            };
            let chosen = |known: &StoredRepository| visited.get(&known.source_id).map_or(relisted, again);
            let chosen: Vec<_> = repositories.into_iter().filter(chosen).collect();
            info!(repositories = chosen.len(), "another try");
            self.visit_all(scope, chosen, &mut visited).await?;
        }
        for (repository, failure) in unclear {
            visited.insert(repository.source_id, Visited::failed(repository, failure));
        }
        summary.inaccessible = gone.into_values().collect();
        for one in visited.values() {
            note(&self.destination, one).await?;
            summary.add(one);
        }
        summary.inaccessible.sort_unstable();
        summary.failed.sort_unstable();
        summary.commits = self.destination.finish_run(scope).await?;
        Ok(summary)
    }

    async fn census(&self) -> Result<Census, RunError> {
        census(&self.client, &self.destination, &self.key, &self.filter, self.concurrency).await
    }

    /// Visits the repositories, several at a time. What an earlier visit has stored counts too.
    async fn visit_all(
        &self,
        scope: Scope,
        repositories: Vec<StoredRepository>,
        visited: &mut BTreeMap<i64, Visited>,
    ) -> Result<(), RunError> {
        let context = Context { client: &self.client, destination: &self.destination, scope, progress: &self.progress };
        let mut outage = Outage::new(self.concurrency);
        let mut visits = futures::stream::iter(repositories)
            .map(|repository| visit(context, repository))
            .buffer_unordered(self.concurrency.max(1));
        while let Some(one) = visits.next().await {
            let mut one = one?;
            outage.look_at(&one.outcome, &self.client).await?;
            match visited.get(&one.repository.source_id) {
                Some(before) => {
                    one.added += before.added;
                    one.removed += before.removed;
                }
                None => self.progress.repository_done(),
            }
            visited.insert(one.repository.source_id, one);
        }
        Ok(())
    }
}

impl Summary {
    /// The rows that were added and removed.
    fn count(&mut self, one: &Visited) {
        self.added += one.added;
        self.removed += one.removed;
    }

    fn add(&mut self, one: &Visited) {
        self.count(one);
        match &one.outcome {
            Ok(RepositoryState::Empty | RepositoryState::NoDefaultBranch) => self.empty += 1,
            Ok(_) => self.synced += 1,
            Err(failure) if failure.inaccessible() => self.inaccessible.push(one.path()),
            Err(failure) => self.failed.push((one.path(), failure.reason(), failure.to_string())),
        }
    }
}
