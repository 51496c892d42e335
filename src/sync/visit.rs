//! One repository of a run: walk it, and note what became of it.

use tracing::{Instrument, error_span, info, warn};

use super::failure::{Failure, RunError};
use super::walk::{Context, Walk};
use crate::destination::{Destination, Error, RepositoryState, StoredRepository};

/// What became of a repository.
pub(super) struct Visited {
    pub repository: StoredRepository,
    /// A failure is never one that ends the run.
    pub outcome: Result<RepositoryState, Failure>,
    /// Whether the run has found where it is.
    pub found: bool,
    pub added: u64,
    pub removed: u64,
}

impl Visited {
    /// It is missing in a listing, and could not be visited.
    pub const fn missing(repository: StoredRepository, failure: Failure) -> Self {
        Self { repository, outcome: Err(failure), found: false, added: 0, removed: 0 }
    }

    /// Whether Bitbucket itself says that it is not there for this account.
    pub fn is_inaccessible(&self) -> bool {
        self.outcome.as_ref().is_err_and(Failure::inaccessible)
    }

    pub fn path(&self) -> String {
        path(&self.repository)
    }
}

fn path(repository: &StoredRepository) -> String {
    format!("{}/{}", repository.project, repository.slug)
}

/// Walks one repository. Only what concerns all repositories is an error.
pub(super) async fn visit(context: Context<'_>, repository: StoredRepository) -> Result<Visited, RunError> {
    let span = error_span!("repository", repository = path(&repository));
    let mut walk = Walk::new(context, &repository);
    let result = walk.run().instrument(span.clone()).await;
    let (added, removed) = (walk.added, walk.removed);
    if added > 0 || removed > 0 {
        span.in_scope(|| info!(added, removed, "commits stored"));
    }
    match result {
        Err(Failure::Run(error)) => Err(error),
        outcome => Ok(Visited { repository, outcome, found: true, added, removed }),
    }
}

/// Writes what became of a repository, where the row does not say so yet.
pub(super) async fn note(destination: &Destination, one: &Visited) -> Result<(), Error> {
    let state = match &one.outcome {
        Ok(state) => state.clone(),
        Err(failure) if failure.inaccessible() => RepositoryState::Inaccessible,
        Err(failure) => {
            warn!(repository = one.path(), reason = failure.reason(), "left behind: {failure}");
            RepositoryState::Failed(failure.reason())
        }
    };
    let touched = one.added > 0 || one.removed > 0;
    if touched || one.repository.failed || state != one.repository.state {
        destination.mark(one.repository.id, state).await
    } else {
        Ok(())
    }
}
