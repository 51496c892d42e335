//! What stands in the way of removing the rows.

use bitbucket_connector::destination::query;

use super::*;
use crate::support::front::{Act, Front};
use crate::support::postgres::{Database, own_server, server};

const DELETE_THERE: &str = ", deletionPolicy: Delete, destination: {secretRef: {name: commits-app}}";

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
    until("another try", async || stage.log().contains("another try has not removed the rows")).await;
    assert!(process.run());
    is_gone(&stage, "a").await;
    assert_eq!(connections(&database).await, 0);
    assert_eq!(events(&stage).matches("DeletionBlocked: ").count(), 1, "it was told once");
    assert_eq!(stage.log().matches("cannot be removed; it is tried again").count(), 1);
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
    let stage = impatient("forsaken").await;
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

/// An operator that soon gives up.
async fn impatient(theme: &str) -> Stage {
    let mut stage = Stage::without_operator(theme).await;
    stage.variables.push(("BITBUCKET_CONNECTOR_DELETION_TIMEOUT", "2s".to_owned()));
    stage.start_operator();
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_a_database_that_the_spec_does_not_name_any_more_stay() {
    let stage = impatient("elsewhere").await;
    let database = server().await.database().await;
    let simulator = synced_to(&stage, &database).await;
    stage.apply(&connection("a", &simulator.url(), "s", &DELETE_THERE.replace("commits-app", "missing")));
    stage.until_ready("a", "False", "DestinationInvalid").await;
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    until("the event", async || events(&stage).contains("RowsStay: ")).await;
    assert!(events(&stage).contains("DeletionBlocked: "), "{}", events(&stage));
    assert_eq!(connections(&database).await, 1);
}

/// Of another version's.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_understood_goes_in_the_end() {
    let mut stage = impatient("unknown").await;
    let simulator = bitbucket(&stage, "api").await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", DELETE)));
    stage.until_ready("a", "True", "Synced").await;
    stage.kill_operator();
    let front = Front::new(&stage.config).await;
    front.on(|_| Act::Change(|text| text.replace("\"schedule\":\"0 * * * *\"", "\"schedule\":7")));
    stage.start_operator_through(&front);
    let unknown = "cannot be understood and is left alone";
    until("the operator to look at it", async || stage.log().contains(unknown)).await;
    delete(&stage, "a");
    is_gone(&stage, "a").await;
    until("the event", async || events(&stage).contains("RowsStay: ")).await;
    let why = "this version of the operator cannot understand the object";
    assert_eq!(events(&stage).matches(why).count(), 2, "{}", events(&stage));
    assert_eq!(commits(&stage).await, vec![vec![json!("a"), json!(250)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_the_finalizer_an_event_says_so() {
    let mut stage = Stage::start("rightless").await;
    stage.lacks_rights = true;
    let change = |stage: &Stage, verbs: &str| {
        let role = format!("bitbucket-connector:{}", stage.namespace);
        let patch = format!(r#"[{{"op": "replace", "path": "/rules/0/verbs", "value": [{verbs}]}}]"#);
        stage.kubectl(&["patch", "role", &role, "--type=json", "-p", &patch]);
    };
    let look = |stage: &Stage, what: &str| {
        let annotation = format!("bitbucket-connector.dev/requestedAt={what}");
        stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
    };
    let (few, all) = (r#""list", "watch""#, r#""list", "watch", "patch""#);
    let simulator = bitbucket(&stage, "api").await;
    change(&stage, few);
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", DELETE)));
    until("the event", async || events(&stage).contains("may not change the metadata")).await;
    assert_eq!(simulator.requests().len(), 0, "what cannot be removed is not stored");
    change(&stage, all);
    let synced = async || {
        look(&stage, &format!("n{}", fastrand::u64(..)));
        let path = "jsonpath={.status.conditions[?(@.type=='Synced')].status}";
        stage.kubectl(&["get", "bbc", "a", "-o", path]) == "True"
    };
    until("it is synced", synced).await;

    change(&stage, few);
    let may = async || {
        let patched = ["auth", "can-i", "patch", "bitbucketconnections"];
        let user = format!("--as=system:serviceaccount:{0}:bitbucket-connector", stage.namespace);
        stage.cluster.kubectl(&[&patched[..], &["-n", &stage.namespace, &user]].concat(), "").ok
    };
    until("the right is gone", async || !may().await).await;
    delete(&stage, "a");
    until("the event", async || events(&stage).contains("may not take its finalizer off")).await;
    assert_eq!(commits(&stage).await, Vec::<Vec<Value>>::new());
    change(&stage, all);
    until("the object is gone", async || {
        let gone = stage.objects.get_opt("a").await.unwrap().is_none();
        if !gone {
            look(&stage, &format!("n{}", fastrand::u64(..)));
        }
        gone
    })
    .await;
}
