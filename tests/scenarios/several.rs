//! Several operators and connections on one database: each has its own rows, and nobody disturbs the others.

use std::collections::BTreeSet;

use bitbucket_connector::destination::ConnectionKey;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Simulator, histories};
use serde_json::json;

use crate::support::database::{Kind, on_both};
use crate::support::sync::{Bench, key, text};

async fn bench(on: Kind, commits: usize) -> (Bench, GitRepository) {
    let mut git = None;
    let bench = Bench::start(on, |builder, folder| {
        git = Some(histories::odd(folder.git("api"), commits, 3).unwrap());
        builder.repository("PLAT/api", folder.git("api"))
    })
    .await;
    (bench, git.unwrap())
}

/// The stored set of a connection's repository is git's, and every author is of the same connection.
async fn assert_own(bench: &Bench, key: &ConnectionKey, git: &GitRepository) {
    let sql = format!(
        "SELECT c.sha, r.id, u.connection_id = r.connection_id AND u.instance_id = r.instance_id
         FROM bitbucket_server_repository_default_branch_commits c
         JOIN bitbucket_server_repositories r ON r.id = c.repository_id
         JOIN bitbucket_connections n ON n.id = r.connection_id
         LEFT JOIN bitbucket_server_users u ON u.id = c.author_id
         WHERE n.cluster = '{}' AND n.namespace = '{}' AND n.name = '{}'",
        key.cluster, key.namespace, key.name
    );
    let rows = bench.query(&sql).await.rows;
    let stored: BTreeSet<String> = rows.iter().map(|row| text(&row[0])).collect();
    assert_eq!(stored.len(), rows.len(), "each commit once: {key:?}");
    assert_eq!(stored, git.rev_list(&["main"]).unwrap().into_iter().collect(), "{key:?}");
    // Some authors have neither name nor mail.
    assert!(rows.iter().all(|row| row[2] == json!(1) || row[2].is_null()), "{key:?}");
}

async fn all_at_once(on: Kind, keys: &[ConnectionKey]) {
    let (bench, git) = bench(on, 600).await;
    let git = &git;
    let pages: Vec<_> = (0..6).map(|page| format!("page@{}", page * 100)).collect();
    for (added, each) in [(600, format!("list head who {} head", pages.join(" "))), (0, "list head".to_owned())] {
        bench.requests();
        let runs = keys.iter().map(|key| bench.run_of(key.clone()));
        for summary in futures::future::join_all(runs).await {
            let summary = summary.unwrap();
            assert_eq!((summary.added, summary.commits, summary.failed), (added, 600, vec![]));
        }
        // The order is free: the runs know nothing of each other. What each asks for is not.
        let mut asked = vec![each.as_str(); keys.len()].join(" ").split(' ').map(str::to_owned).collect::<Vec<_>>();
        asked.sort_unstable();
        assert_eq!(bench.sorted(), asked.join(" "));
        for key in keys {
            assert_own(&bench, key, git).await;
        }
    }
    let count = json!([[keys.len(), 1]]);
    let sql = "SELECT count(*), count(DISTINCT instance_id) FROM bitbucket_server_repositories";
    assert_eq!(json!(bench.query(sql).await.rows), count);
}

async fn two_connections_to_one_server_at_once(on: Kind) {
    all_at_once(on, &[key("c", "one", "1"), key("c", "two", "2")]).await;
}

async fn two_operators_at_once(on: Kind) {
    all_at_once(on, &[key("east", "main", "1"), key("west", "main", "2")]).await;
}

async fn another_server_behind_the_same_name_leaves_the_old_ones_rows(on: Kind) {
    let (mut bench, old) = bench(on, 120).await;
    bench.synced().await;
    // The same ids, keys and slugs: only the server is another.
    let folder = tempfile::tempdir().unwrap();
    let new = histories::odd(folder.path().join("api.git"), 80, 9).unwrap();
    let other = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", new.path());
    let first = std::mem::replace(&mut bench.simulator, other.start().await.unwrap());
    let summary = bench.synced().await;
    // Those of the server that the connection names now.
    assert_eq!((summary.added, summary.removed, summary.commits), (80, 0, 80));
    let stored = async |simulator: &Simulator| {
        let sql = format!(
            "SELECT c.sha FROM bitbucket_server_repository_default_branch_commits c
             JOIN bitbucket_server_repositories r ON r.id = c.repository_id
             JOIN bitbucket_server_instances i ON i.id = r.instance_id WHERE i.normalized_instance_url = '{}'",
            simulator.url().trim_end_matches('/')
        );
        bench.query(&sql).await.rows.iter().map(|row| text(&row[0])).collect::<BTreeSet<_>>()
    };
    let rev_list = |git: &GitRepository| git.rev_list(&["main"]).unwrap().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(stored(&bench.simulator).await, rev_list(&new));
    assert_eq!(stored(&first).await, rev_list(&old));
    let sql = "SELECT count(*), count(DISTINCT connection_id), count(DISTINCT instance_id), count(DISTINCT source_id)
               FROM bitbucket_server_repositories";
    assert_eq!(json!(bench.query(sql).await.rows), json!([[2, 1, 2, 1]]));
    // And back again: nothing has been lost, so nothing is read.
    bench.simulator = first;
    bench.requests();
    let summary = bench.synced().await;
    assert_eq!((summary.added, summary.commits), (0, 120));
    assert_eq!(bench.trace(), "list head");
}

async fn a_connection_that_is_applied_again_takes_its_rows_over(on: Kind) {
    let (mut bench, git) = bench(on, 120).await;
    bench.synced().await;
    let ids = "SELECT id FROM bitbucket_server_repositories UNION ALL
               SELECT id FROM bitbucket_server_repository_default_branch_commits UNION ALL
               SELECT id FROM bitbucket_server_users";
    let before = bench.query(ids).await;
    bench.key = key("test", "main", "2");
    bench.requests();
    bench.database.watch_writes().await;
    let summary = bench.synced().await;
    assert_eq!((summary.added, summary.removed, summary.commits), (0, 0, 120));
    assert_eq!(bench.trace(), "list head");
    assert_eq!(bench.database.written().await, ["UPDATE bitbucket_connections", "UPDATE bitbucket_sync_runs"]);
    assert_eq!(json!(bench.query("SELECT uid FROM bitbucket_connections").await.rows), json!([["2"]]));
    assert_eq!(bench.query(ids).await, before);
    assert_own(&bench, &bench.key, &git).await;
}

on_both! {
    two_connections_to_one_server_at_once,
    two_operators_at_once,
    another_server_behind_the_same_name_leaves_the_old_ones_rows,
    a_connection_that_is_applied_again_takes_its_rows_over,
}
