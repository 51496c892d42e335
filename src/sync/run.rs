//! A whole run: list, then bring each repository to its head, several at a time, and give those that failed another
//! chance before it ends.

use std::sync::Arc;

use futures::StreamExt;
use tracing::info;

use super::census::{Census, census};
use super::failure::RunError;
use super::filter::Filter;
use super::ledger::Ledger;
use super::outage::{Outage, is_there};
use super::pages::Room;
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
        self.progress.begin();
        let mut ledger = Ledger::default();
        let census = self.census(None).await?;
        let scope = census.scope;
        let selected = ledger.list(census);
        self.progress.expect(selected.len());
        self.visit_all(scope, selected, &mut ledger).await?;
        if ledger.is_open() {
            // Some have moved meanwhile, and others may have been made.
            let again = if ledger.needs_listing() {
                let census = self.census(Some(&ledger)).await?;
                ledger.list(census)
            } else {
                ledger.again(self.destination.repositories(scope).await?)
            };
            self.progress.expect(again.iter().filter(|known| !ledger.knows(known.source_id)).count());
            info!(repositories = again.len(), "another try");
            self.visit_all(scope, again, &mut ledger).await?;
        }
        if ledger.is_all_broken() {
            // Too few to have been taken for an outage on the way.
            is_there(&self.client).await?;
        }
        let (entries, (added, removed)) = ledger.close();
        let mut summary = Summary { added, removed, ..Summary::default() };
        for one in &entries {
            note(&self.destination, one).await?;
            summary.add(one);
        }
        summary.inaccessible.sort_unstable();
        summary.failed.sort_unstable();
        summary.commits = self.destination.finish_run(scope).await?;
        Ok(summary)
    }

    async fn census(&self, earlier: Option<&Ledger>) -> Result<Census, RunError> {
        census(&self.client, &self.destination, &self.key, &self.filter, self.concurrency, earlier).await
    }

    /// Visits the repositories, several at a time.
    async fn visit_all(
        &self,
        scope: Scope,
        repositories: Vec<StoredRepository>,
        ledger: &mut Ledger,
    ) -> Result<(), RunError> {
        let room = Room::new(self.concurrency);
        let context = Context {
            client: &self.client,
            destination: &self.destination,
            scope,
            progress: &self.progress,
            room: &room,
        };
        let outage = Outage::new(self.concurrency);
        let mut visits = futures::stream::iter(repositories)
            .map(async |repository| {
                let one = visit(context, repository).await?;
                outage.look_at(one.outcome.as_ref().err(), &self.client).await?;
                Ok::<_, RunError>(one)
            })
            .buffer_unordered(self.concurrency.max(1));
        while let Some(one) = visits.next().await {
            if ledger.enter(one?) {
                self.progress.repository_done();
            }
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
            Err(_) if one.is_inaccessible() => self.inaccessible.push(one.path()),
            Err(failure) => self.failed.push((one.path(), failure.reason(), failure.to_string())),
        }
    }
}
