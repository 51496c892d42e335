//! The CustomResourceDefinition is not there, or an object is not what this binary knows.

use serde_json::{Value, json};

use super::*;
use crate::support::front::End;

fn of_connections(call: &Call) -> bool {
    call.kind.contains("bitbucketconnections")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_missing_at_the_start_is_waited_for() {
    let mut scene = scene("nocrd").await;
    scene.front.on(|call| if of_connections(call) { Act::unknown() } else { Act::Pass });
    scene.stage.start_operator_through(&scene.front);
    let simulator = scene.connect("a").await;
    let tries = |calls: &[Call]| calls.iter().filter(|call| of_connections(call)).count();
    scene.front.until(|calls| tries(calls) >= 4).await;
    let page = scene.stage.page("/readyz");
    assert!(
        page.contains(" 503 ") && page.contains("bitbucketconnections.bitbucket-connector.dev is not installed"),
        "{page}"
    );
    assert!(page.contains("bitbucket-connector crd"), "it says what to do: {page}");
    assert_eq!(scene.logged("is not installed"), 1, "once for all tries");
    assert!(simulator.requests().is_empty());
    scene.front.pass();
    scene.stage.until_ready("a", "True", "Synced").await;
    until("all is known", async || scene.stage.page("/readyz").contains(" 200 ")).await;
}

/// As while somebody installs it anew, or while an API server that has started does not know it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_goes_away_and_comes_back_changes_nothing() {
    let mut scene = scene("crdgone").await;
    scene.stage.start_operator_through(&scene.front);
    let simulator = scene.connect("a").await;
    let before = scene.stage.until_ready("a", "True", "Synced").await;
    scene.front.on(|call| if of_connections(call) { Act::unknown() } else { Act::Pass });
    scene.ask("a", "now");
    scene.front.until(|calls| calls.iter().any(|call| call.kind.starts_with("PATCH") && call.nth == 4)).await;
    scene.front.end_watches(End::Quiet);
    let watched = |calls: &[Call]| calls.iter().filter(|call| call.is_watch() && of_connections(call)).count();
    scene.front.until(|calls| watched(calls) >= 3).await;
    scene.front.pass();
    let after = scene.until_done("a", "now").await;
    let conditions = |object: BitbucketConnection| object.status.unwrap().conditions;
    assert_eq!(conditions(before), conditions(after));
    // Each is begun by the verification, and by the run.
    assert_eq!(simulator.requests_to("/application-properties").len(), 4);
    assert_eq!(scene.logged("sync run started"), 2);
}

/// The schema of a newer version lets things through that this binary does not know.
fn odd(text: &str) -> String {
    let change = |object: &mut Value| {
        if object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("odd")) {
            object["spec"]["timeout"] = json!({"of": "another form"});
        }
    };
    let mut value: Value = serde_json::from_str(text).unwrap();
    if let Some(items) = value["items"].as_array_mut() {
        items.iter_mut().for_each(change);
    } else {
        change(&mut value["object"]);
    }
    format!("{value}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_understood_blinds_nobody() {
    let mut scene = scene("odd").await;
    let strange = scene.connect("odd-1").await;
    scene.front.on(|call| if call.kind == CONNECTIONS { Act::Change(odd) } else { Act::Pass });
    let mut good = vec![scene.connect("a").await];
    scene.stage.start_operator_through(&scene.front);
    // From a list, and from a watch.
    scene.stage.until_ready("a", "True", "Synced").await;
    let other = scene.connect("odd-2").await;
    good.push(scene.connect("b").await);
    scene.stage.until_ready("b", "True", "Synced").await;
    // Its Secret wakes it, and nobody else's trouble is it either.
    scene.stage.apply(&secret("odd-1", "reader", "hunter2-too"));
    scene.ask("a", "now");
    scene.until_done("a", "now").await;
    assert!(scene.stage.page("/readyz").contains(" 200 "));
    for name in ["odd-1", "odd-2"] {
        let told = format!("{}/{name}", scene.stage.namespace);
        let log = scene.stage.log();
        assert!(log.lines().any(|line| line.contains(&told) && line.contains("cannot be understood")), "{name}");
        let status = scene.stage.objects.get(name).await.unwrap().status.unwrap();
        assert!(status.conditions.is_empty(), "{name} is left alone");
    }
    assert!(strange.requests().is_empty() && other.requests().is_empty());
    // With a binary that knows it, it goes on.
    scene.stage.terminate_operator().await;
    scene.stage.apply(&secret("odd-1", "reader", "hunter2"));
    scene.stage.start_operator();
    scene.stage.until_ready("odd-1", "True", "Synced").await;
    scene.stage.until_ready("odd-2", "True", "Synced").await;
}
