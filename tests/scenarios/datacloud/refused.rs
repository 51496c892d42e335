//! What is refused, and that nothing comes of it.

use std::pin::pin;
use std::time::Duration;

use axum::http::StatusCode;
use bitbucket_simulator::{Access, NewUser};
use futures::channel::mpsc::unbounded;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::scene::{Caller, EVERYTHING, Scene, credential};
use super::stored;
use crate::support::manifests::{connection, secret};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_credential_is_replaced_by_a_good_one_only() {
    let scene = Scene::start("datacloud-update").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.simulator.add_user(NewUser::reader("blind", "hunter2").access(Access::Nothing)).unwrap();
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let id = caller.connection("a").await;
    let (_, listed) = caller.get(&format!("connections/{id}/credentials.list")).await;
    let credential_id = &listed["credentials"][0]["id"];
    let before = stored(&scene, "s").await;
    let password = json!({"bitbucket_data_center_password": "wrong-hunter2"});
    let wrong = json!({"id": credential_id, "label": "Renamed", "secrets": password});
    let mut other = credential("blind", "hunter2");
    other["id"] = credential_id.clone();
    // What is known to be wrong is not sent once more.
    for (body, error) in [(&wrong, "invalid_credentials"), (&wrong, "invalid_credentials"), (&other, "no_resources")] {
        is_refused(&caller, &format!("connections/{id}/credentials.update"), body.clone(), error).await;
        assert!(stored(&scene, "s").await == before, "{error}, and something is stored");
        assert_eq!(scene.simulator.failed_logins("reader"), 1, "it is sent, once");
    }
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

/// Whoever still sends when the answer comes finds the connection closed, and never sees it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_before_all_is_said() {
    let scene = Scene::start("datacloud-said").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    let (body, rest) = unbounded::<Result<&str, std::io::Error>>();
    body.unbounded_send(Ok("{\"label\":")).unwrap();
    let request = scene.http.post(caller.url("connections/7/credentials.update"));
    let request = request.header("Content-Type", "application/json").body(Body::wrap_stream(rest));
    let answer = caller.send(request);
    let mut answer = pin!(answer);
    assert!(timeout(Duration::from_millis(400), &mut answer).await.is_err());
    body.unbounded_send(Ok("\"a\"}")).unwrap();
    drop(body);
    let (status, answer) = answer.await;
    assert_eq!((status, &answer["error"]), (422, &json!("connection_not_found")), "{answer}");
}
