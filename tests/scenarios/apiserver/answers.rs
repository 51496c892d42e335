//! Answers that come in parts, too late, or never.

use std::time::Duration;

use bitbucket_connector::api::conditions::READY;
use bitbucket_simulator::Hold;
use jiff::Timestamp;

use super::*;
use crate::support::front::{End, gone};
use crate::support::operator::condition;
use crate::support::within;

/// One page of a list, and one more.
const MANY: usize = 60;

fn observed(generation: i64) -> impl Fn(&BitbucketConnection) -> bool {
    move |object| object.status.as_ref().is_some_and(|status| status.observed_generation == Some(generation))
}

/// Between the pages of a list, what is on the first of them is not known yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_in_pages_shows_for_the_first_time_is_looked_at() {
    let mut scene = scene("pages").await;
    // Their lists would wake the connections too.
    scene.stage.variables.push(("BITBUCKET_CONNECTOR_WATCH_SECRETS", "off".to_owned()));
    scene.stage.start_operator_through(&scene.front);
    let named = |name: &str, more: &str| connection(name, "http://127.0.0.1:1", "missing", more);
    let objects = (0..MANY).map(|number| named(&format!("m{number:02}"), "")).collect::<String>();
    scene.stage.apply(&objects);
    for number in [0, MANY - 1] {
        scene.stage.until_ready(&format!("m{number:02}"), "False", "SecretNotFound").await;
    }
    let (mut refused, second) = (false, Hold::new());
    let page = second.clone();
    scene.front.hold_watches();
    scene.front.on(move |call| {
        if call.is_watch() && !std::mem::replace(&mut refused, true) {
            return Act::body(axum::http::StatusCode::GONE, &gone());
        }
        let more = call.kind == CONNECTIONS && call.query.contains("continue=");
        if more { Act::Before(page.clone()) } else { Act::Pass }
    });
    scene.stage.apply(&(named("first", "") + &named("m00", ", suspend: true")));
    scene.front.end_watches(End::Quiet);
    scene.front.release_watches();
    within("the second page", second.wait_for(1)).await;
    // Whoever looks now finds nothing.
    scene.stage.kubectl(&["get", "bbc"]);
    second.release();
    scene.stage.until_ready("first", "False", "SecretNotFound").await;
    scene.stage.until("m00", "the change to be seen", observed(2)).await;
}

/// A status is written, nobody says so, and then the old one is right again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_without_an_answer_is_written_over() {
    let mut scene = scene("unsure").await;
    scene.stage.start_operator_through(&scene.front);
    let _bitbucket = scene.connect("a").await;
    scene.stage.until_ready("a", "True", "Synced").await;
    let (mut deafened, again) = (false, Hold::new());
    let look = again.clone();
    scene.front.on(move |call| match call.kind.as_str() {
        "PATCH bitbucketconnections/NAME/status" if !std::mem::replace(&mut deafened, true) => Act::Deafen,
        // The next look is at what is right again.
        "GET secrets/NAME" if deafened => Act::Before(look.clone()),
        _ => Act::Pass,
    });
    let without = r#"[{"op": "remove", "path": "/data/username"}]"#;
    scene.stage.kubectl(&["patch", "secret", "a", "--type=json", "-p", without]);
    scene.stage.until_ready("a", "False", "InvalidSecret").await;
    within("another look", again.wait_for(1)).await;
    scene.stage.apply(&secret("a", "reader", "hunter2"));
    again.release();
    scene.stage.until_ready("a", "True", "Synced").await;
}

/// A status is written, nobody says so, and it is written once more: it has been so since the first time.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_without_an_answer_keeps_its_time() {
    let mut scene = scene("since").await;
    scene.stage.start_operator_through(&scene.front);
    let _bitbucket = scene.connect("a").await;
    scene.stage.until_ready("a", "True", "Synced").await;
    let (mut deafened, again) = (false, Hold::new());
    let look = again.clone();
    scene.front.on(move |call| match call.kind.as_str() {
        "PATCH bitbucketconnections/NAME/status" if !std::mem::replace(&mut deafened, true) => Act::Deafen,
        "GET secrets/NAME" if deafened => Act::Before(look.clone()),
        _ => Act::Pass,
    });
    let without = r#"[{"op": "remove", "path": "/data/username"}]"#;
    scene.stage.kubectl(&["patch", "secret", "a", "--type=json", "-p", without]);
    let since = |object: &BitbucketConnection| condition(object, READY).unwrap().last_transition_time.clone();
    let first = since(&scene.stage.until_ready("a", "False", "InvalidSecret").await);
    within("another look", again.wait_for(1)).await;
    until("another second", async || Timestamp::now() >= first.0 + Duration::from_secs(1)).await;
    scene.ask("a", "now");
    again.release();
    let handled = |object: &BitbucketConnection| {
        object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("now"))
    };
    assert_eq!(since(&scene.stage.until("a", "the request to be handled", handled).await), first);
}

/// A load balancer has taken the request, and there is nobody behind it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_never_answered_is_asked_for_again() {
    let mut scene = scene("never").await;
    let (never, mut first) = (Hold::new(), true);
    let ever = never.clone();
    scene.front.on(move |call| {
        let held = call.kind == CONNECTIONS && std::mem::replace(&mut first, false);
        if held { Act::Before(ever.clone()) } else { Act::Pass }
    });
    scene.stage.start_operator_through(&scene.front);
    within("the first list", never.wait_for(1)).await;
    let _bitbucket = scene.connect("a").await;
    scene.stage.until_ready("a", "True", "Synced").await;
}
