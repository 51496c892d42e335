//! `verify` and `sync` while they wait: what is shown, and what ends it.

use bitbucket_connector::api::{BitbucketConnection, REQUESTED_AT};
use bitbucket_simulator::{Action, Fault, Hold};
use kube::ResourceExt;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use super::scene::Scene;
use crate::support::manifests::{connection, secret};
use crate::support::within;

/// A connection that is synced.
async fn synced(theme: &str) -> Scene {
    let scene = Scene::start(theme).await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    // What is held is waited for.
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ", timeout: 5m"));
    scene.stage.until_ready("a", "True", "Synced").await;
    scene
}

/// Holds the next request on such a path.
fn hold(scene: &Scene, path: &str) -> Hold {
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path(path, Action::Hold(hold.clone())).times(1));
    hold
}

/// What it says on standard error, as it comes.
fn told(process: &mut Child) -> Lines<BufReader<ChildStderr>> {
    BufReader::new(process.stderr.take().unwrap()).lines()
}

async fn until_told(lines: &mut Lines<BufReader<ChildStderr>>, text: &str) {
    within(text, async { while !lines.next_line().await.unwrap().expect("it goes on").contains(text) {} }).await;
}

/// Waits until the operator has done what somebody has asked for and did not wait for.
async fn until_answered(scene: &Scene) {
    let answered = |object: &BitbucketConnection| {
        let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_ref());
        handled.is_some() && handled == object.annotations().get(REQUESTED_AT)
    };
    scene.stage.until("a", "it is answered", answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_going_on_is_told_beside_the_result() {
    let scene = synced("plugin-progress").await;
    let (verdict, run) = (hold(&scene, "/rest/"), hold(&scene, "/branches/default"));
    let mut process = scene.begin(&["sync", "a"]);
    let mut lines = told(&mut process);
    until_told(&mut lines, "waiting for the operator's verdict").await;
    verdict.release();
    until_told(&mut lines, "0 of 1 repositories, 0 commits").await;
    run.release();
    let output = within("the end", process.wait_with_output()).await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.starts_with("Synced: ") && printed.lines().count() == 1, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_waiting_and_not_the_work() {
    let scene = synced("plugin-timeout").await;
    for command in ["verify", "sync"] {
        let held = hold(&scene, "/rest/");
        let late = scene.run(&[command, "a", "--timeout", "2s"]).await;
        assert_eq!((late.code, late.out.as_str()), (Some(6), ""), "{late:?}");
        assert!(late.err.contains("nothing has come of it within 2 s"), "{late:?}");
        held.release();
        until_answered(&scene).await;
    }
    for wrong in ["0s", "soon"] {
        let refused = scene.run(&["verify", "a", "--timeout", wrong]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_waiting_and_not_the_work() {
    let scene = synced("plugin-signal").await;
    for command in ["verify", "sync"] {
        let held = hold(&scene, "/rest/");
        let mut process = scene.begin(&[command, "a"]);
        let mut lines = told(&mut process);
        until_told(&mut lines, "waiting for the operator's verdict").await;
        let pid = process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        until_told(&mut lines, "error: interrupted").await;
        let output = within("the end", process.wait_with_output()).await.unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(130), Vec::new()), "{command}");
        held.release();
        until_answered(&scene).await;
    }
}
