//! How a run that has ended shows in the status. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::status::{BitbucketConnectionStatus, RepositoryCounts, RepositoryFailure};
use crate::sync::{RunError, Summary};
use crate::verification::{Outcome, outcome_of};

/// The status names so many failures; the log and the database name all.
const FAILURES_SHOWN: usize = 10;

/// Completes `status.sync`. A run that was stopped, or met a fault that passes, is not completed: it goes on
/// later, or another one is claimed in its place.
pub(super) fn complete(result: &Result<Summary, RunError>, now: Timestamp, status: &mut BitbucketConnectionStatus) {
    let Some(sync) = &mut status.sync else { return };
    match result {
        Err(RunError::Stopped | RunError::Destination(_)) => {}
        Err(RunError::Listing(error) | RunError::Outage(error) | RunError::Identity(error))
            if matches!(outcome_of(error.clone()), Outcome::Fault { .. }) => {}
        Err(_) => sync.completion_time = Some(Time(now)),
        Ok(summary) => {
            sync.completion_time = Some(Time(now));
            sync.commits_added = Some(count(summary.added));
            sync.commits_removed = Some(count(summary.removed));
            sync.commits = Some(count(summary.commits));
            sync.repositories = Some(RepositoryCounts {
                total: count(summary.total()),
                synced: count(summary.synced),
                empty: count(summary.empty),
                inaccessible: count(summary.inaccessible.len() as u64),
                failed: count(summary.failed.len() as u64),
            });
            sync.failures = summary
                .failed
                .iter()
                .take(FAILURES_SHOWN)
                .map(|(repository, reason, message)| RepositoryFailure {
                    repository: repository.clone(),
                    reason: (*reason).to_owned(),
                    message: message.clone(),
                })
                .collect();
            if summary.failed.is_empty() {
                status.last_successful_time = Some(Time(now));
            }
        }
    }
}

/// A number as the status holds it.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
