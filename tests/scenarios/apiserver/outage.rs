//! The API server restarts, or has too much to do.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use bitbucket_simulator::{Action, Fault, Hold};
use kube::ResourceExt;

use super::*;
use crate::support::within;

fn refused(status: StatusCode, reason: &str) -> Act {
    let Act::Answer(status, mut headers, body) = Act::status(status, reason, "not now") else { unreachable!() };
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Act::Answer(status, headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_no_verdict_and_costs_no_request_more() {
    let mut scene = scene("restart").await;
    scene.stage.start_operator_through(&scene.front);
    let idle = scene.connect("idle").await;
    scene.stage.until_ready("idle", "True", "Synced").await;
    let first = asked(&idle);
    scene.ask("idle", "now");
    let before = scene.until_done("idle", "now").await;
    let both = asked(&idle);
    // Of another connection a run is under way, and ends meanwhile.
    let hold = Hold::new();
    let busy = scene.connect("busy").await;
    scene.stage.until_ready("busy", "True", "Synced").await;
    busy.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())));
    scene.ask("busy", "now");
    within("the run's first head", hold.wait_for(1)).await;

    scene.front.set_open(false).await;
    hold.release();
    until("the run ends", async || scene.logged("sync run ended") == 4).await;
    let fresh = scene.connect("fresh").await;
    until("the operator notices", async || scene.logged("tried again") > 0).await;
    scene.front.on(|_| refused(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"));
    let seen = scene.front.calls().len();
    scene.front.set_open(true).await;
    scene.front.until(|calls| calls.len() >= seen + 4).await;
    // It reads again, and cannot write yet.
    let writes = |calls: &[Call]| calls.iter().filter(|call| call.kind.starts_with("PATCH")).count();
    let written = writes(&scene.front.calls());
    scene.front.on(|call| {
        if call.kind.starts_with("GET") {
            Act::Pass
        } else {
            Act::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "no leader")
        }
    });
    scene.front.until(|calls| writes(calls) >= written + 4).await;
    scene.front.pass();

    scene.stage.until_ready("fresh", "True", "Synced").await;
    scene.until_done("busy", "now").await;
    let after = scene.stage.objects.get("idle").await.unwrap();
    assert_eq!(before.resource_version(), after.resource_version(), "nothing is written");
    assert_eq!([&idle, &busy, &fresh].map(asked), [both, both, first]);
    assert_eq!(scene.logged("sync run started"), 5);
    assert!(scene.stage.page("/livez").contains(" 200 "));
    scene.stage.terminate_operator().await;
}

/// Its flow control refuses calls of every kind, and says when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_come_again_later_does_so() {
    let mut scene = scene("throttled").await;
    let undisturbed = {
        scene.stage.start_operator_through(&scene.front);
        let simulator = scene.connect("a").await;
        scene.stage.until_ready("a", "True", "Synced").await;
        asked(&simulator)
    };
    scene.stage.terminate_operator().await;
    scene.stage.kubectl(&["delete", "bbc,secret,events.events.k8s.io", "--all"]);
    let mut times: BTreeMap<(String, bool), usize> = BTreeMap::new();
    scene.front.on(move |call| {
        let times = times.entry((call.kind.clone(), call.is_watch())).or_default();
        *times += 1;
        if times.is_multiple_of(3) { Act::Pass } else { refused(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests") }
    });
    scene.stage.start_operator_through(&scene.front);
    let simulator = scene.connect("b").await;
    let object = scene.stage.until_ready("b", "True", "Synced").await;
    assert_eq!(object.status.unwrap().sync.unwrap().commits, Some(5));
    assert_eq!(asked(&simulator), undisturbed);
    let events = || scene.stage.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
    until("both events are there", async || {
        let events = events();
        events.contains("Verified") && events.contains("Synced")
    })
    .await;
    assert_eq!(scene.logged("sync run started"), 2);
    let kinds = [(CONNECTIONS, true), (CONNECTIONS, false), ("GET secrets", true), ("GET secrets/NAME", false)];
    let calls = scene.front.calls();
    for (kind, watch) in kinds {
        assert!(
            calls.iter().any(|call| call.kind == kind && call.is_watch() == watch && call.nth > 2),
            "{kind} {watch}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_secrets_that_fails_makes_nobody_else_wait() {
    let mut scene = scene("deaf").await;
    let of_secrets = |call: &Call| call.kind == "GET secrets";
    scene.front.on(move |call| {
        if of_secrets(call) { refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError") } else { Act::Pass }
    });
    scene.stage.start_operator_through(&scene.front);
    let _bitbucket = scene.connect("a").await;
    scene.stage.until_ready("a", "True", "Synced").await;
    for request in ["1", "2", "3", "4", "5", "6"] {
        scene.ask("a", request);
        scene.until_done("a", request).await;
    }
    // Each try waits longer than the last one, up to half a minute: whoever waited with them could not have done so much by now.
    let tries = scene.front.calls().iter().filter(|call| of_secrets(call)).count();
    assert!((1..8).contains(&tries), "{tries}");
}
