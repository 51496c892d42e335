//! What the listing says of repositories, and what their own answers say.

use bitbucket_simulator::{Access, Command};

use super::{empty, linear};

#[tokio::test]
async fn archived_repositories_are_listed_and_personal_ones_left_out() {
    let (bench, git) = linear(3).await;
    bench.simulator.archive("PLAT/api", true).unwrap();
    bench.simulator.apply(Command::AddRepository(empty("~jdoe/notes"))).unwrap();
    let summary = bench.synced().await;
    assert_eq!((summary.synced, summary.empty), (1, 0));
    bench.assert_equal("PLAT/api", &git, "main").await;
    let rows = bench.query("SELECT slug, archived, allowlisted FROM bitbucket_server_repositories ORDER BY slug").await;
    assert_eq!(serde_json::json!(rows.rows), serde_json::json!([["api", 1, 1], ["notes", 0, 0]]));
}

#[tokio::test]
async fn a_repository_that_is_refused_keeps_its_rows() {
    let (bench, git) = linear(3).await;
    bench.synced().await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Listing).unwrap();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.inaccessible, summary.commits), (vec!["PLAT/api".to_owned()], 3));
    bench.assert_equal("PLAT/api", &git, "main").await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Read).unwrap();
    bench.synced().await;
    let rows = bench.query("SELECT api_accessible FROM bitbucket_server_repositories").await;
    assert_eq!(rows.rows[0][0], 1);
}
