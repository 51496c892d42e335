//! The Data Cloud API of a real operator, before a real API server and a Bitbucket: what it does, what it refuses, and that nothing
//! which was refused was stored or told.

mod described;
mod filters;
mod managed;
mod page;
mod refused;
mod rights;
mod scene;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};

use self::scene::{EVERYTHING, Scene, credential};
use crate::support::manifests::{connection, secret};
use crate::support::within;

/// The Secret of the connection, as it is.
async fn stored(scene: &Scene, name: &str) -> Option<Secret> {
    let client = Client::try_from(scene.stage.config.clone()).unwrap();
    Api::<Secret>::namespaced(client, &scene.stage.namespace).get_opt(name).await.unwrap()
}

fn values(secret: &Secret) -> Vec<(String, String)> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_made_changed_and_deleted_and_the_operator_follows() {
    let scene = Scene::start("datacloud").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "False", "SecretNotFound").await;

    let (status, listed) = caller.get("connections.list").await;
    assert_eq!((status, &listed["ok"]), (200, &json!(true)), "{listed}");
    let [of] = &listed["connections"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(of["name"], "a");
    assert_eq!(of["namespace"], scene.stage.namespace);
    assert_eq!(of["state"], "secret_not_found");
    assert!(of["last_synced_at"].is_null() && of["disabled_at"].is_null(), "{of}");
    assert_eq!(of["supports_multiple_credentials"], false);
    let id = of["id"].as_u64().unwrap();
    let method = |name: &str| format!("connections/{id}/credentials.{name}");
    assert_eq!(caller.get(&method("list")).await, (200, json!({"ok": true, "credentials": []})));

    // Wrong: nothing is stored, and one login has failed.
    let wrong = caller.post(&method("create"), credential("reader", "wrong-hunter2")).await;
    assert_eq!((wrong.0, &wrong.1["error"]), (422, &json!("invalid_credentials")), "{}", wrong.1);
    assert_eq!((stored(&scene, "s").await, scene.simulator.failed_logins("reader")), (None, 1));

    let mut good = credential("reader", "hunter2");
    good["label"] = json!("Service account");
    good["expiration_date"] = json!("2027-01-31");
    let (status, created) = caller.post(&method("create"), good.clone()).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["credential"]["label"], "Service account");
    let credential_id = created["credential"]["id"].as_u64().unwrap();
    let ready = scene.stage.until_ready("a", "True", "Synced").await;
    assert_eq!(ready.status.unwrap().username.as_deref(), Some("reader"));
    let secret = stored(&scene, "s").await.unwrap();
    let expected = [("password", "hunter2"), ("url", &scene.simulator.url()), ("username", "reader")];
    let expected: Vec<_> = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    assert!(values(&secret) == expected, "other data is stored");
    let again = caller.post(&method("create"), good).await;
    assert_eq!((again.0, &again.1["error"]), (422, &json!("credential_already_exists")));

    let (_, info) = caller.get(&format!("{}/{credential_id}", method("info"))).await;
    let credential_now = &info["credential"];
    assert_eq!(credential_now["settings"], json!({"bitbucket_data_center_username": "reader"}));
    assert_eq!(credential_now["expiration_date"], "2027-01-31");
    assert_eq!(credential_now["type"], of["type"]);
    let (_, listed) = caller.get(&method("list")).await;
    assert_eq!(listed["credentials"][0]["id"], credential_id);
    assert_eq!(caller.get("connections.list").await.1["connections"][0]["state"], "verified");

    // The password is changed in Bitbucket, and then here.
    scene.simulator.set_password("reader", "hunter2-new").unwrap();
    let update = |more: Value| {
        let mut body = json!({"id": credential_id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let label = caller.post(&method("update"), update(json!({"label": "Renamed"}))).await;
    assert_eq!(
        (label.0, &label.1["error"]),
        (422, &json!("invalid_credentials")),
        "all of it is verified: {}",
        label.1
    );
    assert_eq!(stored(&scene, "s").await.as_ref(), Some(&secret), "the credential is left unchanged");
    let password = json!({"secrets": {"bitbucket_data_center_password": "hunter2-new"}, "label": "Renamed"});
    let (status, updated) = caller.post(&method("update"), update(password)).await;
    assert_eq!((status, &updated["credential"]["label"]), (200, &json!("Renamed")), "{updated}");
    scene.stage.until_ready("a", "True", "Synced").await;

    let other = caller.post(&method("delete"), json!({"id": credential_id + 1})).await;
    assert_eq!((other.0, &other.1["error"]), (422, &json!("credential_not_found")));
    assert_eq!(caller.post(&method("delete"), json!({"id": credential_id})).await, (200, json!({"ok": true})));
    scene.stage.until_ready("a", "False", "SecretNotFound").await;
    assert_eq!(caller.get(&method("list")).await, (200, json!({"ok": true, "credentials": []})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_does_what_json_does_and_a_token_is_a_credential_too() {
    let scene = Scene::start("datacloud-form").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    let id = caller.connection("a").await;
    let form = [
        ("secrets[bitbucket_data_center_token]", "tok-hunter2"),
        ("label", "A token"),
        ("expiration_date", "2027-01-31"),
    ];
    let (status, created) = caller.form(&format!("connections/{id}/credentials.create"), &form).await;
    assert_eq!((status, &created["credential"]["label"]), (201, &json!("A token")), "{created}");
    scene.stage.until_ready("a", "True", "Synced").await;
    let (_, listed) = caller.get(&format!("connections/{id}/credentials.list")).await;
    assert_eq!(listed["credentials"][0]["settings"], json!({}));
    assert_eq!(listed["credentials"][0]["expiration_date"], "2027-01-31");
    let credential_id = listed["credentials"][0]["id"].as_u64().unwrap().to_string();
    let form = [
        ("id", credential_id.as_str()),
        ("settings.bitbucket_data_center_username", "reader"),
        ("secrets.bitbucket_data_center_password", "hunter2"),
        ("expiration_date", ""),
    ];
    let (status, updated) = caller.form(&format!("connections/{id}/credentials.update"), &form).await;
    assert_eq!(status, 200, "{updated}");
    let (_, listed) = caller.get(&format!("connections/{id}/credentials.list")).await;
    assert_eq!(listed["credentials"][0]["expiration_date"], Value::Null);
    let names: Vec<_> = values(&stored(&scene, "s").await.unwrap()).into_iter().map(|(key, _)| key).collect();
    assert_eq!(names, ["password", "url", "username"], "the token has gone");

    let lists = async |method: &str, form: &[(&str, &str)]| {
        let (status, answer) = caller.form(&format!("connections/{id}/importFilters.{method}"), form).await;
        assert_eq!(status, 200, "{method}: {answer}");
        let import = scene.stage.objects.get("a").await.unwrap().spec.import;
        json!([import.mode, import.projects, import.repositories])
    };
    let deny = [("mode", "denylist"), ("projects[]", "OLD"), ("projects[]", "ATTIC"), ("repositories", "PLAT/web")];
    assert_eq!(lists("setMode", &deny).await, json!(["Denylist", ["OLD", "ATTIC"], ["PLAT/web"]]));
    let more = [("projects", "A"), ("projects", "B")];
    assert_eq!(lists("add", &more).await, json!(["Denylist", ["OLD", "ATTIC", "A", "B"], ["PLAT/web"]]));
    let fewer = [("projects[]", "OLD"), ("projects[]", "A"), ("repositories[]", "PLAT/web")];
    assert_eq!(lists("remove", &fewer).await, json!(["Denylist", ["ATTIC", "B"], []]));

    let delete = format!("connections/{id}/credentials.delete");
    assert_eq!(caller.form(&delete, &[("id", &credential_id)]).await, (200, json!({"ok": true})));
    assert_eq!(stored(&scene, "s").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_operator_found_to_be_wrong_is_not_sent_again() {
    let mut scene = Scene::start("datacloud-refused").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "wrong-hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "False", "invalid_credentials").await;
    let caller = {
        // Another process, which knows only what stands in the status.
        scene.restart().await;
        scene.renew(caller)
    };
    let id = caller.connection("a").await;
    let (_, listed) = caller.get(&format!("connections/{id}/credentials.list")).await;
    let credential_id = &listed["credentials"][0]["id"];
    for _ in 0..3 {
        let update = json!({"id": credential_id, "label": "Renamed"});
        let (status, answer) = caller.post(&format!("connections/{id}/credentials.update"), update).await;
        assert_eq!((status, &answer["error"]), (422, &json!("invalid_credentials")), "{answer}");
    }
    assert_eq!(scene.simulator.failed_logins("reader"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_cannot_be_tried_until_the_account_is_locked() {
    let scene = Scene::start("datacloud-guess").await;
    let caller = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    let id = caller.connection("a").await;
    let create = format!("connections/{id}/credentials.create");
    // All at once; whoever finds no place calls again.
    let attempts = (0..8).map(async |number| {
        loop {
            let answer = caller.post(&create, credential("reader", &format!("hunter2-{number}"))).await;
            if answer.0 != 503 {
                break answer;
            }
        }
    });
    let answers = within("all answers", futures::future::join_all(attempts)).await;
    let of = |error: &str| answers.iter().filter(|(_, answer)| answer["error"] == error).count();
    assert_eq!((of("invalid_credentials"), of("too_many_attempts")), (3, 5), "{answers:?}");
    assert_eq!(scene.simulator.failed_logins("reader"), 3);
    // Nor by another way to the same server, nor by what is no login.
    let again = scene.simulator.url().replace("127.0.0.1", "localhost.");
    for (name, url) in [("b", format!("{}/nothing", scene.simulator.url())), ("c", scene.simulator.url()), ("d", again)]
    {
        scene.stage.apply(&connection(name, &url, name, ""));
        let id = caller.connection(name).await;
        let create = format!("connections/{id}/credentials.create");
        for password in ["hunter2-b", "hunter2-c"] {
            let (status, answer) = caller.post(&create, credential("READER", password)).await;
            assert_eq!(status, 422, "{answer}");
        }
    }
    assert!(scene.simulator.failed_logins("reader") <= 3 + 2, "localhost is another name");
    let (status, answer) = caller.post(&create, credential("reader", "hunter2")).await;
    assert_eq!((status, &answer["error"]), (422, &json!("too_many_attempts")), "the right one could be a guess too");
    assert_eq!(stored(&scene, "s").await, None);
    let (status, answer) = caller.post(&create, credential("second", "hunter2")).await;
    assert_eq!(status, 201, "another account: {answer}");

    // A good login of the operator's ends the count in Bitbucket, and here not before an hour: it logs in all the time.
    scene.simulator.unlock("reader").unwrap();
    scene.stage.apply(&secret("c", "reader", "hunter2"));
    scene.stage.until_ready("c", "True", "Synced").await;
    let id = caller.connection("c").await;
    let (_, listed) = caller.get(&format!("connections/{id}/credentials.list")).await;
    let update =
        json!({"id": listed["credentials"][0]["id"], "secrets": {"bitbucket_data_center_password": "hunter2-d"}});
    let (_, answer) = caller.post(&format!("connections/{id}/credentials.update"), update).await;
    assert_eq!(answer["error"], "too_many_attempts", "{answer}");
    // What is stored is no guess.
    let update = json!({"id": listed["credentials"][0]["id"], "label": "Renamed"});
    let (status, answer) = caller.post(&format!("connections/{id}/credentials.update"), update).await;
    assert_eq!(status, 200, "{answer}");
}
