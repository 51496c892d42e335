//! docs/webhooks.md, executed as it stands there.

use reqwest::StatusCode;
use serde_json::json;

use super::{Scene, pushed, signed};
use crate::support::manifests::connection;
use crate::support::page::{Shell, blocks, commands};

const PAGE: &str = include_str!("../../../docs/webhooks.md");

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_does_what_it_says() {
    let scene = Scene::start("webhook-page").await;
    scene.stage.apply(&connection("bitbucket", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("bitbucket", "True", "Synced").await;
    let shell = Shell::new(&scene.stage);
    // The chart's own test upgrades it as the page says.
    let all: Vec<String> = blocks(PAGE, "").iter().flat_map(|block| commands(block)).collect();
    for command in all.iter().filter(|command| !command.starts_with("helm ")) {
        let printed = shell.run(command).await;
        assert_eq!(printed.code, Some(0), "{command}: {}", printed.err);
    }
    let shown = PAGE.lines().find_map(|line| line.strip_prefix("| Secret | `")).unwrap();
    let shown = shell.run(&shown.split('`').next().unwrap().replace("\\|", "|")).await;
    assert_eq!((shown.code, shown.out.len()), (Some(0), 64), "{}", shown.err);
    let body = pushed(scene.repository().await, "refs/heads/main", &json!(null));
    let sent = scene.send("bitbucket", "repo:refs_changed", &body, Some(signed(&body, &shown.out))).await;
    assert_eq!(sent.0, StatusCode::ACCEPTED, "{}", sent.1);
}
