//! `spec.deletionPolicy`: what becomes of the rows of a connection that is deleted, and of the object while they cannot be
//! removed.

mod faults;

use bitbucket_simulator::{Action, Fault, Hold, Matches, Simulator, histories};
use serde_json::{Value, json};

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::{until, within};

const DELETE: &str = ", deletionPolicy: Delete";

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
    // By hand it does not go.
    stage.kubectl(&["patch", "bbc", "gone", "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#]);
    until("it is held again", async || !finalizers(&stage, "gone").is_empty()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_under_way_asks_nothing_more() {
    let stage = Stage::start("asking").await;
    let simulator = bitbucket(&stage, "api").await;
    let hold = Hold::new();
    let first = Matches::PathEndsWith("/application-properties".to_owned());
    simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(first).times(1));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    within("the first request", hold.wait_for(1)).await;
    let add = r#"{"metadata": {"finalizers": ["example.com/others"]}}"#;
    stage.kubectl(&["patch", "bbc", "a", "--type=merge", "-p", add]);
    delete(&stage, "a");
    // What is applied later is seen later, and asks for more.
    let other = bitbucket(&stage, "other").await;
    stage.apply(&connection("b", &other.url(), "s", ""));
    stage.until_ready("b", "True", "Synced").await;
    hold.release();
    stage.apply(&connection("c", &other.url(), "s", ""));
    stage.until_ready("c", "True", "Synced").await;
    assert_eq!(simulator.requests().len(), 1);
    stage.kubectl(&["patch", "bbc", "a", "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#]);
}
