//! How connections stand, in words. Pure.

use std::fmt::Write;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::status::{BitbucketConnectionStatus, SyncStatus};
use crate::api::times::{due, span};
use crate::api::{BitbucketConnection, conditions};

/// A line for each connection.
pub(super) fn table(objects: &[BitbucketConnection], namespaces: bool, now: Timestamp) -> String {
    let heads = ["NAMESPACE", "NAME", "READY", "REASON", "COMMITS", "LAST SYNC", "NEXT RUN", "RUNNING"];
    let rows = objects.iter().map(|object| row(object, now));
    let rows: Vec<[String; 8]> = std::iter::once(heads.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).skip(usize::from(!namespaces));
        let line = cells.map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("   ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(object: &BitbucketConnection, now: Timestamp) -> [String; 8] {
    let empty = BitbucketConnectionStatus::default();
    let status = object.status.as_ref().unwrap_or(&empty);
    let ready = conditions::find(&status.conditions, conditions::READY);
    let none = || "-".to_owned();
    [
        object.namespace().unwrap_or_default(),
        object.name_any(),
        ready.map_or_else(none, |ready| ready.status.clone()),
        ready.map_or_else(none, |ready| ready.reason.clone()),
        status.sync.as_ref().and_then(|sync| sync.commits).map_or_else(none, |commits| commits.to_string()),
        status.last_successful_time.as_ref().map_or_else(none, |time| format!("{} ago", span(time, now))),
        status.next_schedule_time.as_ref().map_or_else(none, |time| due(time, now)),
        status.progress.map_or_else(none, |progress| progress.to_string()),
    ]
}

/// All that there is to say of one connection.
pub(super) fn detail(object: &BitbucketConnection, now: Timestamp) -> String {
    let empty = BitbucketConnectionStatus::default();
    let status = object.status.as_ref().unwrap_or(&empty);
    let mut lines = vec![("Connection", format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()))];
    lines.push((
        "Bitbucket",
        match &status.server_version {
            Some(version) => format!("{} (version {version})", object.spec.url),
            None => object.spec.url.clone(),
        },
    ));
    if let Some(username) = &status.username {
        lines.push(("Account", username.clone()));
    }
    if object.spec.suspend {
        lines.push(("Suspended", "nothing is asked until it is resumed".to_owned()));
    }
    for type_ in [conditions::READY, conditions::VERIFIED, conditions::SYNCED, conditions::RECONCILING] {
        if let Some(condition) = conditions::find(&status.conditions, type_) {
            lines.push((type_, format!("{}, {}: {}", condition.status, condition.reason, condition.message)));
        }
    }
    if status.conditions.is_empty() {
        lines.push((conditions::READY, "no operator has looked at it yet".to_owned()));
    }
    if let Some(sync) = &status.sync {
        lines.push(("Last run", last(sync, now)));
    }
    if let Some(progress) = status.progress {
        lines.push(("Running", progress.to_string()));
    }
    if let Some(next) = &status.next_schedule_time {
        lines.push(("Next run", format!("{} ({}), {}", next.0, due(next, now), object.spec.schedule)));
    }
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<12} {value}");
    }
    failures(status.sync.as_ref(), &mut text);
    text
}

fn last(sync: &SyncStatus, now: Timestamp) -> String {
    let began = format!("{:?}, began {} ago", sync.trigger, span(&sync.start_time, now));
    match &sync.completion_time {
        Some(end) => format!("{began}, took {}:{}", span(&sync.start_time, end.0), numbers(sync)),
        None => format!("{began}, under way"),
    }
}

fn failures(sync: Option<&SyncStatus>, text: &mut String) {
    let Some(sync) = sync.filter(|sync| !sync.failures.is_empty()) else { return };
    let all = sync.repositories.map_or(0, |repositories| repositories.failed);
    let _ = writeln!(text, "\nRepositories that were left behind ({} of {all}):", sync.failures.len());
    for failure in &sync.failures {
        let _ = writeln!(text, "  {}  {}: {}", failure.repository, failure.reason, failure.message);
    }
}

/// How far a run is.
pub(super) fn so_far(status: &BitbucketConnectionStatus) -> String {
    status.progress.unwrap_or_default().to_string()
}

/// What a run has done; nothing, where it has not come so far.
pub(super) fn numbers(sync: &SyncStatus) -> String {
    let Some(added) = sync.commits_added else { return String::new() };
    let changed = format!(" +{added} -{} commits", sync.commits_removed.unwrap_or_default());
    match &sync.repositories {
        Some(repositories) => {
            format!("{changed}; {} repositories, {} failed.", repositories.total, repositories.failed)
        }
        None => format!("{changed}."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn object(status: &serde_json::Value) -> BitbucketConnection {
        serde_json::from_value(json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection",
            "metadata": {"namespace": "team", "name": "a"},
            "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}}, "status": status
        }))
        .unwrap()
    }

    #[test]
    fn a_connection_is_told_in_detail() {
        let condition = |type_: &str, status: &str, reason: &str, message: &str| json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let failing = object(&json!({
            "conditions": [condition("Ready", "True", "SyncIncomplete", "One was left behind."), condition("Verified", "True", "Verified", "Good.")],
            "username": "svc", "serverVersion": "8.19.4", "nextScheduleTime": "2026-01-02T01:00:00Z",
            "sync": {"trigger": "Schedule", "startTime": "2026-01-01T23:00:00Z", "completionTime": "2026-01-01T23:01:05Z",
                "commitsAdded": 3, "commitsRemoved": 1, "repositories": {"total": 5, "synced": 4, "empty": 0, "inaccessible": 0, "failed": 1},
                "failures": [{"repository": "PLAT/api", "reason": "Timeout", "message": "It took too long."}]}
        }));
        let now = at("2026-01-02T00:00:00Z");
        assert_eq!(
            detail(&failing, now),
            "Connection   team/a\n\
             Bitbucket    https://git.example.com (version 8.19.4)\n\
             Account      svc\n\
             Ready        True, SyncIncomplete: One was left behind.\n\
             Verified     True, Verified: Good.\n\
             Last run     Schedule, began 1h ago, took 1m5s: +3 -1 commits; 5 repositories, 1 failed.\n\
             Next run     2026-01-02T01:00:00Z (in 1h), 0 * * * *\n\
             \n\
             Repositories that were left behind (1 of 1):\n  PLAT/api  Timeout: It took too long.\n"
        );
        let new = object(&json!({}));
        assert!(detail(&new, now).contains("no operator has looked at it yet"));
        let table = table(&[failing, new], false, now);
        assert_eq!(
            table.lines().next(),
            Some("NAME   READY   REASON           COMMITS   LAST SYNC   NEXT RUN   RUNNING")
        );
        assert_eq!(table.lines().nth(1), Some("a      True    SyncIncomplete   -         -           in 1h      -"));
    }
}
