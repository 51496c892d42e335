//! For how long somebody who looks at a page is read for, and who waits for whom.

use std::time::{Duration, Instant};

use bitbucket_connector::destination::{Destination, Error};
use tokio::time::{sleep, timeout};

use super::weeks::SINCE;
use super::{HERE, Scene, all, key};
use crate::support::database::{Database, Kind, on_both};

const COMMITS: &str = "bitbucket_server_repository_default_branch_commits";
const REPOSITORIES: &str = "bitbucket_server_repositories";

/// From now on there is no end of a table's rows.
async fn without_end(scene: &Scene, table: &str) {
    let time = if let Database::Sqlite(_) = &scene.place { "text" } else { "timestamptz" };
    let columns = if table == COMMITS {
        format!("i AS id, CAST(1 AS bigint) AS repository_id, CAST('2025-01-01T00:00:00Z' AS {time}) AS created")
    } else {
        "i AS id, CAST(1 AS bigint) AS connection_id, CAST(1 AS bigint) AS instance_id, '' AS source_url,
         TRUE AS allowlisted, TRUE AS api_accessible, TRUE AS listed"
            .to_owned()
    };
    let view = format!(
        "ALTER TABLE {table} RENAME TO kept;
         CREATE VIEW {table} AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
         SELECT {columns} FROM n"
    );
    scene.place.execute(&view).await;
    if let Database::Postgres(_) = &scene.place {
        scene.place.execute(&format!("GRANT SELECT ON {table} TO PUBLIC")).await;
    }
}

fn slow() -> Error {
    Error::Unavailable(
        "reading takes longer than five seconds; ask the database itself, see docs/queries.md".to_owned(),
    )
}

async fn whoever_counts_for_long_is_told_so_and_holds_up_nobody(on: Kind) {
    let scene = Scene::start(on, &["P/a"]).await;
    without_end(&scene, COMMITS).await;
    let others = async {
        // More than there are connections, and then nobody waits for them.
        let asked = (0..12).map(|_| scene.destination.weeks(key("a", "1"), SINCE));
        let wrote = async {
            sleep(Duration::from_millis(500)).await;
            timeout(Duration::from_secs(1), scene.destination.scope(key("a", "1"), HERE.to_owned())).await.unwrap()
        };
        tokio::select! {
            all = futures::future::join_all(asked) => panic!("{all:?}"),
            wrote = wrote => assert_eq!(wrote.unwrap(), scene.scope),
        }
        for _ in 0..3 {
            let wrote = scene.destination.scope(key("a", "1"), HERE.to_owned());
            assert_eq!(timeout(Duration::from_secs(1), wrote).await.unwrap().unwrap(), scene.scope);
        }
        // The count goes on, and one more waits for it no longer than for itself.
        let listed = timeout(Duration::from_secs(1), scene.destination.overview(key("a", "1"), all()));
        assert_eq!(listed.await.unwrap().unwrap().total, 1);
    };
    let asking = async {
        let (other, begun) = (Destination::open(&scene.place.url()).await.unwrap(), Instant::now());
        (other.weeks(key("a", "1"), SINCE).await, begun.elapsed())
    };
    let ((), (told, took)) = tokio::join!(others, asking);
    assert_eq!(told, Err(slow()));
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(9), "{took:?}");
}

async fn whoever_looks_for_long_is_told_so_and_whoever_waits_that_others_do(on: Kind) {
    let scene = Scene::start(on, &["P/a"]).await;
    without_end(&scene, REPOSITORIES).await;
    // The second may or may not have its turn in the moment in which nobody waits any more.
    let asked = [(); 3].map(|()| scene.destination.overview(key("a", "1"), all()));
    let mut told: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap_err).collect();
    told.sort_by_key(|error| *error != slow());
    let busy = Error::Unavailable("it has been reading for others for five seconds".to_owned());
    assert_eq!((&told[0], &told[2]), (&slow(), &busy), "{told:?}");
}

on_both! {
    whoever_counts_for_long_is_told_so_and_holds_up_nobody,
    whoever_looks_for_long_is_told_so_and_whoever_waits_that_others_do,
}

#[tokio::test]
async fn what_an_admin_has_limited_further_stays_so() {
    let scene = Scene::start(Kind::Postgres, &["P/a"]).await;
    without_end(&scene, COMMITS).await;
    let Database::Postgres(database) = &scene.place else { panic!("it is PostgreSQL") };
    scene.place.execute(&format!("ALTER ROLE {} SET statement_timeout = '1s'", database.role)).await;
    let (limited, begun) = (Destination::open(&scene.place.url()).await.unwrap(), Instant::now());
    let told = limited.weeks(key("a", "1"), SINCE).await.unwrap_err();
    assert!(told.to_string().contains("statement_timeout") && begun.elapsed() < Duration::from_secs(4), "{told}");
}
