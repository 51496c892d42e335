//! `spec.deletionPolicy`: what becomes of the rows of a connection that is deleted, and of the object while they cannot be
//! removed.

use bitbucket_connector::destination::query;
use bitbucket_simulator::{Action, Fault, Hold, Matches, Simulator, histories};
use serde_json::{Value, json};

use crate::support::operator::{Stage, connection, secret};
use crate::support::postgres::{Database, own_server, server};
use crate::support::{until, within};

const DELETE: &str = ", deletionPolicy: Delete";
const DELETE_THERE: &str = ", deletionPolicy: Delete, destination: {secretRef: {name: commits-app}}";

async fn bitbucket(stage: &Stage, name: &str) -> Simulator {
    let path = stage.folder.path().join(format!("{name}.git"));
    histories::linear(&path, 250).unwrap();
    Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap()
}

fn finalizers(stage: &Stage, name: &str) -> String {
    stage.kubectl(&["get", "bbc", name, "-o", "jsonpath={.metadata.finalizers[*]}"])
}

async fn is_gone(stage: &Stage, name: &str) {
    until("the object is gone", async || stage.objects.get_opt(name).await.unwrap().is_none()).await;
}

fn delete(stage: &Stage, name: &str) {
    stage.kubectl(&["delete", "bbc", name, "--wait=false"]);
}

fn events(stage: &Stage) -> String {
    let reasons = r#"jsonpath={range .items[?(@.type=="Warning")]}{.reason}: {.note}{"\n"}{end}"#;
    stage.kubectl(&["get", "events.events.k8s.io", "-o", reasons])
}

/// The commits of each connection, by name.
async fn commits(stage: &Stage) -> Vec<Vec<Value>> {
    let sql = "SELECT n.name, count(c.id) FROM bitbucket_connections n
               LEFT JOIN bitbucket_server_repositories r ON r.connection_id = n.id
               LEFT JOIN bitbucket_server_repository_default_branch_commits c ON c.repository_id = r.id
               GROUP BY n.name ORDER BY n.name";
    stage.query(sql).await.rows
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_where_it_was_said_and_stay_where_it_was_not() {
    let stage = Stage::start("policy").await;
    let simulator = bitbucket(&stage, "api").await;
    let url = simulator.url();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("kept", &url, "s", "")));
    stage.apply(&(connection("gone", &url, "s", DELETE) + &connection("changed", &url, "s", DELETE)));
    for name in ["kept", "gone", "changed"] {
        stage.until_ready(name, "True", "Synced").await;
    }
    assert_eq!(finalizers(&stage, "kept"), "");
    assert_eq!(finalizers(&stage, "gone"), "bitbucket-connector.dev/rows");
    stage.apply(&connection("changed", &url, "s", ""));
    until("it is held no more", async || finalizers(&stage, "changed").is_empty()).await;
    for name in ["kept", "gone", "changed"] {
        delete(&stage, name);
        is_gone(&stage, name).await;
    }
    assert_eq!(commits(&stage).await, vec![vec![json!("changed"), json!(250)], vec![json!("kept"), json!(250)]]);
    assert_eq!(events(&stage), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_ends_first_and_a_crash_changes_nothing() {
    let mut stage = Stage::start("running").await;
    let simulator = bitbucket(&stage, "api").await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", DELETE)));
    within("the last page", hold.wait_for(1)).await;
    until("two pages are stored", async || commits(&stage).await == [[json!("a"), json!(200)]]).await;
    stage.kill_operator();
    delete(&stage, "a");
    stage.start_operator();
    is_gone(&stage, "a").await;
    assert_eq!(commits(&stage).await, Vec::<Vec<Value>>::new());
    hold.release();

    // The same without a crash: the object goes when the run has ended, and with it what that has stored.
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    stage.apply(&connection("a", &simulator.url(), "s", DELETE));
    within("the last page", hold.wait_for(1)).await;
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    assert_eq!(commits(&stage).await, Vec::<Vec<Value>>::new());
    hold.release();
}

/// A connection that was synced to this database.
async fn synced_to(stage: &Stage, database: &Database) -> Simulator {
    let simulator = bitbucket(stage, "api").await;
    let uri = json!({"uri": database.text()});
    let commits = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: commits-app}}\nstringData: {uri}\n---\n");
    stage.apply(&(secret("s", "reader", "hunter2") + &commits));
    stage.apply(&connection("a", &simulator.url(), "s", DELETE_THERE));
    stage.until_ready("a", "True", "Synced").await;
    simulator
}

async fn connections(database: &Database) -> usize {
    query(&database.url(), "SELECT * FROM bitbucket_connections").await.unwrap().rows.len()
}

/// As when a whole namespace is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_secrets_have_gone_before_the_database_is_the_one_that_was_stored_in() {
    let stage = Stage::start("before").await;
    let database = server().await.database().await;
    let _simulator = synced_to(&stage, &database).await;
    assert_eq!(connections(&database).await, 1);
    stage.kubectl(&["delete", "secret", "commits-app"]);
    stage.until_ready("a", "False", "DestinationInvalid").await;
    stage.kubectl(&["delete", "secret", "s"]);
    stage.until_ready("a", "False", "SecretNotFound").await;
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    assert_eq!(connections(&database).await, 0);
    assert!(!events(&stage).contains("Deletion"), "{}", events(&stage));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_waited_for() {
    let stage = Stage::start("away").await;
    let (server, process) = own_server().await;
    let database = server.database().await;
    let _simulator = synced_to(&stage, &database).await;
    process.kill();
    delete(&stage, "a");
    until("the event", async || events(&stage).contains("DeletionBlocked")).await;
    let told = events(&stage);
    assert!(told.contains("tried for 600 s") && told.contains("deletionPolicy to Retain"), "{told}");
    until("another try", async || stage.log().matches("cannot be removed").count() > 1).await;
    assert!(process.run());
    is_gone(&stage, "a").await;
    assert_eq!(connections(&database).await, 0);
    let series = stage.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].series}"]);
    assert_eq!(series, "", "it was told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_somebody_has_dropped_holds_nothing() {
    let stage = Stage::start("dropped").await;
    let database = server().await.database().await;
    let _simulator = synced_to(&stage, &database).await;
    let role = &database.role;
    let anew = format!("DROP SCHEMA bitbucket CASCADE; CREATE SCHEMA bitbucket AUTHORIZATION {role}");
    database.admin().await.batch_execute(&anew).await.unwrap();
    delete(&stage, "a");
    is_gone(&stage, "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_wait_lets_the_rows_stay() {
    let stage = Stage::start("impatient").await;
    let (server, process) = own_server().await;
    let database = server.database().await;
    let simulator = synced_to(&stage, &database).await;
    process.kill();
    delete(&stage, "a");
    until("the event", async || events(&stage).contains("DeletionBlocked")).await;
    stage.apply(&connection("a", &simulator.url(), "s", ", destination: {secretRef: {name: commits-app}}"));
    is_gone(&stage, "a").await;
    assert!(process.run());
    assert_eq!(connections(&database).await, 1);
    assert!(!events(&stage).contains("RowsStay"), "that was a person's word: {}", events(&stage));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_end_the_object_goes_and_it_is_said_that_its_rows_stay() {
    let mut stage = Stage::without_operator("forsaken").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_DELETION_TIMEOUT", "2s".to_owned()));
    stage.start_operator();
    let (server, process) = own_server().await;
    let database = server.database().await;
    let _simulator = synced_to(&stage, &database).await;
    process.kill();
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    until("the event", async || events(&stage).contains("RowsStay")).await;
    assert!(events(&stage).contains("docs/deletion.md"), "{}", events(&stage));
    assert!(stage.log().contains("its rows stay"));
    assert!(process.run());
    assert_eq!(connections(&database).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_synced_waits_for_no_database() {
    let mut stage = Stage::without_operator("never").await;
    stage.set_database(stage.folder.path().join("missing/commits.db"));
    stage.start_operator();
    let simulator = bitbucket(&stage, "api").await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", DELETE)));
    stage.until_ready("a", "False", "DestinationUnavailable").await;
    assert_eq!(finalizers(&stage, "a"), "bitbucket-connector.dev/rows");
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    assert!(!events(&stage).contains("Deletion"), "{}", events(&stage));
}

#[tokio::test(flavor = "multi_thread")]
async fn finalizers_of_others_stay_and_nothing_is_asked_meanwhile() {
    let stage = Stage::start("others").await;
    let simulator = bitbucket(&stage, "api").await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", DELETE)));
    stage.until_ready("a", "True", "Synced").await;
    let add = r#"[{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/others"}]"#;
    stage.kubectl(&["patch", "bbc", "a", "--type=json", "-p", add]);
    delete(&stage, "a");
    until("the rows are gone", async || finalizers(&stage, "a") == "example.com/others").await;
    assert_eq!(commits(&stage).await, Vec::<Vec<Value>>::new());
    simulator.clear_requests();
    stage.apply(&connection("a", &simulator.url(), "s", ""));
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    // A second connection is looked at later.
    stage.apply(&connection("b", &simulator.url(), "s", ", suspend: true"));
    stage
        .until("b", "a status", |object| object.status.as_ref().is_some_and(|s| s.observed_generation == Some(1)))
        .await;
    assert_eq!(simulator.requests().len(), 0);
    stage.kubectl(&["patch", "bbc", "a", "--type=json", "-p", r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#]);
    is_gone(&stage, "a").await;
}
