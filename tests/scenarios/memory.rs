//! A walk holds some pages of history, never all of it.

use std::path::Path;

use bitbucket_simulator::Simulator;
use bitbucket_simulator::git::{GitRepository, NewCommit, Person};
use serde_json::Value;

use crate::support::database::{Database, Kind, on_both};
use crate::support::program::{connector, memory, watch};

/// The message of each commit, in KiB, so that few commits are a large history.
const MESSAGE: usize = 16;

/// A Bitbucket with a repository of so many commits.
async fn bitbucket(folder: &Path, commits: usize) -> Simulator {
    let git = GitRepository::create(folder.join(commits.to_string())).unwrap();
    let commit = |index: usize| {
        let person = Person::new("Ada", "ada@example.com", 1_704_067_200 + i64::try_from(index).unwrap());
        let commit = NewCommit::new(format!("{index:->width$}", width = MESSAGE << 10), person);
        if index == 0 { commit } else { commit.parent(index - 1) }
    };
    let ids = git.import((0..commits).map(commit)).unwrap();
    git.set_branch("main", ids.last().unwrap()).unwrap();
    let builder = Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2");
    builder.repository("PLAT/api", git.path()).start().await.unwrap()
}

/// The most memory, in KiB, that was seen while a history of so many commits was read.
async fn taken(on: Kind, commits: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (simulator, database) = (bitbucket(folder.path(), commits).await, Database::new(on).await);
    let mut child = connector()
        .args(["sync", "--output", "json"])
        .env("BITBUCKET_URL", simulator.url())
        .env("BITBUCKET_CONNECTOR_DATABASE", database.text())
        .env("BITBUCKET_TOKEN", "tok-hunter2")
        .spawn()
        .unwrap();
    let mut most = 0;
    watch(&mut child, |id| most = most.max(memory(id).unwrap_or(0))).await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["commitsAdded"], commits);
    most
}

async fn a_long_history_takes_no_more_memory_than_a_short_one(on: Kind) {
    let (short, long) = (1_200, 3_200);
    let (little, most) = (taken(on, short).await, taken(on, long).await);
    // The messages alone are 31 MB more. The short one is enough to fill what the pages under way need, and what SQLite keeps.
    assert!(most < little + (8 << 10), "{little} KiB for {short} commits, {most} KiB for {long}");
}

on_both! {
    a_long_history_takes_no_more_memory_than_a_short_one,
}
