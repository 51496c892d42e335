//! When runs are claimed, and how their ends show.

use super::*;
use crate::api::conditions::{State, Truth, set};
use crate::bitbucket::{Error, Fault};
use crate::controller::decision::slots;

#[test]
fn the_first_good_verdict_claims_the_first_run() {
    let decision = decide(&fresh());
    assert_eq!(shown(&decision), "Ready=True Verified, Verified=True Verified, Synced=Unknown Pending");
    assert_eq!(decision.start, Some(Trigger::Initial));
    let status = &decision.status;
    assert_eq!(status.observed_generation, Some(1));
    assert!(status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_none()));
    assert_eq!(status.next_schedule_time, Some(Time(at("2026-01-01T13:00:00Z"))));
    assert_eq!((status.username.as_deref(), status.server_version.as_deref()), (Some("svc"), Some("8.19.4")));
}

#[test]
fn a_run_ends_in_synced_incomplete_or_failed() {
    let claimed = decide(&fresh());
    let end = |result| decide(&Facts { run: RunState::Ended(result), ..after(&claimed, 1) });
    let good = synced();
    assert_eq!(shown(&good), "Ready=True Synced, Verified=True Verified, Synced=True Synced");
    let now = Some(Time(at("2026-01-01T12:31:00Z")));
    assert_eq!(good.status.last_successful_time, now);
    let sync = good.status.sync.as_ref().unwrap();
    assert_eq!((&sync.completion_time, sync.commits, sync.repositories.unwrap().total), (&now, Some(10), 2));

    let failed = (0..12).map(|n| (format!("P/{n}"), "Refused", "No.".to_owned())).collect();
    let incomplete = end(Ok(Summary { synced: 1, failed, ..Summary::default() }));
    assert_eq!(shown(&incomplete), "Ready=True SyncIncomplete, Verified=True Verified, Synced=False SyncIncomplete");
    assert_eq!(incomplete.status.sync.as_ref().unwrap().failures.len(), 10);
    assert_eq!(incomplete.status.last_successful_time, None);

    let inaccessible = end(Ok(Summary { inaccessible: vec!["P/x".to_owned()], ..Summary::default() }));
    let message = |decision: &Decision| find(&decision.status.conditions, SYNCED).unwrap().message.clone();
    assert!(message(&inaccessible).contains("Not readable for this account: P/x. "));
    let many = (10..22).map(|n| format!("P/{n}")).collect();
    let many = message(&end(Ok(Summary { inaccessible: many, ..Summary::default() })));
    assert!(many.contains("P/19 and others.") && !many.contains("P/20"), "{many}");
    assert_eq!(inaccessible.status.last_successful_time, now);

    let broken = end(Err(RunError::Broken));
    assert_eq!(shown(&broken), "Ready=True SyncFailed, Verified=True Verified, Synced=False SyncFailed");
    assert!(broken.status.sync.as_ref().unwrap().completion_time.is_some());
}

#[test]
fn a_database_without_the_last_run_has_lost_it() {
    let good = synced().status;
    let started = good.sync.as_ref().unwrap().start_time.0;
    let minutes = |minutes| Some(started + jiff::SignedDuration::from_mins(minutes));
    for (checked_at, lost) in [(None, true), (minutes(-6), true), (minutes(-4), false), (minutes(1), false)] {
        assert_eq!(slots::has_lost(&good, checked_at), lost, "{checked_at:?}");
    }
    // One that failed leaves no mark there. Nothing is known of when the last good one began.
    let mut failed = good.clone();
    let broken = State::new(Truth::False, Reason::SyncFailed, "");
    set(&mut failed.conditions, SYNCED, &broken, 1, started);
    assert!(slots::has_lost(&failed, None) && !slots::has_lost(&failed, minutes(-600)));
    failed.last_successful_time = None;
    assert!(!slots::has_lost(&failed, None), "there never was one");
    let mut underway = good;
    underway.sync.as_mut().unwrap().completion_time = None;
    assert!(!slots::has_lost(&underway, None), "it is made anyway");
}

#[test]
fn a_run_that_was_stopped_goes_on_without_a_new_claim() {
    let claimed = decide(&fresh());
    let stopped = RunState::Ended(Err(RunError::Stopped));
    let suspended =
        decide(&Facts { run: stopped, suspended: true, observation: Observation::Suspended, ..after(&claimed, 1) });
    assert_eq!(suspended.start, None);
    assert_eq!(shown(&suspended), "Ready=True Verified, Verified=True Verified, Synced=Unknown Suspended");
    let resumed = decide(&after(&suspended, 2));
    assert_eq!(resumed.start, Some(Trigger::Initial));
    assert_eq!(resumed.status.sync, claimed.status.sync);
}

#[test]
fn a_run_that_was_stopped_for_another_spec_says_nothing() {
    let good = synced();
    let claimed = decide(&after(&good, 32));
    let stopped = decide(&Facts { run: RunState::Ended(Err(RunError::Stopped)), ..after(&claimed, 33) });
    assert_eq!(shown(&stopped), shown(&good));
}

#[test]
fn a_slot_is_claimed_once() {
    let good = synced();
    let underway = Facts { run: RunState::Underway(None), ..after(&good, 32) };
    assert_eq!(decide(&underway).start, None);
    let requested = decide(&Facts { wanted: Some(Trigger::Requested), ..after(&good, 32) });
    assert_eq!((requested.start, &requested.status.last_schedule_time), (Some(Trigger::Requested), &None));
    assert_eq!(decide(&after(&good, 29)).start, None);
    let due = decide(&after(&good, 32));
    assert_eq!(due.start, Some(Trigger::Schedule));
    assert_eq!(due.status.last_schedule_time, Some(Time(at("2026-01-01T13:00:00Z"))));
    assert_eq!(due.status.next_schedule_time, Some(Time(at("2026-01-01T14:00:00Z"))));
    // The run ends after the next slot, which was skipped and is never made up for.
    let run = RunState::Ended(Ok(Summary::default()));
    let ended = decide(&Facts { run: run.clone(), ..after(&due, 100) });
    assert_eq!(ended.start, None);
    // Of one that a process has taken up again after that slot it is not said that the run was in the way.
    let resumed = decide(&Facts { run, run_since: Some(at("2026-01-01T14:05:00Z")), ..after(&due, 100) });
    assert_eq!((ended.skipped.is_some(), resumed.skipped), (true, None));
    assert_eq!(decide(&after(&ended, 101)).start, None);
    assert_eq!(decide(&after(&ended, 152)).start, Some(Trigger::Schedule));
}

#[test]
fn a_clock_that_was_wrong_holds_up_nothing() {
    let due = decide(&after(&synced(), 32));
    let run = RunState::Ended(Ok(Summary::default()));
    let ended = decide(&Facts { run, ..after(&due, 33) });
    let later = |minutes: i64| {
        let facts = after(&ended, 0);
        decide(&Facts { now: at("2026-01-01T13:03:00Z") - Duration::from_secs(60 * minutes.unsigned_abs()), ..facts })
    };
    assert_eq!(later(5).start, None, "two machines may differ by so much");
    let back = later(60 * 24 * 400);
    assert_eq!(back.start, Some(Trigger::Schedule));
    assert_eq!(back.status.last_schedule_time, Some(Time(at("2024-11-27T13:00:00Z"))));
}

#[test]
fn a_slot_that_is_skipped_shows() {
    let due = decide(&after(&synced(), 32));
    let underway = |minutes| decide(&Facts { run: RunState::Underway(None), ..after(&due, minutes) });
    let (thirteen, fourteen) = (at("2026-01-01T13:00:00Z"), at("2026-01-01T14:00:00Z"));
    assert_eq!(due.status.last_schedule_time, Some(Time(thirteen)));
    assert_eq!((underway(60).skipped, underway(92).skipped), (None, Some(fourteen)));
    let end = |minutes| decide(&Facts { run: RunState::Ended(Ok(Summary::default())), ..after(&due, minutes) });
    let message = |decision: &Decision| find(&decision.status.conditions, SYNCED).unwrap().message.clone();
    assert_eq!((end(60).skipped, message(&end(60)).contains("skipped")), (None, false));
    let late = end(100);
    assert_eq!((late.skipped, message(&late).contains("skipped")), (Some(fourteen), true));
    assert_eq!(shown(&late), "Ready=True Synced, Verified=True Verified, Synced=True Synced");
    // It stands there until the next run ends, and is no news any more.
    let next = decide(&after(&late, 110));
    assert_eq!((next.skipped, message(&next)), (None, message(&late)));
    // A run that was asked for stands for the slots before it.
    let asked = decide(&Facts { wanted: Some(Trigger::Requested), ..after(&late, 145) });
    assert_eq!(asked.start, Some(Trigger::Requested));
    let run = RunState::Ended(Ok(Summary::default()));
    assert_eq!(decide(&Facts { run, ..after(&asked, 146) }).skipped, None);
}

#[test]
fn a_request_is_echoed_and_starts_a_run_with_a_good_verdict() {
    let good = synced();
    let requested = |observation| {
        decide(&Facts {
            requested_at: Some("now".to_owned()),
            wanted: Some(Trigger::Requested),
            observation,
            ..after(&good, 5)
        })
    };
    let decision = requested(verified());
    assert_eq!(decision.start, Some(Trigger::Requested));
    assert_eq!(decision.status.last_handled_reconcile_at.as_deref(), Some("now"));
    let decision = requested(refused(Reason::InvalidPermissions));
    assert_eq!(decision.start, None);
    assert_eq!(decision.status.last_handled_reconcile_at.as_deref(), Some("now"));
}

#[test]
fn a_run_that_met_a_passing_fault_goes_on_when_it_has_passed() {
    let claimed = decide(&fresh());
    let error = crate::destination::Error::Unavailable("full".to_owned());
    let run = RunState::Ended(Err(RunError::Destination(error)));
    let down = DestinationState::Unavailable("Full.".to_owned());
    let failed = decide(&Facts { run, destination: down.clone(), ..after(&claimed, 1) });
    assert_eq!(
        shown(&failed),
        "Ready=False DestinationUnavailable, Verified=True Verified, Synced=False SyncFailed, Reconciling=True ProgressingWithRetry"
    );
    let waiting = decide(&Facts { destination: down, ..after(&failed, 40) });
    assert_eq!(waiting.status, failed.status, "a slot that passes meanwhile is no write");
    let resumed = decide(&after(&failed, 41));
    assert_eq!((resumed.start, &resumed.status.sync), (Some(Trigger::Initial), &claimed.status.sync));
    let fault = Fault::Server { status: 503, retry_after: None };
    let run = RunState::Ended(Err(RunError::Listing(Error::Transport { request: "GET repos".to_owned(), fault })));
    let failed = decide(&Facts { run, ..after(&claimed, 1) });
    assert_eq!(failed.status.sync.as_ref().unwrap().completion_time, None, "it is not over");
}

#[test]
fn a_suspension_does_not_forget_how_the_last_run_ended() {
    let good = synced();
    let suspended = decide(&Facts { suspended: true, observation: Observation::Suspended, ..after(&good, 5) });
    assert_eq!(shown(&suspended), "Ready=True Synced, Verified=True Verified, Synced=Unknown Suspended");
    let resumed = decide(&after(&suspended, 6));
    assert_eq!(shown(&resumed), shown(&good));
    assert_eq!(resumed.start, None);
}

#[test]
fn a_request_outlives_an_outage_of_the_destination() {
    let good = synced();
    let down = DestinationState::Unavailable("Down.".to_owned());
    let requested = Facts {
        requested_at: Some("now".to_owned()),
        wanted: Some(Trigger::Requested),
        observation: verified(),
        destination: down,
        ..after(&good, 5)
    };
    let decision = decide(&requested);
    assert_eq!((decision.start, decision.status.last_handled_reconcile_at.as_deref()), (None, Some("now")));
    let back = Facts { wanted: Some(Trigger::Requested), ..after(&decision, 6) };
    assert_eq!(decide(&back).start, Some(Trigger::Requested));
}

#[test]
fn synced_speaks_of_the_earlier_spec_until_a_run_of_the_present_one_begins() {
    let good = synced();
    let generation = |decision: &Decision| find(&decision.status.conditions, SYNCED).unwrap().observed_generation;
    let edited = |wanted, transport| Facts { generation: 2, wanted, transport, ..after(&good, 5) };
    let waits = decide(&edited(Some(Trigger::SpecChange), Transport::Faulty));
    assert_eq!((waits.start, generation(&waits), waits.status.observed_generation), (None, Some(1), Some(2)));
    let begins = decide(&edited(Some(Trigger::SpecChange), Transport::Working));
    assert_eq!((begins.start, generation(&begins)), (Some(Trigger::SpecChange), Some(2)));
    // Nothing is owed where only the schedule was changed, nor for what a person asks for.
    for wanted in [None, Some(Trigger::Requested)] {
        assert_eq!(generation(&decide(&edited(wanted, Transport::Faulty))), Some(2));
    }
    assert_eq!(generation(&decide(&Facts { wanted: Some(Trigger::SpecChange), ..fresh() })), Some(1));
}
