//! Of several connections, in which cluster, and as whom.

use kube::config::{Kubeconfig, NamedContext};
use serde_json::json;

use super::scene::Scene;
use crate::support::manifests::{connection, secret};
use crate::support::until;
use crate::support::visitor::token;

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_keeps_no_other_from_it() {
    let scene = Scene::start("plugin-several").await;
    for name in ["a", "b"] {
        scene.stage.apply(&connection(name, &scene.simulator.url(), "none", ""));
    }
    for (command, suspend, word) in [("suspend", true, "suspended"), ("resume", false, "resumed")] {
        let done = scene.run(&[command, "a", "missing", "b"]).await;
        assert_eq!((done.code, done.out), (Some(6), format!("a is {word}\nb is {word}\n")), "{}", done.err);
        assert!(done.err.contains("\"missing\" not found"), "{}", done.err);
        for name in ["a", "b"] {
            assert_eq!(scene.stage.objects.get(name).await.unwrap().spec.suspend, suspend, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_that_is_named_is_used() {
    let scene = Scene::start("plugin-context").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "none", ""));
    let mut config = Kubeconfig::read_from(&scene.stage.cluster.line.kubeconfig).unwrap();
    let good = config.contexts[0].clone();
    let nowhere = json!({"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}});
    config.clusters.push(serde_json::from_value(nowhere).unwrap());
    let mut bad = NamedContext { name: "nowhere".to_owned(), ..good.clone() };
    bad.context.as_mut().unwrap().cluster = "nowhere".to_owned();
    config.contexts.push(bad);
    config.current_context = Some("nowhere".to_owned());
    let path = scene.stage.folder.path().join("contexts");
    std::fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
    let call = ["status", "--kubeconfig", path.to_str().unwrap()];
    for (more, code) in [
        (&["--context", &good.name][..], 0),
        (&["--cluster", &good.context.as_ref().unwrap().cluster], 0),
        (&[], 6),
        (&["--context", "missing"], 2),
    ] {
        let status = scene.run(&[&call[..], more].concat()).await;
        assert_eq!((status.code, status.out.contains("\na ")), (Some(code), code == 0), "{more:?} {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_done_as_whoever_is_named_and_takes_no_more_rights_than_are_told() {
    let scene = Scene::start("plugin-as").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let account = |name: &str| format!("system:serviceaccount:{}:{name}", scene.stage.namespace);
    let looks = "get,list bitbucketconnections.bitbucket-connector.dev";
    let asks = "get,list,watch,patch bitbucketconnections.bitbucket-connector.dev";
    let changes = "get,patch bitbucketconnections.bitbucket-connector.dev";
    // There is nothing to be resumed, where nobody may suspend.
    for (name, right, allowed) in [
        ("looks", looks, &["status", "resume a"][..]),
        ("asks", asks, &["status", "verify a", "sync a", "suspend a", "resume a"]),
        ("changes", changes, &["suspend a", "resume a"]),
    ] {
        token(&scene.stage, name, &[right]).await;
        for command in ["status", "verify a", "sync a", "suspend a", "resume a"] {
            let user = account(name);
            let words: Vec<_> = command.split(' ').chain(["--as", &user]).collect();
            let done = scene.run(&words).await;
            let code = if allowed.contains(&command) { 0 } else { 6 };
            assert_eq!(done.code, Some(code), "{name} {command}: {done:?}");
            assert_eq!(done.err.contains(&account(name)), code == 6, "{name} {command}: {done:?}");
        }
    }
    let role = ["create", "rolebinding", "watchers", "--role=looks-0", "--group=watchers"];
    scene.stage.kubectl(&role);
    let somebody = ["status", "--as", "somebody", "--as-group", "watchers"];
    until("the group has the right", async || scene.run(&somebody).await.ok()).await;
    assert_eq!(scene.run(&somebody[..3]).await.code, Some(6));
}
