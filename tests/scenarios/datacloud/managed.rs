//! What somebody else writes is left to them.

use serde_json::{Value, json};

use super::scene::{EVERYTHING, Scene};
use super::{stored, values};
use crate::support::manifests::{connection, secret};

fn apply_as(scene: &Scene, manager: &str, manifests: &str) {
    let manager = format!("--field-manager={manager}");
    let arguments = ["apply", "--server-side", "-n", &scene.stage.namespace, &manager, "-f", "-"];
    let applied = scene.stage.cluster.kubectl(&arguments, manifests);
    assert!(applied.ok, "{}", applied.err);
}

/// Secrets that somebody else writes, and one that nobody does, each with a connection of its name.
fn furnish(scene: &Scene) {
    apply_as(scene, "kustomize-controller", &secret("gitops", "reader", "hunter2"));
    scene.stage.apply(&secret("external", "reader", "hunter2"));
    scene.stage.apply(&secret("own", "reader", "hunter2"));
    // Any object will do as its controller.
    let owner = scene.stage.kubectl(&["get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.metadata.uid}"]);
    let owners = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": owner, "controller": true}]);
    let patch = json!({"metadata": {"ownerReferences": owners}}).to_string();
    scene.stage.kubectl(&["patch", "secret", "external", "--type=merge", "-p", &patch]);
    for name in ["gitops", "external", "own"] {
        scene.stage.apply(&connection(name, &scene.simulator.url(), name, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_somebody_else_is_not_fought_over() {
    let scene = Scene::start("datacloud-managed").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    furnish(&scene);
    for (name, owner) in [("gitops", Some("kustomize-controller")), ("external", Some("ConfigMap")), ("own", None)] {
        let id = caller.connection(name).await;
        let of = |method: &str| format!("connections/{id}/credentials.{method}");
        let (_, listed) = caller.get(&of("list")).await;
        let credential = &listed["credentials"][0]["id"];
        let before = stored(&scene, name).await;
        let token = json!({"id": credential, "secrets": {"bitbucket_data_center_token": "tok-hunter2"}});
        for (method, body) in [("update", token), ("delete", json!({"id": credential}))] {
            let (status, answer) = caller.post(&of(method), body).await;
            let Some(owner) = owner else {
                assert_eq!(status, 200, "{method} {answer}");
                continue;
            };
            assert_eq!((status, &answer["error"]), (422, &json!("managed_elsewhere")), "{method} {answer}");
            assert!(answer["message"].as_str().unwrap().contains(owner), "{answer}");
        }
        assert_eq!(stored(&scene, name).await, before.filter(|_| owner.is_some()));
    }
    let logins = scene.simulator.failed_logins("reader");
    assert_eq!(logins, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_else_writes_of_a_secret_can_be_changed() {
    let scene = Scene::start("datacloud-label").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    furnish(&scene);
    for name in ["gitops", "external"] {
        let id = caller.connection(name).await;
        let list = format!("connections/{id}/credentials.list");
        let credential = caller.get(&list).await.1["credentials"][0]["id"].clone();
        let before = values(&stored(&scene, name).await.unwrap());
        let now = async || {
            let (_, listed) = caller.get(&list).await;
            let of = |field: &str| listed["credentials"][0][field].clone();
            (of("label"), of("expiration_date"))
        };
        for (change, expected) in [
            (json!({"label": "Renamed"}), (json!("Renamed"), Value::Null)),
            (json!({"expiration_date": "2027-01-31"}), (json!("Renamed"), json!("2027-01-31"))),
        ] {
            let mut update = json!({"id": credential});
            update.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let (status, answer) = caller.post(&format!("connections/{id}/credentials.update"), update).await;
            assert_eq!(status, 200, "{name} {change}: {answer}");
            assert_eq!(now().await, expected, "{name}");
        }
        assert!(values(&stored(&scene, name).await.unwrap()) == before, "{name}: what others write is changed");
        // Whoever applies it anew is not in conflict, and leaves what it does not name.
        if name == "gitops" {
            apply_as(&scene, "kustomize-controller", &secret(name, "reader", "hunter2"));
            assert_eq!(now().await, (json!("Renamed"), json!("2027-01-31")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_filter_of_somebody_else_is_not_fought_over() {
    let scene = Scene::start("datacloud-gitops").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    let url = scene.simulator.url();
    let filter = ", import: {mode: Allowlist, projects: [PLAT]}";
    apply_as(&scene, "kustomize-controller", &connection("with", &url, "s", filter));
    apply_as(&scene, "kustomize-controller", &connection("without", &url, "s", ""));
    let add = json!({"projects": ["MORE"]});
    let with = caller.connection("with").await;
    let (status, answer) = caller.post(&format!("connections/{with}/importFilters.add"), add).await;
    assert_eq!((status, &answer["error"]), (422, &json!("managed_elsewhere")), "{answer}");
    // Whoever applies the rest of the spec does not touch what it does not name.
    let without = caller.connection("without").await;
    let deny = json!({"mode": "denylist", "projects": ["OLD"]});
    let (status, answer) = caller.post(&format!("connections/{without}/importFilters.setMode"), deny).await;
    assert_eq!(status, 200, "{answer}");
    apply_as(&scene, "kustomize-controller", &connection("without", &url, "s", ""));
    let projects = scene.stage.kubectl(&["get", "bbc", "without", "-o", "jsonpath={.spec.import.projects}"]);
    assert_eq!(projects, r#"["OLD"]"#);
}
