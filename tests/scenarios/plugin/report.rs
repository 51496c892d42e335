//! `report`: enough to help, and no more.

use axum::http::{HeaderMap, StatusCode};
use serde_json::json;

use super::scene::Scene;
use crate::support::front::{Act, Front};
use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::until;
use crate::support::visitor::token;

/// An operator, and something else.
const DEPLOYMENTS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator, labels: {app.kubernetes.io/name: bitbucket-connector}}
spec:
  replicas: 0
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec:
      containers:
      - name: operator
        image: registry.example.com/bitbucket-connector:0.1.0
        args: [run, --database=postgres://app:hunter2@db.example.com/app, --proxy, "http://p:hunter2@proxy.example.com", --leader-election]
        env:
        - {name: BITBUCKET_CONNECTOR_DATABASE, value: "postgres://app:hunter2@db.example.com/app"}
        - {name: BITBUCKET_CONNECTOR_CLUSTER, value: first-cluster}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  replicas: 0
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: other, image: "registry.example.com/other:1", args: [--other]}]}
"#;
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: operator-0, labels: {app.kubernetes.io/name: bitbucket-connector}}
spec: {containers: [{name: operator, image: "registry.example.com/bitbucket-connector:0.1.0"}]}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_how_it_is_and_not_whose() {
    let scene = Scene::start("plugin-report").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    let url = scene.simulator.url().replace("127.0.0.1", "localhost");
    scene.stage.apply(&connection("a", &url, "s", ", import: {mode: Allowlist, repositories: [PLAT/api]}"));
    scene.stage.apply(&connection("b", &scene.simulator.url(), "none", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.stage.until_ready("b", "False", "SecretNotFound").await;
    let report = scene.run(&["report"]).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_clean("a report", &report.out);
    for text in [
        "kubectl-bitbucket 0.1.0",
        "API server v1.",
        "reason: Synced",
        "reason: SecretNotFound",
        "user-1",
        "host-1",
        "project-1/repository-1",
        "== Events",
        "== Operator",
    ] {
        assert!(report.out.contains(text), "{text}: {}", report.out);
    }
    for name in ["reader", "localhost", "PLAT"] {
        assert!(!report.out.contains(name), "{name}: {}", report.out);
    }
    let one = scene.run(&["report", "b", "--no-redaction"]).await;
    assert!(one.out.contains("127.0.0.1") && !one.out.contains("localhost"), "{one:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_operator_there_is_how_it_is_started_and_nothing_that_it_is_told() {
    let scene = Scene::start("plugin-operator").await;
    let namespace = &scene.stage.namespace;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "none", ""));
    scene.stage.apply(&connection("ab", &scene.simulator.url(), "none", ""));
    for name in ["a", "ab"] {
        scene.stage.until_ready(name, "False", "SecretNotFound").await;
    }
    scene.stage.apply(DEPLOYMENTS);
    let account = ["get", "serviceaccount", "default", "--ignore-not-found", "-o", "name"];
    until("Pods are taken", async || !scene.stage.kubectl(&account).is_empty()).await;
    scene.stage.apply(POD);
    let restarts = json!({"status": {"containerStatuses": [
        {"name": "operator", "image": "i", "imageID": "i", "ready": true, "restartCount": 3}
    ]}});
    scene.stage.kubectl(&["patch", "pod", "operator-0", "--subresource=status", "-p", &restarts.to_string()]);
    let started = format!(
        "Deployment {namespace}/operator\n  image registry.example.com/bitbucket-connector:0.1.0\n  \
         arguments run --database --proxy --leader-election\n  \
         variables BITBUCKET_CONNECTOR_DATABASE BITBUCKET_CONNECTOR_CLUSTER POD_NAME\n"
    );
    let pod = format!("Pod {namespace}/operator-0, 3 restarts\n");
    // Nobody runs the Pod: it has no log.
    let report = scene.run(&["report", "a", "--no-redaction"]).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_clean("a report", &report.out);
    assert!(report.out.contains(&started) && report.out.ends_with(&format!("== Log\n{pod}")), "{}", report.out);
    for other in ["db.example.com", "proxy.example.com", "first-cluster", "registry.example.com/other"] {
        assert!(!report.out.contains(other), "{other}: {}", report.out);
    }

    // What one would answer is put in its place: all that the operator of this test has logged.
    let token = token(&scene.stage, "helper", &[]).await;
    let account = format!("--serviceaccount={namespace}:helper");
    let role = format!("{namespace}-helper");
    scene.stage.kubectl(&["create", "clusterrolebinding", &role, "--clusterrole=cluster-admin", &account]);
    let log = scene.stage.log();
    let of = |name: &str| format!("connection=\"{namespace}/{name}\"");
    assert!(log.contains(&of("a")) && log.contains(&of("ab")), "{log}");
    let first = log.lines().find(|line| !line.contains("connection=")).unwrap();
    let front = Front::new(&scene.stage.config).await;
    let answer = log.clone();
    front.on(move |call| match call.kind.as_str() {
        "GET pods/NAME/log" => Act::Answer(StatusCode::OK, HeaderMap::new(), answer.clone()),
        _ => Act::Pass,
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "own",
        "clusters": [{"name": "own", "cluster": {"server": format!("http://{}", front.address)}}],
        "users": [{"name": "own", "user": {"token": token}}],
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}]
    });
    let path = scene.stage.folder.path().join("through-the-front");
    std::fs::write(&path, config.to_string()).unwrap();
    let call = ["report", "a", "--no-redaction", "--kubeconfig", path.to_str().unwrap()];
    until("the rights are in force", async || scene.run(&call).await.out.contains(&started)).await;
    let report = scene.run(&call).await;
    assert!(report.out.contains(&of("a")) && !report.out.contains(&of("ab")), "{}", report.out);
    // As kube writes the name of an object.
    assert!(!report.out.contains(&format!("/ab.{namespace}")), "{}", report.out);
    assert!(report.out.contains(&format!("{pod}{first}\n")), "{}", report.out);
    let tail = |query: &str| query.split('&').any(|part| part == "tailLines=2000");
    assert!(front.calls().iter().any(|call| call.kind == "GET pods/NAME/log" && tail(&call.query)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_named_and_left_out() {
    let scene = Scene::start("plugin-part").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "none", ""));
    scene.stage.until_ready("a", "False", "SecretNotFound").await;
    token(&scene.stage, "viewer", &["list bitbucketconnections.bitbucket-connector.dev"]).await;
    let account = format!("system:serviceaccount:{}:viewer", scene.stage.namespace);
    let report = scene.run(&["report", "--as", &account]).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert!(report.out.contains("reason: SecretNotFound"), "{}", report.out);
    for part in ["Events", "Operator", "Log"] {
        assert!(report.out.contains(&format!("== {part}\nnot read: ")), "{part}: {}", report.out);
    }
    assert!(scene.run(&["report", "missing"]).await.err.contains("there is no BitbucketConnection missing"));
}
