//! Running operators on days when the clocks change, when slots were missed, and when the clock itself was wrong.

use std::time::Duration;

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions::SYNCED;
use bitbucket_connector::api::status::{BitbucketConnectionStatus, Trigger};
use bitbucket_simulator::{Simulator, histories};
use jiff::Timestamp;

use crate::support::clock::Clock;
use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};

struct Scene {
    stage: Stage,
    clock: Clock,
    simulator: Simulator,
}

/// An operator at this time.
async fn scene(theme: &str, now: &str) -> Scene {
    let mut stage = Stage::without_operator(theme).await;
    let clock = Clock::of(&mut stage, now);
    stage.start_operator();
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&secret("s", "reader", "hunter2"));
    Scene { stage, clock, simulator }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The slot that the last run was for, if that has ended, and the next one.
fn slots(status: &BitbucketConnectionStatus) -> (Option<Timestamp>, Option<Timestamp>) {
    let last = status.last_schedule_time.as_ref().map(|time| time.0);
    let ended = status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some());
    (last.filter(|_| ended), status.next_schedule_time.as_ref().map(|time| time.0))
}

impl Scene {
    /// A connection, synced for the first time.
    async fn synced(&self, name: &str, more: &str) {
        self.stage.apply(&connection(name, &self.simulator.url(), "s", more));
        self.stage.until_ready(name, "True", "Synced").await;
    }

    /// Lets the operator look at all connections: by itself it does so at a slot or after ten minutes.
    fn look(&self) {
        self.stage.kubectl(&["label", "--overwrite", "secret", "s", &format!("look=n{}", fastrand::u64(..))]);
    }

    /// Turns the clock, and waits until the last run was for one slot and the next one is announced.
    async fn turn(&self, name: &str, now: Timestamp, last: &str, next: &str) -> BitbucketConnection {
        self.clock.turn(now);
        self.look();
        self.shows(name, last, next).await
    }

    async fn shows(&self, name: &str, last: &str, next: &str) -> BitbucketConnection {
        let wanted = (Some(at(last)), Some(at(next)));
        let what = format!("a run for {last}, and {next} to be next");
        self.stage
            .until(name, &what, |object| object.status.as_ref().is_some_and(|status| slots(status) == wanted))
            .await
    }

    /// The runs that looked at the repository since the last call.
    fn runs(&self) -> usize {
        let runs = self.simulator.requests_to("/branches/default").len();
        self.simulator.clear_requests();
        runs
    }
}

/// A night in which clocks change.
struct Night {
    zone: &'static str,
    begins: &'static str,
    /// Those of an hourly schedule.
    hours: [&'static str; 4],
    /// A time of day, its slot in this night, and the one in the next.
    nightly: [&'static str; 3],
}

/// Each hour is a run, and the time of day is one.
async fn night(night: Night) {
    let Night { zone, begins, hours, nightly: [cron, this, next] } = night;
    let scene = scene("night", begins).await;
    scene.synced("hourly", &format!(", schedule: \"30 * * * *\", timeZone: {zone}")).await;
    scene.synced("nightly", &format!(", schedule: \"{cron}\", timeZone: {zone}")).await;
    scene.simulator.clear_requests();
    for pair in hours.windows(2) {
        // A minute later, so that the connection's place in it does not matter.
        scene.turn("hourly", at(pair[0]) + Duration::from_secs(61), pair[0], pair[1]).await;
    }
    scene.shows("nightly", this, next).await;
    assert_eq!(scene.runs(), 3 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_berlin_an_hour_is_left_out() {
    night(Night {
        zone: "Europe/Berlin",
        begins: "2027-03-27T23:40:00Z",
        hours: ["2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z", "2027-03-28T02:30:00Z", "2027-03-28T03:30:00Z"],
        nightly: ["30 2 * * *", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_berlin_an_hour_comes_twice() {
    night(Night {
        zone: "Europe/Berlin",
        begins: "2027-10-30T23:40:00Z",
        hours: ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z", "2027-10-31T02:30:00Z", "2027-10-31T03:30:00Z"],
        nightly: ["30 2 * * *", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_new_york_an_hour_is_left_out() {
    night(Night {
        zone: "America/New_York",
        begins: "2027-03-14T05:40:00Z",
        hours: ["2027-03-14T06:30:00Z", "2027-03-14T07:30:00Z", "2027-03-14T08:30:00Z", "2027-03-14T09:30:00Z"],
        nightly: ["30 2 * * *", "2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_new_york_an_hour_comes_twice() {
    night(Night {
        zone: "America/New_York",
        begins: "2027-11-07T04:40:00Z",
        hours: ["2027-11-07T05:30:00Z", "2027-11-07T06:30:00Z", "2027-11-07T07:30:00Z", "2027-11-07T08:30:00Z"],
        nightly: ["30 1 * * *", "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"],
    })
    .await;
}

/// No run but the first one, and the next one announced.
fn none_before(next: &str) -> impl Fn(&BitbucketConnection) -> bool {
    let next = Some(at(next));
    move |object| {
        let status = object.status.as_ref().unwrap();
        let trigger = status.sync.as_ref().map(|sync| sync.trigger);
        (slots(status), trigger) == ((None, next), Some(Trigger::Initial))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_slots_that_were_missed_the_latest_runs_unless_it_is_too_late() {
    let mut scene = scene("missed", "2027-06-01T12:10:00Z").await;
    scene.synced("any", "").await;
    scene.synced("early", ", startingDeadlineSeconds: 3600").await;
    scene.synced("late", ", startingDeadlineSeconds: 600").await;
    scene.stage.kill_operator();
    scene.simulator.clear_requests();
    scene.clock.set("2027-06-01T17:20:00Z");
    scene.stage.start_operator();
    for name in ["any", "early"] {
        scene.shows(name, "2027-06-01T17:00:00Z", "2027-06-01T18:00:00Z").await;
    }
    scene.stage.until("late", "the next slot", none_before("2027-06-01T18:00:00Z")).await;
    assert_eq!(scene.runs(), 2);

    // Who was suspended makes up for the latest one too.
    let suspend = |whether| scene.stage.apply(&connection("any", &scene.simulator.url(), "s", whether));
    suspend(", suspend: true");
    let suspended = |object: &BitbucketConnection| condition(object, SYNCED).unwrap().reason == "Suspended";
    scene.stage.until("any", "it to be suspended", suspended).await;
    scene.clock.set("2027-06-01T20:40:00Z");
    suspend(", suspend: false");
    scene.shows("any", "2027-06-01T20:00:00Z", "2027-06-01T21:00:00Z").await;
    assert_eq!(scene.runs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_costs_one_run_and_holds_up_none() {
    let scene = scene("jumps", "2027-06-01T12:10:00Z").await;
    scene.synced("a", "").await;
    scene.simulator.clear_requests();
    // To and fro: forty days ahead, and back to what is right.
    scene.turn("a", at("2027-07-11T09:10:00Z"), "2027-07-11T09:00:00Z", "2027-07-11T10:00:00Z").await;
    assert_eq!(scene.runs(), 1, "the latest slot only");
    scene.turn("a", at("2027-06-01T12:20:00Z"), "2027-06-01T12:00:00Z", "2027-06-01T13:00:00Z").await;
    scene.turn("a", at("2027-06-01T13:02:00Z"), "2027-06-01T13:00:00Z", "2027-06-01T14:00:00Z").await;
    assert_eq!(scene.runs(), 2);
}
