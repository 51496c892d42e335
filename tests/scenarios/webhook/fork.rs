//! A repository's name that another one has by now.

use bitbucket_simulator::{NewRepository, histories};
use serde_json::json;

use super::{HOOK, KEY, Scene, pushed, signed};
use crate::support::manifests::connection;
use crate::support::until;

/// What is stored would be the beginning of its history too.
#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_has_taken_the_name_is_not_stored_as_what_had_it() {
    let scene = Scene::start("webhook-fork").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.until_ready("a", "True", "Synced").await;
    let id = scene.repository().await;
    let fork = histories::linear(scene.stage.folder.path().join("fork.git"), 8).unwrap();
    let head = scene.git.rev_list(&["main"]).unwrap().remove(0);
    assert!(fork.rev_list(&["main"]).unwrap()[1..].contains(&head));
    scene.simulator.move_repository("PLAT/api", "PLAT/legacy").unwrap();
    scene.simulator.add_repository(NewRepository::at("PLAT/api", fork.path())).unwrap();
    let body = pushed(id, "refs/heads/main", &json!(null));
    scene.send("a", "repo:refs_changed", &body, Some(signed(&body, KEY))).await;
    let failure = "SELECT failure FROM bitbucket_server_repositories WHERE failure IS NOT NULL";
    until("it is told", async || !scene.stage.query(failure).await.rows.is_empty()).await;
    assert_eq!(scene.commits().await, 5);
}
