//! A whole run: list, record, then bring each repository to its head, several at a time.

use std::sync::Arc;

use futures::StreamExt;
use tracing::{Instrument, info, info_span, warn};

use super::convert;
use super::discover::discover;
use super::failure::{Failure, RunError};
use super::filter::Filter;
use super::progress::Progress;
use super::walk::{Context, Walk};
use crate::bitbucket::Client;
use crate::destination::{ConnectionKey, Destination, RepositoryState, StoredRepository};

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

impl Run {
    /// Runs to the end, or to the first fault that concerns all repositories.
    pub async fn run(&self) -> Result<Summary, RunError> {
        let listed = discover(&self.client).await?;
        // Only now it is known where a plain http URL leads to.
        let base = self.client.base();
        let listing = listed
            .iter()
            .map(|repository| convert::listing(base, repository, self.filter.selects(repository)))
            .collect();
        let scope = self.destination.scope(self.key.clone(), base.to_string()).await?;
        let stored = self.destination.record(scope, listing).await?;
        let seen: std::collections::HashSet<i64> = listed.iter().map(|repository| repository.id).collect();
        let selected: Vec<StoredRepository> = stored
            .into_iter()
            .filter(|repository| repository.allowlisted && seen.contains(&repository.source_id))
            .collect();
        self.progress.begin(selected.len());
        info!(repositories = selected.len(), listed = seen.len(), "repositories listed");

        let context = Context { client: &self.client, destination: &self.destination, scope, progress: &self.progress };
        let mut summary = Summary::default();
        let mut walks = futures::stream::iter(selected)
            .map(|repository| walk(context, repository))
            .buffer_unordered(self.concurrency.max(1));
        while let Some(result) = walks.next().await {
            let Walked { path, state, added, removed } = result?;
            self.progress.repository_done();
            summary.added += added;
            summary.removed += removed;
            match state {
                Ok(RepositoryState::Empty | RepositoryState::NoDefaultBranch) => summary.empty += 1,
                Ok(RepositoryState::Inaccessible) => summary.inaccessible.push(path),
                Ok(_) => summary.synced += 1,
                Err((reason, message)) => summary.failed.push((path, reason, message)),
            }
        }
        drop(walks);
        summary.inaccessible.sort_unstable();
        summary.failed.sort_unstable();
        summary.commits = self.destination.finish_run(scope).await?;
        Ok(summary)
    }
}

impl Summary {
    /// Repositories of the run.
    pub fn total(&self) -> u64 {
        self.synced + self.empty + self.inaccessible.len() as u64 + self.failed.len() as u64
    }
}

struct Walked {
    path: String,
    state: Result<RepositoryState, (&'static str, String)>,
    added: u64,
    removed: u64,
}

/// Walks one repository and notes what became of it. Only what concerns all repositories is an error.
async fn walk(context: Context<'_>, repository: StoredRepository) -> Result<Walked, RunError> {
    let path = format!("{}/{}", repository.project, repository.slug);
    let mut walk = Walk::new(context, &repository);
    let result = walk.run().instrument(info_span!("repository", path)).await;
    let (added, removed) = (walk.added, walk.removed);
    let state = match result {
        Ok(state) => Ok(state),
        Err(Failure::Run(error)) => return Err(error),
        Err(failure) if failure.inaccessible() => Ok(RepositoryState::Inaccessible),
        Err(failure) => {
            warn!(repository = path, reason = failure.reason(), "left behind: {failure}");
            Err((failure.reason(), failure.to_string()))
        }
    };
    let noted = match &state {
        Ok(state) => state.clone(),
        Err((reason, _)) => RepositoryState::Failed(reason),
    };
    if added > 0 || removed > 0 {
        info!(repository = path, added, removed, "commits stored");
    } else if noted == repository.state {
        return Ok(Walked { path, state, added, removed });
    }
    context.destination.mark(repository.id, noted).await?;
    Ok(Walked { path, state, added, removed })
}
