//! With the rights that the chart gives, and no others. Each stage of these tests has just them, and fails if one is
//! missing; here it is that none is too much, and what happens without them.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_simulator::{Simulator, histories};

use crate::support::operator::{Stage, connection, secret};
use crate::support::{rights, until};

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap()
}

/// Takes part in everything that the operator asks the API server for, once.
async fn nothing_is_granted_that_is_not_used(mode: &'static str) {
    let flags = ["--set", &format!("watch.secrets={mode}")];
    let mut stage = Stage::with_rights("rights", &flags).await;
    stage.variables.push(("BITBUCKET_CONNECTOR_WATCH_SECRETS", mode.to_owned()));
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    stage.apply(&connection("a", &simulator.url(), "s", ", deletionPolicy: Delete"));
    stage.until_ready("a", "False", "SecretNotFound").await;
    stage.apply(&secret("s", "reader", "hunter2"));
    ask(&stage, "1");
    stage.until_ready("a", "True", "Synced").await;
    let granted = rights::granted(&rights::manifests(stage.cluster, &stage.namespace, &flags));
    until("every right is used", async || granted == rights::called(&stage.audit).0).await;
}

/// Where Secrets are not watched, their changes are noticed when somebody asks.
fn ask(stage: &Stage, what: &str) {
    let annotation = format!("bitbucket-connector.dev/requestedAt={what}");
    stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_that_is_not_used_with_secrets_watched() {
    nothing_is_granted_that_is_not_used("metadata").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_that_is_not_used_with_secrets_only_read() {
    nothing_is_granted_that_is_not_used("off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rights_in_one_namespace_the_others_go_on() {
    let mut stage = Stage::without_operator("some").await;
    let other = stage.cluster.namespace("other");
    stage.namespaces.push(other.clone());
    stage.lacks_rights = true;
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    let manifests = secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "");
    stage.apply(&manifests);
    stage.cluster.apply(&other, &manifests);
    stage.until_ready("a", "True", "Synced").await;
    let missing = format!("waiting for the API server to list the BitbucketConnections of namespace {other}\n");
    let page = stage.page("/readyz");
    assert!(page.contains(" 503 ") && page.ends_with(&missing), "{page}");
    assert!(stage.log().contains("has no right to it"), "the log says what to do");

    // It ends as any other, although one list has never come.
    stage.terminate_operator().await;
    stage.start_operator();
    // The operator's ServiceAccount stays where it is.
    let own = rights::manifests(stage.cluster, &stage.namespace, &[]);
    let role = own.split("\n---").filter(|part| part.contains("kind: Role")).collect::<Vec<_>>().join("\n---");
    let in_its = format!("\n  namespace: {}\n  labels", stage.namespace);
    stage.cluster.apply(&other, &role.replace(&in_its, &format!("\n  namespace: {other}\n  labels")));
    until("the other connection is synced", async || {
        let path = "jsonpath={.items[*].status.conditions[?(@.type=='Synced')].status}";
        stage.cluster.kubectl(&["get", "bbc", "-n", &other, "-o", path], "").out == "True"
    })
    .await;
    until("all is known", async || stage.page("/readyz").contains(" 200 ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_to_secrets_an_event_says_so_once() {
    let mut stage = Stage::without_operator("deaf").await;
    stage.lacks_rights = true;
    let change = |stage: &Stage, patch: &str| {
        let role = format!("bitbucket-connector:{}", stage.namespace);
        stage.kubectl(&["patch", "role", &role, "--type=json", "-p", patch]);
    };
    change(&stage, r#"[{"op": "remove", "path": "/rules/2"}]"#);
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let events = || stage.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
    until("the event", async || events() == "Forbidden").await;
    ask(&stage, "now");
    until("another look", async || stage.log().matches("tried again in 60 s").count() > 1).await;
    assert_eq!(events(), "Forbidden", "it was told once");

    let rule = r#"{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}"#;
    change(&stage, &format!(r#"[{{"op": "add", "path": "/rules/-", "value": {rule}}}]"#));
    ask(&stage, "again");
    let good = |object: &BitbucketConnection| {
        object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("again"))
    };
    stage.until("a", "the request to be handled", good).await;
    stage.until_ready("a", "True", "Synced").await;
}
