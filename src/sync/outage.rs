//! Telling a Bitbucket that is down from repositories that are broken.

use super::failure::{Failure, RunError};
use crate::bitbucket::Client;

/// Counts the repositories in a row that met a broken way.
pub(super) struct Outage {
    row: usize,
    limit: usize,
}

impl Outage {
    /// For a run with so many repositories at a time.
    pub const fn new(concurrency: usize) -> Self {
        // As many as are under way when Bitbucket goes down, and as many again.
        Self { row: 0, limit: if concurrency == 0 { 2 } else { 2 * concurrency } }
    }

    /// Ends the run where Bitbucket as a whole no longer answers: each further repository would only be waited for.
    /// The run is taken up again when it does.
    pub async fn look_at<T>(&mut self, outcome: &Result<T, Failure>, client: &Client) -> Result<(), RunError> {
        if !outcome.as_ref().is_err_and(Failure::is_on_the_way) {
            self.row = 0;
            return Ok(());
        }
        self.row += 1;
        if self.row < self.limit {
            return Ok(());
        }
        self.row = 0;
        match client.application_properties().await {
            Ok(_) => Ok(()),
            Err(error) => match Failure::from(error) {
                Failure::Run(error) => Err(error),
                Failure::Bitbucket(error) | Failure::Moved(error) => Err(RunError::Outage(error)),
                _ => Ok(()),
            },
        }
    }
}
