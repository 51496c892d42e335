//! What a status tells of, and the database does not hold: it was lost meanwhile, or is another one.

use super::*;

/// Commits of the connection, where there is a database.
async fn commits(stage: &Stage) -> i64 {
    if !stage.has_tables().await {
        return 0;
    }
    let sql = "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits";
    stage.query(sql).await.rows[0][0].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_finds_its_database_empty_reads_all_again() {
    let mut stage = Stage::start("lost").await;
    let (simulator, _git) = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "True", "Synced").await;
    assert_eq!(commits(&stage).await, 60);
    stage.terminate_operators().await;
    stage.set_database(stage.folder.path().join("another.db"));
    let process = stage.start_operator();
    until("the rows", async || commits(&stage).await == 60).await;
    stage.until("a", "the end of the run", ended(Trigger::SpecChange)).await;
    assert!(stage.log_of(process).contains("does not hold the last sync run"));
    // It is made once, and not by the next process.
    stage.terminate_operators().await;
    let asked = simulator.requests_to("/commits").len();
    let process = stage.start_operator();
    until("a verification", async || simulator.requests_to("/commits").len() > asked).await;
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    stage.until("a", "the end of the run", ended(Trigger::Requested)).await;
    assert!(!stage.log_of(process).contains("does not hold the last sync run"), "a request was the first run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_was_dropped_while_no_operator_was_there_is_filled_again() {
    let mut stage = Stage::start("dropped").await;
    let (simulator, git) = bitbucket(&stage).await;
    let database = server().await.database().await;
    stage.apply(&(secret("s", "reader", "hunter2") + &cloudnative("commits-app", &database.text(), &database)));
    stage.apply(&connection("a", &simulator.url(), "s", TO));
    stage.until_ready("a", "True", "Synced").await;
    stage.terminate_operators().await;
    let anew = format!("DROP SCHEMA bitbucket CASCADE; CREATE SCHEMA bitbucket AUTHORIZATION {}", database.role);
    database.admin().await.batch_execute(&anew).await.unwrap();
    stage.start_operator();
    stage.until("a", "the end of the run", ended(Trigger::SpecChange)).await;
    assert_complete(&database, &git).await;
}
