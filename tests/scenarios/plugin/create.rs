//! `create`: verified before anything is stored.

use axum::http::StatusCode;
use bitbucket_connector::api::spec::ImportFilter;
use bitbucket_connector::bitbucket::{BaseUrl, Credentials};
use bitbucket_connector::kubernetes::Error;
use bitbucket_connector::secrets::{Manifests, Stored, Wanted, store};
use kube::{Client, Config};
use serde_json::Value;

use super::scene::Scene;
use crate::support::front::{Act, Front};
use crate::support::until;
use crate::support::visitor::token;

fn password(scene: &Scene, password: &str) -> String {
    let path = scene.stage.folder.path().join("password");
    std::fs::write(&path, format!("{password}\n")).unwrap();
    path.display().to_string()
}

fn objects(scene: &Scene) -> usize {
    let listed: Value = serde_json::from_str(&scene.stage.kubectl(&["get", "bbc,secret", "-o", "json"])).unwrap();
    listed["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_verify_is_not_stored_and_what_does_is() {
    let scene = Scene::start("plugin-create").await;
    let url = scene.simulator.url();
    let before = objects(&scene);
    let wrong = password(&scene, "wrong-hunter2");
    let call = ["create", "a", "--url", &url, "--username", "reader", "--password-file"];
    let refused = scene.run(&[&call[..], &[&wrong]].concat()).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.err.contains("Nothing is stored"), "{refused:?}");
    let nowhere = ["create", "a", "--url", "http://127.0.0.1:1", "--username", "reader", "--password-file", &wrong];
    let unreachable = scene.run(&nowhere).await;
    assert_eq!(unreachable.code, Some(6), "{unreachable:?}");
    assert!(unreachable.err.contains("--skip-verification"), "{unreachable:?}");
    let unasked = scene.run(&["create", "a", "--url", &url]).await;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert_eq!((objects(&scene), scene.simulator.failed_logins("reader")), (before, 1));

    let good = password(&scene, "hunter2");
    let created = scene.run(&[&call[..], &[&good, "--project", "PLAT", "--schedule", "30 * * * *"]].concat()).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    let object = scene.stage.until_ready("a", "True", "Synced").await;
    assert_eq!(
        (object.spec.schedule.as_str(), &object.spec.import.projects[..]),
        ("30 * * * *", &["PLAT".to_owned()][..])
    );
    let again = scene.run(&[&call[..], &[&good]].concat()).await;
    assert_eq!(again.code, Some(6), "{again:?}");
    assert!(again.err.contains("already exists"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_is_not_left_behind() {
    let scene = Scene::start("plugin-half").await;
    let (url, good) = (scene.simulator.url(), password(&scene, "hunter2"));
    // Each is possible by itself, and not all of them.
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: one}\nspec: {hard: {secrets: \"1\"}}\n";
    scene.stage.apply(quota);
    until("the quota is counted", async || {
        scene.stage.kubectl(&["get", "resourcequota", "one", "-o", "jsonpath={.status.used.secrets}"]) == "0"
    })
    .await;
    let before = objects(&scene);
    let call = [
        "create",
        "a",
        "--url",
        &url,
        "--username",
        "reader",
        "--password-file",
        &good,
        "--skip-verification",
        "--proxy",
        "http://127.0.0.1:3128",
    ];
    let refused = scene.run(&call).await;
    assert_eq!(refused.code, Some(6), "{refused:?}");
    assert!(refused.err.contains("exceeded quota") && !refused.err.contains("warning"), "{refused:?}");
    assert_eq!(objects(&scene), before, "the first one was made, and is gone");
    let invalid =
        ["create", "b", "--url", &url, "--username", "reader", "--password-file", &good, "--repository", "no-slash"];
    let refused = scene.run(&invalid).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(objects(&scene), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_what_can_be_applied() {
    let scene = Scene::start("plugin-dry").await;
    let (url, good) = (scene.simulator.url(), password(&scene, "hunter2"));
    let before = objects(&scene);
    let printed =
        scene.run(&["create", "a", "--url", &url, "--username", "reader", "--password-file", &good, "--dry-run"]).await;
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    assert_eq!(objects(&scene), before);
    scene.stage.apply(&printed.out);
    scene.stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_asked_for() {
    let scene = Scene::start("plugin-ask").await;
    let line = format!("kubectl bitbucket create a --namespace {}", scene.stage.namespace);
    let answers = format!("{}\nreader\nhunter2\n", scene.simulator.url());
    let created = scene.at_terminal(&line, &answers).await;
    assert_eq!(created.code, Some(0), "{}", created.out);
    assert!(!created.out.contains("hunter2"), "the password is shown");
    scene.stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_to_be_stored_is_not_said_to_be_gone() {
    let Scene { stage, .. } = &Scene::start("plugin-unknown").await;
    let front = Front::new(&stage.config).await;
    let rights = ["create,get,delete secrets", "create bitbucketconnections.bitbucket-connector.dev"];
    let mut config = Config::new(format!("http://{}", front.address).parse().unwrap());
    config.auth_info.token = Some(token(stage, "writer", &rights).await.into());
    let client = Client::try_from(config).unwrap();
    let wanted = Wanted {
        name: "a".to_owned(),
        namespace: Some(stage.namespace.clone()),
        url: BaseUrl::parse("https://git.example.com").unwrap(),
        credentials: Credentials::Token("tok-hunter2".into()),
        ca: None,
        proxy: None,
        import: ImportFilter::default(),
        schedule: None,
    };
    let manifests = Manifests::of(&wanted).unwrap();
    for (status, reason, left) in
        [(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", true), (StatusCode::FORBIDDEN, "Forbidden", false)]
    {
        front.on(move |call| {
            let is_real = call.kind == "POST bitbucketconnections" && !call.query.contains("dryRun");
            if is_real { Act::status(status, reason, "no") } else { Act::Pass }
        });
        let stored = store(&client, &stage.namespace, "test", &manifests).await;
        assert_eq!(matches!(stored, Stored::Unknown(Error::Kube(_))), left, "{stored:?}");
        let there = stage.kubectl(&["get", "secrets", "-o", "name"]).lines().count() > 0;
        assert_eq!(there, left, "{status}");
        front.pass();
        stage.kubectl(&["delete", "secrets", "--all"]);
    }
}
