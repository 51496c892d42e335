//! How much time, memory and room a large repository takes, for docs/figures.md. Nothing is held against a bound.

use std::time::Instant;

use bitbucket_simulator::Simulator;
use bitbucket_simulator::git::{GitRepository, NewCommit, Person};
use serde_json::Value;

use crate::support::database::{Database, Kind};
use crate::support::postgres::{Setup, started};
use crate::support::program::{connector, peak, watch};

const TABLE: &str = "bitbucket_server_repository_default_branch_commits";

/// What a run took.
struct Taken {
    seconds: f64,
    /// KiB
    peak: u64,
    statements: Option<f64>,
    pages: usize,
    added: u64,
    removed: u64,
}

/// A history of its own under this name, with messages of a hundred characters by fifty people.
fn history(git: &GitRepository, branch: &str, commits: usize) -> String {
    let commit = |index: usize| {
        let person = Person::new(
            format!("Person Number {}", index % 50),
            format!("person{}@example.com", index % 50),
            1_600_000_000 + 60 * i64::try_from(index).unwrap(),
        );
        let commit = NewCommit::new(format!("{:-<100}", format!("{branch} {index} ")), person);
        if index == 0 { commit } else { commit.parent(index - 1) }
    };
    let ids = git.import((0..commits).map(commit)).unwrap();
    ids.last().unwrap().clone()
}

async fn database(on: Kind) -> Database {
    if on == Kind::Sqlite {
        return Database::new(on).await;
    }
    let settings = vec!["shared_preload_libraries=pg_stat_statements"];
    let (server, _) = started(Setup { settings, ..Setup::default() }).await;
    let database = server.database().await;
    database.admin().await.batch_execute("CREATE EXTENSION pg_stat_statements SCHEMA public").await.unwrap();
    Database::Postgres(database)
}

/// The statements that the connector has sent since the last call, with begin and commit.
async fn statements(database: &Database) -> Option<f64> {
    let Database::Postgres(database) = database else { return None };
    let admin = database.admin().await;
    let sql = "SELECT coalesce(sum(calls), 0)::float8 FROM public.pg_stat_statements s
               JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = $1";
    let calls = admin.query_one(sql, &[&database.role]).await.unwrap().get(0);
    admin.execute("SELECT public.pg_stat_statements_reset()", &[]).await.unwrap();
    Some(calls)
}

async fn sync(simulator: &Simulator, database: &Database) -> Taken {
    simulator.clear_requests();
    statements(database).await;
    let began = Instant::now();
    let mut child = connector()
        .args(["sync", "--output", "json"])
        .env("BITBUCKET_URL", simulator.url())
        .env("BITBUCKET_CONNECTOR_DATABASE", database.text())
        .env("BITBUCKET_TOKEN", "tok-hunter2")
        .spawn()
        .unwrap();
    let mut most = 0;
    watch(&mut child, |id| most = peak(id).unwrap_or(most)).await;
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| said[name].as_u64().unwrap();
    let pages = simulator.requests_to("/commits").len();
    let (added, removed) = (number("commitsAdded"), number("commitsRemoved"));
    Taken { seconds, peak: most, statements: statements(database).await, pages, added, removed }
}

/// What the database takes for each commit: in SQLite its whole file, in PostgreSQL the table with its indexes.
async fn room(database: &Database, commits: usize) -> u64 {
    let sql = match database {
        Database::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size".to_owned(),
        Database::Postgres(_) => format!("SELECT pg_total_relation_size('{TABLE}')"),
    };
    database.query(&sql).await.rows[0][0].as_u64().unwrap() / commits as u64
}

async fn measure(on: Kind, commits: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    let git = GitRepository::create(&path).unwrap();
    let [first, other, root] = [("first", commits), ("other", commits), ("root", 1)].map(|(b, n)| history(&git, b, n));
    git.set_branch("main", &first).unwrap();
    let builder = Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2");
    let simulator = builder.repository("PLAT/api", path).start().await.unwrap();
    let database = database(on).await;
    let mut bytes = None;
    for (what, head) in [("first", &first), ("unchanged", &first), ("rewritten", &other), ("cut", &root)] {
        git.set_branch("main", head).unwrap();
        let Taken { seconds, peak, statements, pages, added, removed } = sync(&simulator, &database).await;
        if bytes.is_none() {
            bytes = Some(room(&database, commits).await);
        }
        let statements = statements.map_or(String::new(), |all| {
            if pages > 1 {
                format!("{:.1} a page", all / f64::from(u32::try_from(pages).unwrap()))
            } else {
                format!("{all}")
            }
        });
        println!(
            "| {on:?} | {commits} | {what} | +{added} -{removed} | {seconds:.1} s | {} MiB | {} | {statements} |",
            peak >> 10,
            bytes.unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes of measuring: make figures"]
async fn figures() {
    // SQLite's caches are not full before the second one, so that only the third shows that nothing grows.
    for (on, sizes) in [(Kind::Sqlite, &[20_000, 200_000, 600_000][..]), (Kind::Postgres, &[20_000, 200_000])] {
        for commits in sizes {
            measure(on, *commits).await;
        }
    }
}
