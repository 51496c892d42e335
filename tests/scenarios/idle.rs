//! An operator with nothing to do writes nothing.

use std::collections::HashMap;
use std::time::Duration;

use bitbucket_simulator::{Simulator, histories};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;

const CONNECTIONS: usize = 100;
const INTERVALS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_connections_for_three_intervals() {
    let stage = Stage::start("idle").await;
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder()
        .user("reader", "hunter2")
        .user("careful", "hunter2")
        .repository("PLAT/api", path)
        .start()
        .await
        .unwrap();
    let yearly = ", verifyInterval: 1m, schedule: \"0 0 29 2 *\"";
    let manifests: String =
        (0..CONNECTIONS).map(|number| connection(&format!("c{number}"), &simulator.url(), "s", yearly)).collect();
    stage.apply(&(secret("s", "reader", "hunter2") + &manifests));
    for number in 0..CONNECTIONS {
        stage.until_ready(&format!("c{number}"), "True", "Synced").await;
    }

    let versions = || async {
        let objects = stage.objects.list(&ListParams::default()).await.unwrap();
        objects.into_iter().map(|object| (object.name_any(), object.resource_version())).collect::<HashMap<_, _>>()
    };
    // Two that are not well, as they may be for days.
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", yearly)));
    stage.until_ready("wrong", "False", "invalid_credentials").await;
    stage.apply(&connection("nowhere", "http://127.0.0.1:1", "s", yearly));
    // After two intervals, and then nothing more is to be said of it.
    stage.until_ready("nowhere", "False", "ServerUnreachable").await;
    let before = versions().await;
    let said_before = said(&stage);
    let written_before = writes(&stage);
    simulator.clear_requests();
    // Each verification begins with this request. The interval is jittered, so a connection may be ahead.
    let verifications = |requests: &[bitbucket_simulator::Seen]| {
        requests.iter().filter(|seen| seen.path.ends_with("/application-properties")).count() >= CONNECTIONS * INTERVALS
    };
    tokio::time::timeout(Duration::from_mins(6), simulator.wait_until(verifications)).await.unwrap();
    assert_eq!(versions().await, before);
    // Nothing in it has a line for each connection.
    let page = stage.page("/metrics").len();
    assert!(page < 32_000, "/metrics has {page} bytes");
    assert_eq!(writes(&stage), written_before);
    assert_eq!(said(&stage), said_before, "nothing new has happened");
}

/// The lines of the log that everybody sees who has not asked for more.
fn said(stage: &Stage) -> Vec<String> {
    let log = stage.log();
    let usual = log.lines().filter(|line| !line.contains(" DEBUG ") && !line.contains(" TRACE "));
    usual.map(str::to_owned).collect()
}

/// What the operator has written so far: status, events and whatever else.
fn writes(stage: &Stage) -> Vec<String> {
    let write = |entry: &Value| !matches!(entry["verb"].as_str(), Some("get" | "list" | "watch"));
    stage.audit.entries().filter(write).map(|entry| entry["requestURI"].to_string()).collect()
}
