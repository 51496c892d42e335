//! A hint that is lost costs nothing but time: the next slot finds what was pushed.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::status::Trigger;
use bitbucket_simulator::{Action, Fault, Hold};
use reqwest::StatusCode;

use super::Scene;
use crate::support::clock::Clock;
use crate::support::manifests::connection;
use crate::support::operator::Stage;
use crate::support::until;

const HALF_PAST: &str = ", schedule: \"30 * * * *\", webhook: {secretRef: {name: hook}}";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_operator_was_told_is_stored_at_the_next_slot() {
    let mut stage = Stage::without_operator("webhook-lost").await;
    let clock = Clock::of(&mut stage, "2027-03-01T10:00:00Z");
    let mut scene = Scene::on(stage).await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HALF_PAST));
    scene.stage.until_ready("a", "True", "Synced").await;
    let count = scene.commits().await;
    scene.git.grow("main", 3).unwrap();
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path("/repos/api/branches/default", Action::Hold(hold.clone())));
    assert_eq!(scene.push("a", "refs/heads/main").await, StatusCode::ACCEPTED);
    until("the repository is looked at", async || hold.arrived() > 0).await;
    scene.stage.kill_operator();
    hold.release();
    scene.simulator.faults().clear();
    scene.simulator.clear_requests();

    scene.stage.start_operator();
    until("the next operator has verified it", async || !scene.simulator.requests_to("/commits").is_empty()).await;
    let slot = |object: &BitbucketConnection| {
        let status = object.status.as_ref()?;
        let ended = status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some());
        status.last_schedule_time.as_ref().filter(|_| ended).map(|time| time.0.to_string())
    };
    let before = scene.stage.objects.get("a").await.unwrap();
    assert_eq!((scene.commits().await, slot(&before)), (count, None), "the hint is lost");

    // A minute later, so that the connection's place in it does not matter.
    clock.set("2027-03-01T10:31:01Z");
    scene.stage.kubectl(&["label", "secret", "s", "look=now"]);
    let wanted = Some("2027-03-01T10:30:00Z".to_owned());
    let after = scene.stage.until("a", "the run of the slot has ended", |object| slot(object) == wanted).await;
    assert_eq!(scene.commits().await, count + 3);
    let sync = after.status.unwrap().sync.unwrap();
    assert_eq!((sync.trigger, sync.commits_added), (Trigger::Schedule, Some(3)));
}
