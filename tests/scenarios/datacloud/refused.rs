//! What is refused, and that nothing comes of it.

use axum::http::StatusCode;
use bitbucket_simulator::{Access, NewUser};
use serde_json::{Value, json};
use sha2::Digest;

use super::scene::{Caller, EVERYTHING, Scene, credential};
use super::stored;
use crate::support::manifests::{connection, secret};
use crate::support::until;

const LIST: &str = "list bitbucketconnections.bitbucket-connector.dev";
const PATCH: &str = "patch bitbucketconnections.bitbucket-connector.dev";

/// Whether `kubectl auth can-i` says that the caller has all of these.
fn can(scene: &Scene, name: &str, rights: &[&str]) -> bool {
    rights.iter().all(|right| {
        let (verb, resource) = right.split_once(' ').unwrap();
        let user = format!("--as=system:serviceaccount:{}:{name}", scene.stage.namespace);
        scene.stage.cluster.kubectl(&["-n", &scene.stage.namespace, "auth", "can-i", verb, resource, &user], "").ok
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_may_do_what_kubernetes_lets_it_do_and_nothing_else() {
    let scene = Scene::start("datacloud-rights").await;
    let admin = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("there", &scene.simulator.url(), "s", ""));
    scene.stage.apply(&connection("missing", &scene.simulator.url(), "none", ""));
    scene.stage.until_ready("there", "True", "Synced").await;
    scene.stage.until_ready("missing", "False", "SecretNotFound").await;
    let (there, missing) = (admin.connection("there").await, admin.connection("missing").await);
    let (_, listed) = admin.get(&format!("connections/{there}/credentials.list")).await;
    let id = listed["credentials"][0]["id"].clone();
    let before = stored(&scene, "s").await;

    let sets: [&[&str]; 7] = [
        &[],
        &[LIST],
        &["get secrets", "create secrets", "patch secrets", "delete secrets"],
        &[LIST, "get secrets"],
        &[LIST, "create secrets", "patch secrets", "delete secrets"],
        &[LIST, "get secrets", "create secrets"],
        &[LIST, PATCH],
    ];
    for (number, rights) in sets.into_iter().enumerate() {
        let name = format!("caller-{number}");
        let caller = scene.caller(&name, rights).await;
        let of = |connection: u64, method: &str| format!("connections/{connection}/{method}");
        let wrong = credential("reader", "wrong-hunter2");
        // The last one is not verified by the API before it is stored: it would be this caller's own.
        let calls: [(&str, Option<Value>, &[&str]); 8] = [
            ("connections.list", None, &[LIST]),
            (&of(there, "credentials.list"), None, &[LIST, "get secrets"]),
            (&of(there, &format!("credentials.info/{id}")), None, &[LIST, "get secrets"]),
            (&of(missing, "credentials.create"), Some(wrong), &[LIST, "get secrets", "create secrets"]),
            (
                &of(there, "credentials.update"),
                Some(json!({"id": id, "label": "x"})),
                &[LIST, "get secrets", "patch secrets"],
            ),
            (&of(there, "credentials.delete"), Some(json!({"id": id})), &[LIST, "get secrets", "delete secrets"]),
            (&of(there, "importFilters.list"), None, &[LIST]),
            (&of(there, "importFilters.setMode"), Some(json!({"mode": "denylist", "projects": ["Z"]})), &[LIST, PATCH]),
        ];
        for (method, body, needed) in calls {
            let logins = scene.simulator.failed_logins("reader");
            let (status, answer) = match body {
                None => caller.get(method).await,
                Some(body) => caller.post(method, body).await,
            };
            let permitted = can(&scene, &name, needed);
            assert_eq!(answer["error"] != "no_permission", permitted, "{rights:?} {method}: {status} {answer}");
            if !permitted {
                let message = answer["message"].as_str().unwrap();
                assert!(message.contains(&name), "Kubernetes' own words: {message}");
                assert_eq!(scene.simulator.failed_logins("reader"), logins, "a password was tried for {rights:?}");
            }
        }
        assert_eq!(stored(&scene, "s").await, before);
        assert_eq!(stored(&scene, "none").await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_one_namespace_sees_that_one_only() {
    let scene = Scene::start("datacloud-namespace").await;
    let caller = scene.caller("own", &EVERYTHING).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    let everywhere = caller.url("connections.list").replace(&format!("namespace={}", scene.stage.namespace), "");
    let (status, answer) = caller.send(scene.http.get(&everywhere)).await;
    assert_eq!((status, &answer["error"]), (422, &json!("no_permission")), "{answer}");
    let (status, answer) = caller.send(scene.http.get(format!("{everywhere}namespace=default"))).await;
    assert_eq!((status, &answer["error"]), (422, &json!("no_permission")), "{answer}");
    for odd in ["", "..", "a/b", "../../api/v1/secrets%3F", "A"] {
        let (status, answer) = caller.send(scene.http.get(format!("{everywhere}namespace={odd}"))).await;
        assert_eq!((status, &answer["error"]), (422, &json!("invalid_arguments")), "{odd}: {answer}");
    }
    let admin = scene.stage.kubectl(&["create", "token", "bitbucket-connector"]);
    let id = caller.connection("a").await;
    let (_, listed) = scene.with_token(admin.trim().to_owned()).get("connections.list").await;
    assert_eq!(listed["connections"][0]["id"], id, "the number is the same for everybody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_operator_does_not_look_after_is_not_there() {
    let scene = Scene::start("datacloud-elsewhere").await;
    let caller = scene.caller("own", &EVERYTHING).await;
    let other = scene.stage.cluster.namespace("datacloud-other");
    scene.stage.cluster.apply(&other, &connection("a", &scene.simulator.url(), "s", ""));
    let account = format!("--serviceaccount={}:own", scene.stage.namespace);
    let bound = ["-n", &other, "create", "rolebinding", "own", "--clusterrole=cluster-admin", &account];
    assert!(scene.stage.cluster.kubectl(&bound, "").ok);
    let user = format!("--as=system:serviceaccount:{}:own", scene.stage.namespace);
    until("the rights are in force", async || {
        scene.stage.cluster.kubectl(&["-n", &other, "auth", "can-i", "create", "secrets", &user], "").ok
    })
    .await;
    let there = |method: &str| caller.url(method).replace(&scene.stage.namespace, &other);
    let (status, listed) = caller.send(scene.http.get(there("connections.list"))).await;
    assert_eq!((status, &listed["connections"]), (200, &json!([])), "{listed}");
    let uid = scene.stage.cluster.kubectl(&["-n", &other, "get", "bbc", "a", "-o", "jsonpath={.metadata.uid}"], "").out;
    let sum = sha2::Sha256::digest(uid.as_bytes());
    let id = sum.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) >> 12;
    let create = scene.http.post(there(&format!("connections/{id}/credentials.create")));
    let (status, answer) = caller.send(create.json(&credential("reader", "hunter2"))).await;
    assert_eq!((status, &answer["error"]), (422, &json!("connection_not_found")), "{answer}");
    assert_eq!(scene.simulator.requests().len(), 0, "it is not asked on behalf of others");
}

/// What comes of credentials that are not good enough.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_is_not_stored() {
    let scene = Scene::start("datacloud-verdicts").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    let url = scene.simulator.url();
    for (user, access) in [("blind", Access::Nothing), ("barred", Access::Listing)] {
        scene.simulator.add_user(NewUser::reader(user, "hunter2").access(access)).unwrap();
    }
    let nowhere = "http://127.0.0.1:1";
    let cases = [
        ("blind", url.as_str(), "", "no_resources"),
        ("barred", &url, "", "invalid_permissions"),
        ("reader", &url, ", import: {mode: Allowlist, projects: [NONE]}", "no_resources"),
        ("reader", nowhere, "", "server_unreachable"),
        ("reader", &format!("{url}/nothing"), "", "invalid_url"),
        ("reader", &url, ", certSecretRef: {name: missing}", "secret_not_found"),
        ("reader", &url, ", proxySecretRef: {name: other}", "invalid_secret"),
    ];
    scene.stage.apply(&secret("other", "reader", "hunter2"));
    for (number, (user, url, more, error)) in cases.into_iter().enumerate() {
        let name = format!("c{number}");
        scene.stage.apply(&connection(&name, url, &name, more));
        let id = caller.connection(&name).await;
        let (status, answer) =
            caller.post(&format!("connections/{id}/credentials.create"), credential(user, "hunter2")).await;
        assert_eq!((status, &answer["error"]), (422, &json!(error)), "{answer}");
        assert_eq!(stored(&scene, &name).await, None);
    }
    assert_eq!(scene.simulator.failed_logins("reader"), 0);
}

async fn is_refused(caller: &Caller, method: &str, body: Value, error: &str) {
    let (status, answer) = caller.post(method, body.clone()).await;
    assert_eq!((status, &answer["error"]), (422, &json!(error)), "{method} {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_nobody_and_whatever_is_nonsense_is_refused() {
    let scene = Scene::start("datacloud-nonsense").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    let id = caller.connection("a").await;
    for token in ["", "nobody", "\u{e4}", &caller.token[..caller.token.len() - 8]] {
        let (status, answer) = scene.with_token(token.to_owned()).get("connections.list").await;
        assert_eq!((status, &answer["error"]), (422, &json!("not_authed")), "{answer}");
    }
    let of = |method: &str| format!("connections/{id}/{method}");
    is_refused(&caller, "connections/7/credentials.create", credential("reader", "hunter2"), "connection_not_found")
        .await;
    is_refused(&caller, "connections/x/credentials.create", credential("reader", "hunter2"), "connection_not_found")
        .await;
    is_refused(&caller, &of("credentials.update"), json!({"id": 7}), "credential_not_found").await;
    is_refused(&caller, &of("credentials.update"), json!({}), "invalid_arguments").await;
    is_refused(&caller, &of("credentials.create"), json!({"password": "hunter2"}), "invalid_arguments").await;
    is_refused(&caller, &of("credentials.create"), json!([1]), "invalid_json").await;
    is_refused(&caller, &of("credentials.create"), json!({"label": "a".repeat(70_000)}), "request_too_large").await;
    let (status, answer) = caller.get("connections.delete").await;
    assert_eq!((status, &answer["error"]), (404, &json!("unknown_method")));
    let (status, answer) = caller.get(&of("credentials.create")).await;
    assert_eq!((status, &answer["error"]), (405, &json!("unknown_method")));
    assert_eq!(stored(&scene, "s").await, None);
    assert!(scene.simulator.requests().iter().all(|seen| seen.scheme.is_none()), "no credentials were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fails_again_and_again_has_to_wait() {
    let scene = Scene::start("datacloud-throttle").await;
    let nobody = scene.with_token("nobody".to_owned());
    let mut refused = 0;
    for _ in 0..200 {
        let answer = scene.http.get(nobody.url("connections.list")).bearer_auth("nobody").send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=20).contains(&wait), "{wait}");
            refused += 1;
        }
    }
    // One a second is heard on, and this takes a few.
    assert!(refused > 100, "{refused}");
}
