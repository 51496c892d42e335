//! Who may do what: what Kubernetes lets a caller do, as long as it does, and nothing else.

use bitbucket_connector::api::spec::ImportFilter;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::config::AuthInfo;
use kube::{Api, Client};
use serde_json::{Value, json};
use sha2::Digest;

use super::scene::{Caller, EVERYTHING, Scene, credential};
use super::stored;
use crate::support::manifests::{connection, secret};
use crate::support::tls::{Authority, Flaw, proxy};
use crate::support::until;
use crate::support::visitor::can;

const LIST: &str = "list bitbucketconnections.bitbucket-connector.dev";
const PATCH: &str = "patch bitbucketconnections.bitbucket-connector.dev";

/// What a call could change: the import filters of all connections, and all Secrets.
async fn state(scene: &Scene) -> (Vec<ImportFilter>, Vec<Secret>) {
    let connections = scene.stage.objects.list(&ListParams::default()).await.unwrap().items;
    let client = Client::try_from(scene.stage.config.clone()).unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, &scene.stage.namespace);
    let filters = connections.into_iter().map(|connection| connection.spec.import).collect();
    (filters, secrets.list(&ListParams::default()).await.unwrap().items)
}

/// A call that Kubernetes does not let this caller make: it says so, and nothing comes of it.
async fn is_not_permitted(scene: &Scene, caller: &Caller, method: &str, body: Option<Value>, says: &str) {
    let (before, logins) = (state(scene).await, scene.simulator.failed_logins("reader"));
    let (status, answer) = match body {
        None => caller.get(method).await,
        Some(body) => caller.post(method, body).await,
    };
    assert_eq!((status, &answer["error"]), (422, &json!("no_permission")), "{says} {method}: {answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(says), "Kubernetes' own words: {message}");
    assert!(state(scene).await == before, "{says} {method} has changed something");
    assert_eq!(scene.simulator.failed_logins("reader"), logins, "{says} {method}: a password was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_may_do_what_kubernetes_lets_it_do_and_nothing_else() {
    let scene = Scene::start("datacloud-rights").await;
    let admin = scene.caller("admin", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&secret("d", "reader", "hunter2"));
    scene.stage.apply(&connection(
        "there",
        &scene.simulator.url(),
        "s",
        ", import: {mode: Denylist, projects: [OLD, ATTIC]}",
    ));
    scene.stage.apply(&connection("missing", &scene.simulator.url(), "none", ""));
    scene.stage.apply(&connection("doomed", &scene.simulator.url(), "d", ""));
    scene.stage.until_ready("there", "True", "Synced").await;
    scene.stage.until_ready("doomed", "True", "Synced").await;
    scene.stage.until_ready("missing", "False", "SecretNotFound").await;
    let mut ids = Vec::new();
    for name in ["there", "missing", "doomed"] {
        let id = admin.connection(name).await;
        let (_, listed) = admin.get(&format!("connections/{id}/credentials.list")).await;
        ids.push((id, listed["credentials"][0]["id"].clone()));
    }
    let [(there, id), (missing, _), (doomed, doomed_id)] = &ids[..] else { panic!("{ids:?}") };
    let of = |connection: &u64, method: &str| format!("connections/{connection}/{method}");

    let all = [LIST, "get secrets", "create secrets", "patch secrets", "delete secrets", PATCH];
    // What they may change, they do: whoever may delete comes late.
    let sets: [&[&str]; 9] = [
        &[],
        &[LIST],
        &["get secrets", "create secrets", "patch secrets", "delete secrets"],
        &[LIST, "get secrets"],
        &[LIST, "create secrets", "patch secrets", "delete secrets"],
        &[LIST, "get secrets", "create secrets"],
        &[LIST, "get secrets", "patch secrets"],
        &[LIST, "get secrets", "delete secrets"],
        &[LIST, PATCH],
    ];
    for (number, rights) in (1..).zip(sets) {
        let name = format!("caller-{number}");
        let caller = scene.elsewhere(scene.caller(&name, rights).await, number);
        let held: Vec<_> = all.iter().filter(|right| can(&scene.stage, &name, &[right])).collect();
        let wrong = credential("reader", "wrong-hunter2");
        let label = json!({"id": id, "label": "x"});
        let mut guess = credential("reader", "guess-hunter2");
        guess["id"] = id.clone();
        let calls: [(String, Option<Value>, &[&str]); 11] = [
            ("connections.list".to_owned(), None, &[LIST]),
            (of(there, "credentials.list"), None, &[LIST, "get secrets"]),
            (of(there, &format!("credentials.info/{id}")), None, &[LIST, "get secrets"]),
            (of(missing, "credentials.create"), Some(wrong), &[LIST, "get secrets", "create secrets"]),
            (of(there, "credentials.update"), Some(label), &[LIST, "get secrets", "patch secrets"]),
            (of(there, "credentials.update"), Some(guess), &[LIST, "get secrets", "patch secrets"]),
            (
                of(doomed, "credentials.delete"),
                Some(json!({"id": doomed_id})),
                &[LIST, "get secrets", "delete secrets"],
            ),
            (of(there, "importFilters.list"), None, &[LIST]),
            (of(there, "importFilters.add"), Some(json!({"projects": ["MORE"]})), &[LIST, PATCH]),
            (of(there, "importFilters.remove"), Some(json!({"projects": ["OLD"]})), &[LIST, PATCH]),
            (of(there, "importFilters.setMode"), Some(json!({"mode": "allow_all"})), &[LIST, PATCH]),
        ];
        for (method, body, needed) in calls {
            if !needed.iter().all(|right| held.contains(&right)) {
                is_not_permitted(&scene, &caller, &method, body, &name).await;
                continue;
            }
            let guesses = body.as_ref().is_some_and(|body| body["secrets"].is_object());
            let (_, answer) = match body {
                None => caller.get(&method).await,
                Some(body) => caller.post(&method, body).await,
            };
            let expected = guesses.then_some("invalid_credentials");
            assert_eq!(answer["error"].as_str(), expected, "{rights:?} {method}: {answer}");
        }
    }
    assert_eq!(stored(&scene, "none").await, None);
    assert_eq!(stored(&scene, "d").await, None, "who may delete has deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_on_the_way_to_bitbucket_are_for_who_may_read_them() {
    let scene = Scene::start("datacloud-way").await;
    let authority = Authority::new();
    let front = authority.front(scene.simulator.address(), Flaw::None).await;
    let (through, _told) = proxy(scene.simulator.address()).await;
    for (name, data) in
        [("ca", json!({"ca.crt": authority.pem()})), ("proxy", json!({"address": format!("http://{through}")}))]
    {
        scene
            .stage
            .apply(&format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n"));
    }
    let secure = format!("https://localhost:{}", front.port());
    for (way, field, url) in [("ca", "certSecretRef", secure), ("proxy", "proxySecretRef", scene.simulator.url())] {
        let name = format!("by-{way}");
        scene.stage.apply(&connection(&name, &url, &name, &format!(", {field}: {{name: {way}}}")));
        let (get, patch, more) =
            (format!("get secrets@{name}"), format!("patch secrets@{name}"), format!("get secrets@{way}"));
        let own = [LIST, &get, "create secrets", &patch];
        let without = scene.caller(&format!("without-{way}"), &own).await;
        let with = scene.caller(&format!("with-{way}"), &[&own[..], &[&more]].concat()).await;
        let id = with.connection(&name).await;
        let of = |method: &str| format!("connections/{id}/credentials.{method}");
        let says = format!("secrets \"{way}\"");
        let wrong = Some(credential("reader", "wrong-hunter2"));
        is_not_permitted(&scene, &without, &of("create"), wrong, &says).await;
        let (status, created) = with.post(&of("create"), credential("reader", "hunter2")).await;
        assert_eq!(status, 201, "{created}");
        let credential = &created["credential"]["id"];
        for change in
            [json!({"secrets": {"bitbucket_data_center_password": "wrong-hunter2"}}), json!({"label": "Renamed"})]
        {
            let mut update = json!({"id": credential});
            update.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            is_not_permitted(&scene, &without, &of("update"), Some(update), &says).await;
        }
        let (status, updated) = with.post(&of("update"), json!({"id": credential, "label": "Renamed"})).await;
        assert_eq!(status, 200, "{updated}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_more_is_nobody_at_the_next_call() {
    let scene = Scene::start("datacloud-gone").await;
    let caller = scene.caller("leaver", &EVERYTHING).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let id = caller.connection("a").await;
    let filters = format!("connections/{id}/importFilters.list");
    let credentials = format!("connections/{id}/credentials.list");
    let methods = ["connections.list", &filters, &credentials];
    for method in methods {
        assert_eq!(caller.get(method).await.0, 200, "{method}");
    }
    let mut own = scene.stage.config.clone();
    own.auth_info = AuthInfo { token: Some(caller.token.clone().into()), ..AuthInfo::default() };
    let own: Api<Secret> = Api::namespaced(Client::try_from(own).unwrap(), &scene.stage.namespace);
    own.get("s").await.expect("its token is good");
    scene.stage.kubectl(&["delete", "serviceaccount", "leaver"]);
    // The API server itself remembers a token for some seconds.
    until(
        "the API server takes the token no more",
        async || matches!(own.get("s").await, Err(kube::Error::Api(status)) if status.code == 401),
    )
    .await;
    for method in methods {
        let (status, answer) = caller.get(method).await;
        assert_eq!((status, &answer["error"]), (422, &json!("not_authed")), "{method} {answer}");
    }
    let (status, answer) =
        caller.post(&format!("connections/{id}/importFilters.setMode"), json!({"mode": "allow_all"})).await;
    assert_eq!((status, &answer["error"]), (422, &json!("not_authed")), "{answer}");
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
