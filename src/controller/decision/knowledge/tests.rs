//! When Bitbucket is asked, and when again. No cluster, no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::super::facts::{DestinationState, Transport};
use super::super::inputs::Inputs;
use super::{Inherited, Knowledge};
use crate::api::Reason;
use crate::secrets::TargetKey;
use crate::sync::{RunError, Summary};
use crate::verification::{Identity, Negative, Outcome, Verdict};

const INTERVAL: Duration = Duration::from_mins(10);
/// Of a status in which all is well.
const GOOD: Inherited = Inherited { observed: true, answered: true, held_up: false };
const OWN: TargetKey = TargetKey::OWN;
const OTHER: TargetKey = TargetKey([1; 32]);

/// A base of time, and the inputs of one connection; `other_*` differ from them in one thing.
struct World {
    start: Instant,
    inputs: Inputs,
    other_filter: Inputs,
    other_password: Inputs,
}

fn world() -> World {
    World {
        start: Instant::now(),
        inputs: Inputs::example("a", "secret"),
        other_filter: Inputs::example("b", "secret"),
        other_password: Inputs::example("a", "other"),
    }
}

fn verdict(reason: Reason) -> Outcome {
    let identity = Identity::default();
    let message = String::new();
    Outcome::Verdict(match reason {
        Reason::Verified => Verdict::Verified { identity, message },
        _ => Verdict::Refused(Negative { reason, message, wrong_password: false, identity }),
    })
}

fn wrong() -> Outcome {
    let Outcome::Verdict(Verdict::Refused(negative)) = verdict(Reason::InvalidCredentials) else { unreachable!() };
    Outcome::Verdict(Verdict::Refused(Negative { wrong_password: true, ..negative }))
}

fn fault(retry_after: Option<Duration>) -> Outcome {
    Outcome::Fault { reason: Reason::ServerError, message: String::new(), retry_after }
}

/// Minutes until it asks again by itself.
fn minutes(knowledge: &Knowledge, now: Instant) -> Option<u64> {
    knowledge.next(false, now).map(|wait| wait.as_secs().div_ceil(60))
}

#[test]
fn a_verdict_is_renewed_each_interval_and_with_each_change() {
    let World { start, inputs, other_filter, other_password } = world();
    let mut knowledge = Knowledge::new("uid");
    assert!(knowledge.ask(&inputs, false, start));
    for reason in [Reason::Verified, Reason::InvalidPermissions, Reason::NoResources, Reason::InvalidUrl] {
        knowledge.answered(&inputs, &verdict(reason), INTERVAL, start);
        assert!(!knowledge.ask(&inputs, false, start));
        assert!((9..=10).contains(&minutes(&knowledge, start).unwrap()), "{reason}");
        assert!(knowledge.ask(&inputs, false, start + INTERVAL));
        assert!(knowledge.ask(&inputs, true, start), "a person asks");
        assert!(knowledge.ask(&other_filter, false, start) && knowledge.ask(&other_password, false, start));
        assert!(!knowledge.changed(&inputs, false) && knowledge.changed(&other_password, true));
        assert!(!knowledge.changed(&other_filter, false), "a verdict is one about credentials, whatever is imported");
    }
}

#[test]
fn a_wrong_password_is_never_asked_again_by_itself() {
    let World { start, inputs, other_filter, other_password } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &wrong(), INTERVAL, start);
    let later = start + Duration::from_hours(24 * 365);
    assert!(!knowledge.ask(&inputs, false, later) && !knowledge.ask(&other_filter, false, later));
    assert_eq!(knowledge.next(false, start), None);
    assert!(knowledge.refuses(&other_filter) && !knowledge.refuses(&other_password));
    knowledge.refusal_holds(&other_filter);
    assert!(!knowledge.changed(&other_filter, false), "the verdict stands for the other filter too");
    assert!(knowledge.ask(&other_password, false, start));
    assert!(knowledge.ask(&inputs, true, start), "a person asks");
}

#[test]
fn the_other_cases_of_invalid_credentials_are_asked_hourly() {
    let World { start, inputs, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::InvalidCredentials), INTERVAL, start);
    assert!((54..=60).contains(&minutes(&knowledge, start).unwrap()));
}

#[test]
fn a_new_process_believes_the_status() {
    let World { start, inputs, other_filter, other_password } = world();
    let mut knowledge = Knowledge::new("uid");
    assert!(!knowledge.changed(&inputs, true) && knowledge.changed(&inputs, false));
    knowledge.meet(Some(&inputs), GOOD);
    assert!(!knowledge.run_outdated(&inputs) && knowledge.run_outdated(&other_filter));
    assert!(knowledge.ask(&inputs, false, start));
    knowledge.remember_refusal(&inputs);
    assert!(!knowledge.ask(&inputs, false, start), "the Secret was refused before");
    assert!(knowledge.only_remembers());
    knowledge.refusal_holds(&inputs);
    assert!(!knowledge.only_remembers(), "the gate is closed once");
    assert!(knowledge.refuses(&other_filter) && !knowledge.ask(&other_filter, false, start));
    assert!(knowledge.ask(&other_password, false, start));
    // From the first look on it sees what changes, also where it has no verdict of its own yet.
    assert!(!knowledge.changed(&inputs, false) && knowledge.changed(&other_password, true));
    let mut knowledge = Knowledge::new("uid");
    knowledge.meet(Some(&inputs), Inherited { answered: false, ..GOOD });
    assert!(knowledge.changed(&inputs, true), "a Secret that was missing is there now");
    let mut knowledge = Knowledge::new("uid");
    knowledge.meet(None, GOOD);
    knowledge.meet(Some(&inputs), GOOD);
    assert!(knowledge.changed(&inputs, true), "a Secret that this process has missed is there now");
}

#[test]
fn a_new_process_makes_the_run_that_the_last_one_may_have_owed() {
    let World { inputs, .. } = world();
    for (observed, held_up, owed) in [(true, false, false), (true, true, true), (false, false, true)] {
        let mut knowledge = Knowledge::new("uid");
        knowledge.meet(Some(&inputs), Inherited { observed, held_up, ..GOOD });
        // The next look, at a status that was written meanwhile, does not change that.
        knowledge.meet(Some(&inputs), GOOD);
        assert_eq!(knowledge.run_outdated(&inputs), owed, "{observed} {held_up}");
        knowledge.run_started(inputs.clone());
        assert!(!knowledge.run_outdated(&inputs));
    }
}

#[test]
fn faults_are_asked_again_in_growing_pauses_and_obey_the_server() {
    let World { start, inputs, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    let mut last = Duration::ZERO;
    for _ in 0..8 {
        knowledge.answered(&inputs, &fault(None), INTERVAL, start);
        let wait = knowledge.next(false, start).unwrap();
        assert!(wait > last);
        last = wait;
    }
    knowledge.answered(&inputs, &fault(Some(Duration::from_mins(20))), INTERVAL, start);
    assert!((20..=22).contains(&minutes(&knowledge, start).unwrap()), "never before the server wants it");
    assert!(knowledge.changed(&inputs, false), "a fault is no verdict");
    assert_eq!(knowledge.transport(INTERVAL, start + INTERVAL * 2), Transport::Faulty);
    assert_eq!(knowledge.transport(INTERVAL, start + INTERVAL * 3), Transport::FaultyTooLong);
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    assert_eq!(knowledge.transport(INTERVAL, start + INTERVAL * 3), Transport::Working);
}

#[test]
fn a_server_may_ask_for_a_longer_pause_and_not_for_a_shorter_one() {
    let World { start, inputs, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    (0..9).for_each(|_| knowledge.answered(&inputs, &fault(Some(Duration::from_secs(1))), INTERVAL, start));
    assert!(minutes(&knowledge, start).unwrap() > 1);
    knowledge.forget();
    assert_eq!((knowledge.transport(INTERVAL, start), knowledge.fault()), (Transport::Working, None));
}

#[test]
fn other_credentials_begin_with_short_pauses_and_a_grace_of_their_own() {
    let World { start, inputs, other_filter, other_password } = world();
    let mut knowledge = Knowledge::new("uid");
    for _ in 0..8 {
        knowledge.answered(&inputs, &fault(None), INTERVAL, start);
    }
    let later = start + INTERVAL * 3;
    knowledge.answered(&other_filter, &fault(None), INTERVAL, later);
    assert!(knowledge.next(false, later).unwrap() > Duration::from_mins(1), "another filter meets the same");
    assert_eq!(knowledge.transport(INTERVAL, later), Transport::FaultyTooLong);
    knowledge.answered(&other_password, &fault(None), INTERVAL, later);
    assert!(knowledge.next(false, later).unwrap() <= Duration::from_secs(1));
    assert_eq!(knowledge.transport(INTERVAL, later), Transport::Faulty);
}

#[test]
fn a_run_is_a_proof() {
    let World { start, inputs, other_filter, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.want_run();
    knowledge.run_started(inputs.clone());
    assert!(!knowledge.run_wanted());
    let later = start + Duration::from_hours(3);
    assert_eq!(knowledge.next(true, later), None, "during a run nothing is due by itself");
    assert_eq!(knowledge.next(false, later), Some(Duration::ZERO));
    knowledge.run_ended(&Ok(Summary::default()), INTERVAL, later);
    assert_eq!(knowledge.next(false, later), Some(Duration::ZERO), "nothing was there to import: why?");
    knowledge.run_ended(&Ok(Summary { synced: 1, ..Summary::default() }), INTERVAL, later);
    assert!((9..=10).contains(&minutes(&knowledge, later).unwrap()));
    assert!(!knowledge.run_outdated(&inputs) && knowledge.run_outdated(&other_filter));
}

#[test]
fn a_run_that_ends_after_the_password_was_judged_wrong_proves_nothing() {
    let World { start, inputs, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.run_started(inputs.clone());
    knowledge.answered(&inputs, &wrong(), INTERVAL, start);
    knowledge.run_ended(&Ok(Summary { synced: 1, ..Summary::default() }), INTERVAL, start);
    assert_eq!(knowledge.next(false, start), None);
    assert!(!knowledge.ask(&inputs, false, start + INTERVAL));
}

#[test]
fn a_run_of_another_filter_is_no_proof_for_this_one() {
    let World { start, inputs, other_filter, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.run_started(other_filter);
    knowledge.run_ended(&Ok(Summary { synced: 1, ..Summary::default() }), INTERVAL, start + INTERVAL / 2);
    assert!(knowledge.ask(&inputs, false, start + INTERVAL));
}

#[test]
fn a_database_that_failed_is_left_alone_for_a_while() {
    let World { start, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    let down = DestinationState::Unavailable("Down.".to_owned());
    knowledge.destination_failed(OWN, down.clone(), INTERVAL, start);
    assert_eq!(knowledge.destination(Some(OWN), start), Some(down.clone()));
    let first = knowledge.next(false, start).unwrap();
    assert_eq!(knowledge.destination(Some(OWN), start + first), None);
    // Opening it proves little: only a run that ends well takes the pauses back.
    knowledge.destination_failed(OWN, down.clone(), INTERVAL, start);
    assert!(knowledge.next(false, start).unwrap() > first);
    knowledge.run_ended(&Err(RunError::Stopped), INTERVAL, start);
    knowledge.destination_failed(OWN, down, INTERVAL, start);
    assert_eq!(knowledge.next(false, start), Some(first));
    knowledge.destination_failed(OWN, DestinationState::Invalid("Newer.".to_owned()), INTERVAL, start);
    assert_eq!(minutes(&knowledge, start), Some(10));
}

#[test]
fn a_fault_of_one_database_is_nothing_to_another() {
    let World { start, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    let down = DestinationState::Unavailable("Down.".to_owned());
    (0..9).for_each(|_| knowledge.destination_failed(OWN, down.clone(), INTERVAL, start));
    let long = knowledge.next(false, start).unwrap();
    // While nobody knows which one is meant, it is left alone, but not looked at for ever.
    assert_eq!(knowledge.destination(None, start), Some(down.clone()));
    assert_eq!(knowledge.destination(None, start + long), None);
    assert_eq!(knowledge.next(false, start + long), None);
    knowledge.destination_failed(OWN, down.clone(), INTERVAL, start);
    assert_eq!(knowledge.destination(Some(OTHER), start), None);
    assert_eq!(knowledge.next(false, start), None);
    knowledge.destination_failed(OTHER, down, INTERVAL, start);
    assert!(knowledge.next(false, start).unwrap() <= Duration::from_secs(1), "its pauses are its own");
}

#[test]
fn another_database_wants_a_run_and_no_verification() {
    let World { start, inputs, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.run_started(inputs.clone());
    let other = inputs.to(OTHER);
    assert!(knowledge.run_outdated(&other));
    assert!(!knowledge.ask(&other, false, start) && !knowledge.changed(&other, true));
    // A run to it proves the credentials as any other.
    knowledge.run_started(other.clone());
    knowledge.run_ended(&Ok(Summary { synced: 1, ..Summary::default() }), INTERVAL, start + INTERVAL / 2);
    assert!(!knowledge.ask(&other, false, start + INTERVAL));
}

#[test]
fn a_verdict_that_is_gone_is_asked_for_at_once_but_not_with_a_wrong_password() {
    let World { start, inputs, other_password, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.forget();
    assert!(knowledge.ask(&inputs, false, start) && knowledge.changed(&inputs, true));
    knowledge.answered(&inputs, &wrong(), INTERVAL, start);
    knowledge.forget();
    assert!(!knowledge.ask(&inputs, false, start) && knowledge.changed(&inputs, true));
    assert!(knowledge.ask(&other_password, false, start));
}

#[test]
fn a_fault_of_other_credentials_leaves_no_verdict_to_come_back_to() {
    let World { start, inputs, other_password, .. } = world();
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &verdict(Reason::Verified), INTERVAL, start);
    knowledge.answered(&other_password, &fault(None), INTERVAL, start);
    assert!(knowledge.changed(&inputs, true) && knowledge.changed(&other_password, true));
}
