//! When an object is looked at again by itself.

use tokio::time::Instant;

use super::*;
use crate::controller::decision::{Inputs, Knowledge, Waiting, wait};

const INTERVAL: Duration = Duration::from_hours(2);

/// Seconds, by a connection that is asked about again in ten minutes.
fn seconds<'a>(facts: &Facts, waiting: impl FnOnce(Waiting<'a>) -> Waiting<'a>) -> u64 {
    let (mut knowledge, now) = (Knowledge::new("uid"), Instant::now());
    let Observation::Asked { outcome } = verified() else { unreachable!() };
    knowledge.answered(&Inputs::example("a", "secret"), &outcome, Duration::from_mins(10), now);
    let waiting = waiting(Waiting { interval: INTERVAL, requested_at: None, show_at: None, now });
    wait(facts, &knowledge, waiting).as_secs()
}

#[test]
fn it_is_what_comes_first() {
    let at_noon = fresh();
    let next_question = seconds(&at_noon, |waiting| waiting);
    assert!((540..=600).contains(&next_question), "{next_question}");
    let before_the_slot = Facts { now: at("2026-01-01T12:57:00Z"), ..fresh() };
    let slot = before_the_slot.schedule.as_ref().unwrap().wait(before_the_slot.now).unwrap().as_secs();
    assert_eq!((seconds(&before_the_slot, |waiting| waiting), slot < 500), (slot, true));
    let shown = |waiting: Waiting<'static>| Waiting { show_at: Some(waiting.now + Duration::from_secs(7)), ..waiting };
    assert_eq!(seconds(&at_noon, shown), 7, "a run that is under way shows how far it is");
    let no_schedule = Facts { schedule: Err("Odd.".to_owned()), ..fresh() };
    let soon = |waiting: Waiting<'static>| Waiting { interval: Duration::from_mins(1), ..waiting };
    assert_eq!(seconds(&no_schedule, soon), 60);
}

#[test]
fn a_request_that_came_meanwhile_is_looked_at_at_once() {
    let now = "now".to_owned();
    let requested = |facts: &Facts| seconds(facts, |waiting| Waiting { requested_at: Some(&now), ..waiting });
    assert_eq!(requested(&fresh()), 0);
    let another = Facts { requested_at: Some("before".to_owned()), ..fresh() };
    assert_eq!(requested(&another), 0, "that one was answered");
    let served = Facts { requested_at: Some("now".to_owned()), ..fresh() };
    assert!(requested(&served) > 500);
}

#[test]
fn a_connection_that_is_suspended_wakes_only_to_be_looked_at() {
    let suspended = Facts { suspended: true, ..fresh() };
    assert_eq!(seconds(&suspended, |waiting| waiting), INTERVAL.as_secs());
}
