//! kill -9 around a slot of the schedule, from when it comes until its run has ended: before and after any call to the API
//! server, and at any request to Bitbucket. It is run once; unless nothing says that it is claimed, and it is too late for it.

mod scene;

use bitbucket_connector::api::status::BitbucketConnectionStatus;
use bitbucket_simulator::{Action, Fault};
use jiff::Timestamp;
use serde_json::json;

use self::scene::Scene;
use super::*;
use crate::support::clock::Clock;
use crate::support::within;

const BEGIN: &str = "2027-06-01T12:10:00Z";
const SLOT: &str = "2027-06-01T13:00:00Z";
const NEXT: &str = "2027-06-01T14:00:00Z";
const LATER: &str = "2027-06-01T15:00:00Z";
/// A minute after each, so that the connection's place in it does not matter.
const IN_SLOT: &str = "2027-06-01T13:01:01Z";
const IN_NEXT: &str = "2027-06-01T14:01:01Z";
const DEADLINE: u32 = 600;

/// Where the operator is killed.
#[derive(Clone, Debug)]
enum Place {
    Call(Point, Moment),
    /// The how-many-th of the run's.
    Request(u32),
}

/// When the next operator begins: where it is late, `startingDeadlineSeconds` are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    InTime,
    Late,
}

impl Back {
    const fn clock(self) -> &'static str {
        match self {
            Self::InTime => "2027-06-01T13:05:00Z",
            Self::Late => "2027-06-01T13:20:00Z",
        }
    }
}

/// How long the slot's run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Short,
    /// Until its progress is shown.
    Long,
}

#[derive(Clone, Debug)]
struct Crash {
    place: Place,
    back: Back,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_around_a_slot() {
    let mut stages = stages("slot").await;
    let [first, second] = &mut stages[..2] else { panic!() };
    let (short, long) =
        futures::join!(play(first, "short", Length::Short, None), play(second, "long", Length::Long, None));
    let (short, long) = (short.unwrap(), long.unwrap());
    assert_eq!(short.ending, long.ending);
    assert_eq!(short.ending.events, ["SyncIncomplete", "Synced", "Verified"].map(str::to_owned).into());
    let moments = |call: &Call| {
        let after = (!call.kind.starts_with("GET ")).then_some(Moment::After);
        [Some(Moment::Before), after].into_iter().flatten()
    };
    let calls = |day: &Day, from: usize| -> Vec<Place> {
        let calls = day.calls.iter().filter(|call| !call.is_watch() && call.nth >= from);
        calls.flat_map(|call| moments(call).map(|moment| Place::Call(call.into(), moment))).collect()
    };
    // What comes before the progress is the same.
    let crash = |length, back| move |place| (length, Crash { place, back });
    let mut crashes: Vec<_> = calls(&long, 2).into_iter().map(crash(Length::Long, Back::InTime)).collect();
    for back in [Back::InTime, Back::Late] {
        let places = calls(&short, 1).into_iter().chain((1..=short.requests).map(Place::Request));
        crashes.extend(places.map(crash(Length::Short, back)));
    }
    let expected = &short.ending;
    play_all(&mut stages, crashes.into_iter().enumerate(), async |stage, (number, (length, crash))| {
        let what = format!("{crash:?}");
        let name = format!("{length:?}-{number}").to_lowercase();
        let Some(day) = Box::pin(play(stage, &name, length, Some(&crash))).await else {
            return;
        };
        let lost = match &crash.place {
            Place::Call(point, moment) => point.loses(*moment),
            Place::Request(_) => Lost::Nothing,
        };
        assert_eq!(day.ending.made_up(lost, expected), *expected, "{what}, of events:\n{}", told(stage));
    })
    .await;
}

/// A slot that has been run.
struct Day {
    ending: Ending,
    /// The calls to the API server from when the slot comes to the event that tells of its run.
    calls: Vec<Call>,
    /// How often Bitbucket is asked meanwhile.
    requests: u32,
}

/// Plays a slot, and the next one. None, where it is missed, as it must be.
async fn play(stage: &mut Stage, name: &str, length: Length, crash: Option<&Crash>) -> Option<Day> {
    let more = json!({"schedule": "0 * * * *", "startingDeadlineSeconds": DEADLINE});
    let life = Life::new(stage, name).await.with(more).retained();
    let (clock, front) = (Clock::of(stage, BEGIN), Front::new(&stage.config).await);
    let mut scene = Scene::begin(stage, &life, &front).await;
    let run = Hold::new();
    if length == Length::Long {
        life.simulator.faults().push(Fault::on_path("/commits", Action::Hold(run.clone())).times(1));
    }
    let hold = scene.prepare(run, crash);
    clock.set(IN_SLOT);
    life.wake().await;
    let mut missed = false;
    if let (Some(hold), Some(Crash { place, back })) = (hold, crash) {
        within(&format!("{name}: {place:?}"), scene.arrive(&hold, place)).await;
        missed = !scene.is_claimed(place).await && *back == Back::Late;
        stage.kill_operator();
        clock.set(back.clock());
        front.pass();
        life.simulator.faults().clear();
        stage.start_operator_through(&front);
    }
    scene.until(|status| next_slot(status) == Some(at(NEXT)) && is_over(status)).await;
    let requests = scene.requests();
    scene.look_twice().await;
    let day = if missed { None } else { Some(scene.day(requests).await) };
    clock.set(IN_NEXT);
    life.wake().await;
    scene.until(|status| next_slot(status) == Some(at(LATER)) && is_over(status)).await;
    // The rows are git's, also of what was missed.
    life.ending().await;
    scene.assert_each_was_run_once(if missed { &[NEXT] } else { &[SLOT, NEXT] });
    over(stage, &life).await;
    day
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn last_slot(status: &BitbucketConnectionStatus) -> Option<Timestamp> {
    status.last_schedule_time.as_ref().map(|time| time.0)
}

fn next_slot(status: &BitbucketConnectionStatus) -> Option<Timestamp> {
    status.next_schedule_time.as_ref().map(|time| time.0)
}

fn is_over(status: &BitbucketConnectionStatus) -> bool {
    status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
}
