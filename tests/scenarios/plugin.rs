//! `kubectl bitbucket`, called by a real kubectl.

mod create;
mod open;
mod page;
mod report;
mod scene;
mod waiting;
mod who;

use bitbucket_connector::api::{BitbucketConnection, REQUESTED_AT};
use bitbucket_simulator::{Access, Action, Fault, Hold, Matches};
use kube::ResourceExt;

use self::scene::Scene;
use crate::support::manifests::{connection, secret};
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_shown_in_a_table_and_in_detail() {
    let scene = Scene::start("plugin-status").await;
    let nothing = scene.run(&["status"]).await;
    assert!(nothing.ok() && nothing.err.contains("There is no BitbucketConnection in namespace"), "{nothing:?}");
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.apply(&connection("b", &scene.simulator.url(), "none", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.stage.until_ready("b", "False", "SecretNotFound").await;
    let table = scene.run(&["status"]).await;
    let lines: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..4], ["NAME", "READY", "REASON", "COMMITS"], "{table:?}");
    assert_eq!(lines[1][..4], ["a", "True", "Synced", "5"]);
    assert_eq!(lines[2][..4], ["b", "False", "SecretNotFound", "-"]);
    let everywhere = scene.run(&["status", "-A"]).await;
    assert!(
        everywhere.out.starts_with("NAMESPACE ") && everywhere.out.contains(&scene.stage.namespace),
        "{everywhere:?}"
    );
    let detail = scene.run(&["status", "a"]).await;
    for text in [
        "Account      reader",
        "Ready        True, Synced: ",
        "Last run     Initial, ",
        "+5 -0 commits; 1 repositories, 0 failed.",
    ] {
        assert!(detail.out.contains(text), "{text}: {detail:?}");
    }
    let missing = scene.run(&["status", "c"]).await;
    assert_eq!(missing.code, Some(6), "{missing:?}");
    assert!(missing.err.contains("\"c\" not found"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_waited_for_and_is_the_exit_code() {
    let scene = Scene::start("plugin-verify").await;
    scene.simulator.set_access("second", Access::Nothing).unwrap();
    for (name, user, password) in
        [("good", "reader", "hunter2"), ("blind", "second", "hunter2"), ("wrong", "third", "wrong-hunter2")]
    {
        scene.stage.apply(&secret(name, user, password));
        scene.stage.apply(&connection(name, &scene.simulator.url(), name, ""));
    }
    scene.stage.until_ready("good", "True", "Synced").await;
    scene.stage.until_ready("blind", "False", "no_resources").await;
    scene.stage.until_ready("wrong", "False", "invalid_credentials").await;
    let good = scene.run(&["verify", "good"]).await;
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.out.contains("The credentials are valid") && good.err.contains("A sync run follows"), "{good:?}");
    let blind = scene.run(&["verify", "blind"]).await;
    assert_eq!(blind.code, Some(5), "{blind:?}");
    assert!(blind.out.contains("lists no repository"), "{blind:?}");
    // Nobody locks an account by asking again and again.
    for _ in 0..6 {
        let wrong = scene.run(&["verify", "wrong"]).await;
        assert_eq!(wrong.code, Some(3), "{wrong:?}");
        assert!(wrong.out.contains("--again"), "{wrong:?}");
    }
    assert_eq!(scene.simulator.failed_logins("third"), 1);
    scene.simulator.set_password("third", "wrong-hunter2").unwrap();
    let corrected = scene.run(&["verify", "wrong", "--again"]).await;
    assert_eq!(corrected.code, Some(0), "{corrected:?}");
    let missing = scene.run(&["verify", "none"]).await;
    assert_eq!(missing.code, Some(6), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitbucket_that_cannot_be_asked_is_no_verdict() {
    let scene = Scene::start("plugin-down").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    let ready = scene.stage.until_ready("a", "True", "Synced").await;
    let verified = ready.status.unwrap().last_verified_time.unwrap();
    // Its time has whole seconds, and the next one must be another.
    until("a moment has passed", async || jiff::Timestamp::now().duration_since(verified.0).as_secs() > 3).await;
    scene.simulator.set_listening(false).await;
    for command in ["verify", "sync"] {
        let down = scene.run(&[command, "a"]).await;
        assert_eq!(down.code, Some(6), "{down:?}");
        assert!(down.out.contains("could not be asked just now"), "{down:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_waited_for_and_is_the_exit_code() {
    let scene = Scene::start("plugin-sync").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let synced = scene.run(&["sync", "a"]).await;
    assert_eq!(synced.code, Some(0), "{synced:?}");
    assert!(synced.out.contains("+0 -0 commits; 1 repositories, 0 failed."), "{synced:?}");
    let broken = Fault::new(Action::Status { status: 500, headers: Vec::new(), body: String::new() });
    scene.simulator.faults().push(broken.matches(Matches::PathEndsWith("/branches/default".to_owned())));
    let left = scene.run(&["sync", "a"]).await;
    assert_eq!(left.code, Some(7), "{left:?}");
    assert!(left.out.contains("1 repositories, 1 failed."), "{left:?}");
    scene.simulator.faults().clear();
    scene.simulator.set_password("reader", "hunter2-new").unwrap();
    let refused = scene.run(&["sync", "a"]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_under_way_is_waited_for_and_then_its_own() {
    let scene = Scene::start("plugin-underway").await;
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())).times(1));
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    until("the first run is under way", async || hold.arrived() > 0).await;
    let running = scene.spawn(&["sync", "a"]);
    let asked = |object: &BitbucketConnection| object.annotations().contains_key(REQUESTED_AT);
    scene.stage.until("a", "it is asked for", asked).await;
    hold.release();
    let synced = running.await.unwrap();
    assert_eq!(synced.code, Some(0), "{synced:?}");
    let object = scene.stage.until_ready("a", "True", "Synced").await;
    let trigger = object.status.unwrap().sync.unwrap().trigger;
    assert_eq!(format!("{trigger:?}"), "Requested");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_suspended_and_resumed() {
    let scene = Scene::start("plugin-suspend").await;
    scene.stage.apply(&secret("s", "reader", "hunter2"));
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", ""));
    scene.stage.until_ready("a", "True", "Synced").await;
    let suspended = scene.run(&["suspend", "a"]).await;
    assert_eq!((suspended.code, suspended.out.as_str()), (Some(0), "a is suspended\n"), "{suspended:?}");
    let again = scene.run(&["suspend", "a"]).await;
    assert_eq!(again.out, "a is suspended already\n");
    let waiting = scene.run(&["verify", "a"]).await;
    assert_eq!(waiting.code, Some(6), "{waiting:?}");
    assert!(waiting.out.contains("kubectl bitbucket resume"), "{waiting:?}");
    let detail = scene.run(&["status", "a"]).await;
    assert!(detail.out.contains("nothing is asked until it is resumed"), "{detail:?}");
    assert_eq!(scene.run(&["resume", "a"]).await.out, "a is resumed\n");
    let verified = scene.run(&["verify", "a"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_come_next_is_suggested() {
    let scene = Scene::start("plugin-completion").await;
    scene.stage.apply(&connection("alpha", &scene.simulator.url(), "s", ""));
    scene.stage.apply(&connection("beta", &scene.simulator.url(), "s", ""));
    let namespace = scene.stage.namespace.clone();
    let cases: [(&[&str], &[&str], &str); 6] = [
        (&["sus"], &["suspend"], ":4"),
        (&["-n", &namespace, "sync", ""], &["alpha", "beta"], ":4"),
        (&["sync", "--namespace", &namespace, "al"], &["alpha"], ":4"),
        (&["sync", "--tim"], &["--timeout"], ":4"),
        (&["create", "x", "--ca-file", ""], &[], ":0"),
        (&["create", ""], &[], ":4"),
    ];
    for (words, expected, directive) in cases {
        let printed = scene.run(&[&["__complete", "--"], words].concat()).await;
        let mut found: Vec<&str> = printed.out.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(found.pop(), Some(directive), "{words:?} {printed:?}");
        assert_eq!(found, expected, "{words:?} {printed:?}");
    }
    // kubectl itself calls what `completion` prints.
    let script = scene.run(&["completion"]).await.out;
    let completed = scene.complete(&script, &["bitbucket", "-n", &namespace, "status", "be"]).await;
    assert!(completed.out.starts_with("beta\n"), "{completed:?}");
}
