//! What the operator writes: the status of a `BitbucketConnection`.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was observed of a connection. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BitbucketConnectionStatus {
    /// The generation of the spec that the conditions speak of; -1 before the first verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Verified` and `Synced`; `Reconciling` and `Stalled` only while they are True.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::crd::conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The account that the credentials belong to, as Bitbucket names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub username: Option<String>,
    /// Version of the Bitbucket server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub server_version: Option<String>,
    /// When the credentials were last verified, as of the last write of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_verified_time: Option<Time>,
    /// The value of the annotation `bitbucket-connector.dev/requestedAt` that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The Secret whose password was judged wrong. It is not sent again until it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_secret: Option<RefusedSecret>,
    /// The Secret whose password something in front of Bitbucket has answered in its place, or so often nobody, that it may be a wrong one.
    /// It is not sent again, at the latest by the next process, until it changes or the annotation `bitbucket-connector.dev/requestedAt` is
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resting_secret: Option<RefusedSecret>,
    /// The next moment of the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,
    /// The moment of the schedule that was last started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,
    /// When a sync run last ended with every repository's commits complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,
    /// The sync run that was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
    /// How far the sync run under way is; only while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// A Secret whose password is not sent, and to which server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedSecret {
    /// The Secret's uid.
    pub uid: String,
    /// The Secret's resource version.
    pub resource_version: String,
    /// The URL that it was sent to.
    pub url: String,
}

/// One sync run: all repositories of the connection, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// Why the run was started.
    pub trigger: Trigger,
    /// When the run was started.
    pub start_time: Time,
    /// When the run ended; absent while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Commits that the run stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_added: Option<i64>,
    /// Commits that the run removed, because the default branch no longer reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_removed: Option<i64>,
    /// Commits stored for the connection when the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<i64>,
    /// Repositories by what became of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<RepositoryCounts>,
    /// The first ten repositories that were left behind, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub failures: Vec<RepositoryFailure>,
}

/// Why a sync run was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// The first one after the first good verdict.
    Initial,
    /// A moment of the schedule came.
    Schedule,
    /// The annotation `bitbucket-connector.dev/requestedAt` changed.
    Requested,
    /// The url, the import filter, the destination, or one of the Secrets that they need changed.
    SpecChange,
}

/// Repositories of a run by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryCounts {
    /// All repositories of the run: the sum of the others.
    pub total: i64,
    /// Those whose stored commits are exactly the default branch's.
    pub synced: i64,
    /// Those without commits or without a default branch.
    pub empty: i64,
    /// Those that Bitbucket refuses to this account.
    pub inaccessible: i64,
    /// Those that were left behind.
    pub failed: i64,
}

/// A repository that a run left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryFailure {
    /// The repository as `PROJECT/slug`.
    pub repository: String,
    /// One word for what went wrong.
    pub reason: String,
    /// What was seen, and what to do.
    pub message: String,
}

/// How far a sync run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Repositories that are done.
    pub repositories_done: i64,
    /// Repositories of the run.
    pub repositories_total: i64,
    /// Commits stored so far in this run.
    pub commits: i64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repositories_done, repositories_total, commits } = self;
        if *repositories_total == 0 {
            f.write_str("listing the repositories")
        } else {
            write!(f, "{repositories_done} of {repositories_total} repositories, {commits} commits")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_from_the_listing_on() {
        let mut progress = Progress::default();
        assert_eq!(progress.to_string(), "listing the repositories");
        progress = Progress { repositories_done: 1, repositories_total: 3, commits: 7 };
        assert_eq!(progress.to_string(), "1 of 3 repositories, 7 commits");
    }
}
