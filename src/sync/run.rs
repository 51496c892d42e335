//! A whole run: list, then bring each repository to its head, several at a time, and give those that failed another
//! chance before it ends.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::census::{Census, census};
use super::failure::RunError;
use super::filter::Filter;
use super::hints::{Hint, Hints};
use super::ledger::Ledger;
use super::outage::{Outage, is_there};
use super::pages::Room;
use super::progress::Progress;
use super::under_way::{UnderWay, Visit};
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
    /// Where it is said that somebody has pushed.
    pub hints: Hints,
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

    /// Looks at each repository that somebody has pushed to, until there is no hint left, or told to stop. This is no run: nothing is
    /// listed.
    pub async fn follow_hints(&self, stop: &CancellationToken) -> Result<(), RunError> {
        if self.client.base().is_plain() {
            // Only then it is known where it leads to.
            is_there(&self.client).await?;
        }
        let scope = self.destination.scope(self.key.clone(), self.client.base().to_string()).await?;
        let (room, outage) = (Room::new(1), Outage::new(1));
        while !self.hints.is_empty() {
            let Some(hint) = stop.run_until_cancelled(self.hints.next()).await else { return Err(RunError::Stopped) };
            let Some(repository) = self.hinted(scope, &hint).await? else {
                debug!(repository = hint.source_id, "nothing is stored of what was pushed to");
                continue;
            };
            // Its name may be another one's by now: a fork would grow out of what is stored.
            let context = Context { listed: false, ..self.context(scope, &room) };
            let one = visit(context, repository).await?;
            outage.look_at(one.outcome.as_ref().err(), &self.client).await?;
            note(&self.destination, &one).await?;
        }
        Ok(())
    }

    /// What a hint is about, as far as it is to be stored. One that no listing has shown yet waits for the next run.
    async fn hinted(&self, scope: Scope, hint: &Hint) -> Result<Option<StoredRepository>, RunError> {
        let repository = self.destination.repository(scope, hint.source_id).await?;
        Ok(repository.filter(|repository| hint.concerns(repository)))
    }

    fn context<'a>(&'a self, scope: Scope, room: &'a Room) -> Context<'a> {
        let Self { client, destination, progress, .. } = self;
        Context { client, destination, scope, progress, room, listed: true }
    }

    /// Visits the repositories, several at a time, and between them those that somebody pushes to meanwhile.
    async fn visit_all(
        &self,
        scope: Scope,
        repositories: Vec<StoredRepository>,
        ledger: &mut Ledger,
    ) -> Result<(), RunError> {
        let (room, outage, most) =
            (Room::new(self.concurrency), Outage::new(self.concurrency), self.concurrency.max(1));
        let context = self.context(scope, &room);
        // All of it within the visit: others wait for what a transaction under way there holds.
        let visited = async |planned: Visit| {
            let source_id = planned.source_id();
            let repository = match planned {
                Visit::Planned(repository) => Some(repository),
                Visit::Hinted(hint) => self.hinted(scope, &hint).await?,
            };
            let Some(repository) = repository else { return Ok((source_id, None)) };
            let one = visit(context, repository).await?;
            outage.look_at(one.outcome.as_ref().err(), &self.client).await?;
            Ok::<_, RunError>((source_id, Some(one)))
        };
        let mut planned = repositories.into_iter();
        let mut visits = FuturesUnordered::new();
        let mut under_way = UnderWay::default();
        loop {
            while visits.len() < most {
                let Some(next) = planned.next() else { break };
                visits.extend(under_way.begin(Visit::Planned(next)).map(&visited));
            }
            tokio::select! {
                ended = visits.next() => {
                    let Some((source_id, one)) = ended.transpose()? else { return Ok(()) };
                    let (hint, again) = under_way.end(source_id, one.is_some());
                    if let Some(hint) = hint {
                        self.hints.push(hint);
                    }
                    visits.extend(again.and_then(|again| under_way.begin(again)).map(&visited));
                    if one.is_some_and(|one| ledger.enter(one)) {
                        self.progress.repository_done();
                    }
                }
                // Whoever goes on pushing does not keep the run from its end.
                hint = self.hints.next(), if under_way.is_at_work() && visits.len() <= most => {
                    visits.extend(under_way.begin(Visit::Hinted(hint)).map(&visited));
                }
            }
        }
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
