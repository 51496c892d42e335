//! Telling a Bitbucket that is down from repositories that are broken.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::failure::{Failure, RunError};
use crate::bitbucket::Client;

/// Counts the repositories in a row that met a broken way.
pub(super) struct Outage {
    row: AtomicUsize,
    limit: usize,
}

impl Outage {
    /// For a run with so many repositories at a time.
    pub fn new(concurrency: usize) -> Self {
        // As many as are under way when Bitbucket goes down, and as many again.
        Self { row: AtomicUsize::new(0), limit: 2 * concurrency.max(1) }
    }

    /// Ends the run where Bitbucket as a whole no longer answers: each further repository would only be waited for.
    /// The run is taken up again when it does. Called within each visit, so that all the others go on meanwhile: they
    /// hold the places at the server that this waits for.
    pub async fn look_at(&self, failure: Option<&Failure>, client: &Client) -> Result<(), RunError> {
        if !failure.is_some_and(Failure::is_on_the_way) {
            self.row.store(0, Ordering::Relaxed);
            return Ok(());
        }
        if self.row.fetch_add(1, Ordering::Relaxed) + 1 < self.limit {
            return Ok(());
        }
        self.row.store(0, Ordering::Relaxed);
        is_there(client).await
    }
}

/// Asks whether there is a Bitbucket that answers anybody.
pub(super) async fn is_there(client: &Client) -> Result<(), RunError> {
    match client.application_properties().await {
        Ok(_) => Ok(()),
        Err(error) => match Failure::from(error) {
            Failure::Run(error) => Err(error),
            Failure::Bitbucket(error) | Failure::Moved(error) => Err(RunError::Outage(error)),
            _ => Ok(()),
        },
    }
}
