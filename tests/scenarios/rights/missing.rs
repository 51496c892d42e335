//! Rights that are missing: whoever needs to know is told, once, and all else goes on.

use bitbucket_connector::api::BitbucketConnection;

use super::*;

/// What is said where they are missing.
const LIST: &str =
    "the operator's ServiceAccount has no right to list and watch BitbucketConnections; give it that right";
const WATCH_SECRETS: &str = "the operator's ServiceAccount has no right to list and watch Secrets";

/// As JSON patches of a role.
const ONLY_GET: &str = r#"[{"op": "replace", "path": "/rules/2/verbs", "value": ["get"]}]"#;
const GET_AND_WATCH: &str = r#"[{"op": "replace", "path": "/rules/2/verbs", "value": ["get", "list", "watch"]}]"#;
const NO_LIST: &str = r#"[{"op": "replace", "path": "/rules/0/verbs", "value": ["watch", "patch"]}]"#;
const LIST_AND_WATCH: &str = r#"[{"op": "replace", "path": "/rules/0/verbs", "value": ["list", "watch", "patch"]}]"#;

/// Changes the operator's role.
fn change(stage: &Stage, kind: &str, patch: &str) {
    let role = format!("bitbucket-connector:{}", stage.namespace);
    stage.kubectl(&["patch", kind, &role, "--type=json", "-p", patch]);
}

/// The API server hears of that a moment later.
async fn until_lost(stage: &Stage, resource: &str) {
    let user = format!("system:serviceaccount:{0}:bitbucket-connector", stage.namespace);
    let can = ["auth", "can-i", "list", resource, "-n", &stage.namespace, "--as", &user];
    until("the right is lost", async || !stage.cluster.kubectl(&can, "").ok).await;
}

fn handled(request: &str) -> impl Fn(&BitbucketConnection) -> bool {
    move |object| {
        object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(request))
    }
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
    let missing = format!("\nwaiting for the API server to list the BitbucketConnections of namespace {other}: {LIST}");
    let page = stage.page("/readyz");
    assert!(page.contains(" 503 ") && page.contains(&missing), "{page}");
    assert!(!page.contains(&stage.namespace), "that one is known: {page}");

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
    change(&stage, "role", r#"[{"op": "remove", "path": "/rules/2"}]"#);
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let events = || stage.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
    until("the event", async || events() == "Forbidden").await;
    ask(&stage, "now");
    until("another look", async || stage.log().matches("tried again in 60 s").count() > 1).await;
    assert_eq!(events(), "Forbidden", "it was told once");

    let rule = r#"{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}"#;
    change(&stage, "role", &format!(r#"[{{"op": "add", "path": "/rules/-", "value": {rule}}}]"#));
    ask(&stage, "again");
    stage.until("a", "the request to be handled", handled("again")).await;
    stage.until_ready("a", "True", "Synced").await;
}

/// Changes of Secrets are not heard of.
async fn deaf(scope: Scope, role: &str) {
    let (mut stage, front) = scope.stage("unheard", scope.flags()).await;
    stage.lacks_rights = true;
    change(&stage, role, ONLY_GET);
    until_lost(&stage, "secrets").await;
    stage.start_operator_through(&front);
    until("the log to say so", async || stage.log().contains(WATCH_SECRETS)).await;
    let simulator = bitbucket(&stage).await;
    let both = ["a", "b"].map(|name| connection(name, &simulator.url(), "s", "")).concat();
    stage.apply(&(secret("s", "reader", "hunter2") + &both));
    let told = "jsonpath={range .items[?(@.reason=='Forbidden')]}{.action} {.regarding.name}\n{end}";
    let told = || {
        let events = stage.kubectl(&["get", "events.events.k8s.io", "-o", told]);
        let mut lines: Vec<_> = events.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for name in ["a", "b"] {
        stage.until_ready(name, "True", "Synced").await;
    }
    ask(&stage, "now");
    until("it is tried again", async || {
        front.calls().iter().filter(|call| call.kind.ends_with(" secrets")).count() >= 4
    })
    .await;
    for name in ["a", "b"] {
        stage.until(name, "the request to be handled", handled("now")).await;
    }
    assert_eq!(told(), ["WatchSecrets a", "WatchSecrets b"], "each connection is told once");
    assert_eq!(stage.log().matches(WATCH_SECRETS).count(), 1, "once for all tries");
    assert!(stage.page("/readyz").contains(" 200 "), "all else goes on");

    change(&stage, role, GET_AND_WATCH);
    until("the watch goes on", async || {
        stage.log().contains("the watch of Secrets in") && stage.log().contains(" goes on")
    })
    .await;
    stage.apply(&secret("s", "reader", "hunter2-is-wrong"));
    stage.until_ready("a", "False", "invalid_credentials").await;
    assert_eq!(told().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_to_watch_secrets_in_a_namespace_each_connection_says_so_once() {
    deaf(Scope::Namespace, "role").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_to_watch_secrets_anywhere_each_connection_says_so_once() {
    deaf(Scope::Cluster, "clusterrole").await;
}

/// Somebody has installed the definition, and it is the right that is missing now.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_is_what_is_missing_now() {
    let (mut stage, front) = Scope::Namespace.stage("unlisted", &[]).await;
    stage.lacks_rights = true;
    change(&stage, "role", NO_LIST);
    until_lost(&stage, "bitbucketconnections").await;
    let of_connections = |call: &Call| call.kind.contains("bitbucketconnections");
    front.on(move |call| if of_connections(call) { Act::unknown() } else { Act::Pass });
    stage.start_operator_through(&front);
    let shown = async |what: &str| {
        until(what, async || stage.log().contains("connector started") && stage.page("/readyz").contains(what)).await;
    };
    shown("is not installed").await;
    front.pass();
    shown(LIST).await;
    assert!(!stage.page("/readyz").contains("is not installed"));
    let tries = front.calls().len();
    front.until(|calls| calls[tries..].iter().filter(|call| of_connections(call)).count() >= 2).await;
    assert_eq!(stage.log().matches(LIST).count(), 1, "once for all tries");
    change(&stage, "role", LIST_AND_WATCH);
    shown(" 200 ").await;
}
