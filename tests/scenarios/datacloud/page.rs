//! docs/data-cloud-api.md, executed as it stands there.

use serde_json::Value;

use super::scene::Scene;
use crate::support::leaks::look_for;
use crate::support::manifests::connection;
use crate::support::page::{Shell, blocks, commands};
use crate::support::until;

const PAGE: &str = include_str!("../../../docs/data-cloud-api.md");

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_does_what_it_says() {
    let scene = Scene::start("datacloud-page").await;
    scene.stage.apply(&connection("bitbucket", &scene.simulator.url(), "bitbucket", ""));
    for manifests in blocks(PAGE, "yaml") {
        scene.stage.apply(&manifests);
    }
    let user = format!("--as=system:serviceaccount:{}:credentials", scene.stage.namespace);
    until("the rights are in force", async || {
        let can = ["-n", &scene.stage.namespace, "auth", "can-i", "delete", "secrets", &user];
        scene.stage.cluster.kubectl(&can, "").ok
    })
    .await;
    let mut shell = Shell::new(&scene.stage);
    shell.set("NAMESPACE", &scene.stage.namespace);
    shell.set("CURL_CA_BUNDLE", scene.stage.folder.path().join("ca.crt").display().to_string());
    // The chart's own test upgrades it as the page says.
    let all: Vec<String> = blocks(PAGE, "")
        .iter()
        .flat_map(|block| commands(block))
        .filter(|command| !command.starts_with("helm "))
        .collect();
    assert!(all.len() > 10, "{all:?}");
    let api = format!("https://localhost:{}/api", scene.address.port());
    for command in all {
        if let Some((name, value)) =
            command.split_once('=').filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase()))
        {
            let value = value.replace("https://bitbucket-connector-api.bitbucket-connector.svc/api", &api);
            let value = shell.run(&format!("echo {value}")).await.out.trim().to_owned();
            if name == "TOKEN" {
                look_for(&value);
            }
            shell.set(name, value);
            continue;
        }
        if command.contains("credentials.update") {
            scene.simulator.set_password("reader", "hunter2-new").unwrap();
        }
        let command = command
            .replace("\"svc\"", "\"reader\"")
            .replace("YOUR_PASSWORD", "hunter2")
            .replace("YOUR_NEW_PASSWORD", "hunter2-new");
        let printed = shell.run(&command).await;
        assert_eq!(printed.code, Some(0), "{command}: {printed:?}");
        let answer: Value = serde_json::from_str(&printed.out).unwrap();
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        if let Some(id) = answer["connections"][0]["id"].as_u64() {
            let keys = |of: &Value| of["connections"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            let shown: Value = serde_json::from_str(&blocks(PAGE, "json")[0]).unwrap();
            assert_eq!(keys(&shown), keys(&answer), "the answer that the page shows");
            shell.set("CONNECTION", id.to_string());
        }
        if let Some(id) = answer["credential"]["id"].as_u64() {
            shell.set("CREDENTIAL", id.to_string());
        }
    }
}
