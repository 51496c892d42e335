//! Removing the rows of a connection from a database that other connections use too.

use bitbucket_connector::destination::{ConnectionKey, Destination, Removed};
use bitbucket_simulator::histories;
use serde_json::{Value, json};

use crate::support::database::{Kind, on_both};
use crate::support::sync::{Bench, key};

const TABLES: [&str; 6] = [
    "bitbucket_connections",
    "bitbucket_server_projects",
    "bitbucket_server_repositories",
    "bitbucket_server_users",
    "bitbucket_server_repository_default_branch_commits",
    "bitbucket_sync_runs",
];

on_both!(
    portion_by_portion_what_stays_is_whole_and_other_connections_rows_are_as_they_were,
    rows_under_another_uid_are_another_connections,
    a_large_repository_goes_as_a_whole
);

async fn bench(on: Kind) -> Bench {
    let bench = Bench::start(on, |builder, folder| {
        ["api", "web", "docs"].into_iter().fold(builder, |builder, name| {
            histories::odd(folder.git(name), 60, 3).unwrap();
            builder.repository(&format!("PLAT/{name}"), folder.git(name))
        })
    })
    .await;
    bench.synced().await;
    bench
}

/// The connections whose rows are in each table.
async fn owners(bench: &Bench) -> Vec<Value> {
    let mut owners = Vec::new();
    for table in TABLES {
        let of = match table {
            "bitbucket_connections" => "SELECT name FROM bitbucket_connections".to_owned(),
            "bitbucket_server_repository_default_branch_commits" => format!(
                "SELECT n.name FROM {table} c JOIN bitbucket_server_repositories r ON r.id = c.repository_id
                 JOIN bitbucket_connections n ON n.id = r.connection_id"
            ),
            _ => format!("SELECT n.name FROM {table} t JOIN bitbucket_connections n ON n.id = t.connection_id"),
        };
        let rows = bench.query(&format!("SELECT name, count(*) FROM ({of}) o GROUP BY name ORDER BY name")).await.rows;
        let all = bench.query(&format!("SELECT count(*) FROM {table}")).await.rows;
        owners.push(json!([table, rows, all]));
    }
    owners
}

async fn portion_by_portion_what_stays_is_whole_and_other_connections_rows_are_as_they_were(on: Kind) {
    let bench = bench(on).await;
    let before = owners(&bench).await;
    let other = key("test", "other", "2");
    bench.run_of(other.clone()).await.unwrap();
    // As if they were large: one in each portion.
    bench.database.execute("UPDATE bitbucket_server_repositories SET commits = 9000").await;
    let destination = Destination::open(&bench.database()).await.unwrap();
    let whole = "SELECT r.slug, count(c.id) FROM bitbucket_server_repositories r
                 LEFT JOIN bitbucket_server_repository_default_branch_commits c ON c.repository_id = r.id
                 JOIN bitbucket_connections n ON n.id = r.connection_id WHERE n.name = 'other'
                 GROUP BY r.slug ORDER BY min(r.id)";
    for left in [2, 1, 0] {
        assert_eq!(destination.remove(&other).await.unwrap(), Removed { commits: 60, all: false });
        let rows = bench.query(whole).await.rows;
        assert_eq!(rows.len(), left);
        assert!(rows.iter().all(|row| row[1] == json!(60)), "{rows:?}");
    }
    let all = Removed { commits: 0, all: true };
    assert_eq!(destination.remove(&other).await.unwrap(), all);
    assert_eq!(owners(&bench).await, before);
    assert_eq!(destination.remove(&other).await.unwrap(), all, "nothing is left");
    // Many small ones go at once.
    bench.database.execute("UPDATE bitbucket_server_repositories SET commits = 60").await;
    assert_eq!(destination.remove(&bench.key).await.unwrap(), Removed { commits: 180, all: false });
}

async fn rows_under_another_uid_are_another_connections(on: Kind) {
    let bench = bench(on).await;
    let before = owners(&bench).await;
    let destination = Destination::open(&bench.database()).await.unwrap();
    let gone = ConnectionKey { uid: "0".to_owned(), ..bench.key.clone() };
    assert_eq!(destination.remove(&gone).await.unwrap(), Removed { commits: 0, all: true });
    assert_eq!(owners(&bench).await, before);
}

/// It takes more than one statement.
async fn a_large_repository_goes_as_a_whole(on: Kind) {
    let bench = Bench::start(on, |builder, folder| {
        histories::linear(folder.git("api"), 10_050).unwrap();
        builder.repository("PLAT/api", folder.git("api"))
    })
    .await;
    bench.synced().await;
    let destination = Destination::open(&bench.database()).await.unwrap();
    assert_eq!(destination.remove(&bench.key).await.unwrap(), Removed { commits: 10_050, all: false });
    assert_eq!(destination.remove(&bench.key).await.unwrap(), Removed { commits: 0, all: true });
    assert!(owners(&bench).await.iter().all(|owner| owner[2] == json!([[0]])));
}

#[tokio::test]
async fn by_hand_they_go_too() {
    let bench = bench(Kind::Postgres).await;
    let before = owners(&bench).await;
    bench.run_of(key("test", "other", "2")).await.unwrap();
    let document = include_str!("../../docs/deletion.md");
    let statements = document.split("```sql").nth(1).unwrap().split("```").next().unwrap();
    let id = bench.query("SELECT id FROM bitbucket_connections WHERE name = 'other'").await.rows[0][0].to_string();
    bench.database.execute(&statements.replace("= 1", &format!("= {id}"))).await;
    assert_eq!(owners(&bench).await, before);
}
