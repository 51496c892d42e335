//! The rules of the conditions, one row a case. No cluster.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decide::{Decision, decide};
use super::facts::{DestinationState, Facts, Observation, RunState, Transport};
use super::schedule::Schedule;
use crate::api::Reason;
use crate::api::conditions::{READY, RECONCILING, STALLED, SYNCED, VERIFIED, find};
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret, Trigger};
use crate::sync::{RunError, Summary};
use crate::verification::{Identity, Negative, Outcome, Verdict};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn secret() -> RefusedSecret {
    RefusedSecret { uid: "u".to_owned(), resource_version: "7".to_owned(), url: "https://git.example.com".to_owned() }
}

fn asked(outcome: Outcome) -> Observation {
    Observation::Asked { outcome, secret: secret() }
}

fn verified() -> Observation {
    let identity = Identity { username: Some("svc".to_owned()), server_version: Some("8.19.4".to_owned()) };
    asked(Outcome::Verdict(Verdict::Verified { identity, message: "Valid.".to_owned() }))
}

fn refused(reason: Reason) -> Observation {
    let wrong_password = reason == Reason::InvalidCredentials;
    let negative = Negative { reason, message: "Refused.".to_owned(), wrong_password, identity: Identity::default() };
    asked(Outcome::Verdict(Verdict::Refused(negative)))
}

fn fault() -> Observation {
    asked(Outcome::Fault { reason: Reason::ServerUnreachable, message: "No way.".to_owned(), retry_after: None })
}

/// A new object at noon.
fn fresh() -> Facts {
    Facts {
        now: at("2026-01-01T12:30:00Z"),
        generation: 1,
        old: BitbucketConnectionStatus { observed_generation: Some(-1), ..Default::default() },
        schedule: Schedule::parse("0 * * * *", "Etc/UTC", "uid"),
        deadline: None,
        suspended: false,
        requested_at: None,
        observation: verified(),
        refused: None,
        inputs_changed: true,
        wanted: None,
        transport: Transport::Working,
        destination: DestinationState::Open,
        run: RunState::None,
    }
}

/// The same object, an hour of minutes later, after what was decided.
fn after(decision: &Decision, minutes: i64) -> Facts {
    let facts = fresh();
    Facts {
        now: facts.now + Duration::from_secs(60 * minutes.unsigned_abs()),
        old: decision.status.clone(),
        observation: Observation::Kept,
        inputs_changed: false,
        ..facts
    }
}

fn synced() -> Decision {
    let claimed = decide(&fresh());
    let run = RunState::Ended(Ok(Summary { synced: 2, commits: 10, added: 10, ..Summary::default() }));
    decide(&Facts { run, ..after(&claimed, 1) })
}

/// The conditions as `Type=Status Reason`, in the order Ready, Verified, Synced, Reconciling, Stalled.
fn shown(decision: &Decision) -> String {
    let types = [READY, VERIFIED, SYNCED, RECONCILING, STALLED];
    let found = types.iter().filter_map(|type_| find(&decision.status.conditions, type_));
    found.map(|c| format!("{}={} {}", c.type_, c.status, c.reason)).collect::<Vec<_>>().join(", ")
}

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
fn each_verdict_and_fault_has_its_conditions() {
    let rows: [(Observation, &str); 9] = [
        (refused(Reason::InvalidCredentials), "invalid_credentials"),
        (refused(Reason::InvalidPermissions), "invalid_permissions"),
        (refused(Reason::NoResources), "no_resources"),
        (refused(Reason::InvalidUrl), "InvalidURL"),
        (Observation::Unusable(Reason::SecretNotFound, "None.".to_owned()), "SecretNotFound"),
        (Observation::Unusable(Reason::InvalidSecret, "Odd.".to_owned()), "InvalidSecret"),
        (Observation::Unusable(Reason::InvalidUrl, "Odd.".to_owned()), "InvalidURL"),
        (fault(), ""),
        (Observation::Suspended, ""),
    ];
    for (observation, reason) in rows {
        let decision = decide(&Facts { observation: observation.clone(), ..fresh() });
        assert_eq!(decision.start, None);
        let expected = match &observation {
            Observation::Suspended => {
                "Ready=Unknown Suspended, Verified=Unknown Suspended, Synced=Unknown Pending".to_owned()
            }
            _ if reason.is_empty() => "Ready=Unknown ServerUnreachable, Verified=Unknown ServerUnreachable, \
                 Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
                .to_owned(),
            _ => {
                format!("Ready=False {reason}, Verified=False {reason}, Synced=Unknown Pending, Stalled=True {reason}")
            }
        };
        assert_eq!(shown(&decision), expected);
        let generation = if expected.contains("Reconciling") { -1 } else { 1 };
        assert_eq!(decision.status.observed_generation, Some(generation), "{expected}");
        assert_eq!(decision.status.next_schedule_time, None);
    }
}

#[test]
fn an_invalid_schedule_is_said_before_anything_else() {
    let schedule = Schedule::parse("hourly", "Etc/UTC", "uid");
    let decision = decide(&Facts { schedule, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False InvalidSchedule, Verified=True Verified, Synced=Unknown Pending, Stalled=True InvalidSchedule"
    );
    assert_eq!(decision.start, None);
}

#[test]
fn the_destinations_faults_are_told_apart() {
    let unavailable = DestinationState::Unavailable("Full.".to_owned());
    let decision = decide(&Facts { destination: unavailable, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False DestinationUnavailable, Verified=True Verified, Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(decision.start, None);
    let invalid = DestinationState::Invalid("Newer.".to_owned());
    let decision = decide(&Facts { destination: invalid, ..fresh() });
    assert_eq!(
        shown(&decision),
        "Ready=False DestinationInvalid, Verified=True Verified, Synced=Unknown Pending, Stalled=True DestinationInvalid"
    );
}

#[test]
fn a_fault_is_kept_quiet_until_the_grace_is_over() {
    let good = synced();
    let quiet = decide(&Facts { observation: fault(), transport: Transport::Faulty, ..after(&good, 10) });
    assert_eq!(quiet.status, good.status);
    let loud = decide(&Facts { observation: fault(), transport: Transport::FaultyTooLong, ..after(&good, 40) });
    assert_eq!(
        shown(&loud),
        "Ready=False ServerUnreachable, Verified=True Verified, Synced=True Synced, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(loud.start, None, "no run while the server cannot be reached");
    let between = decide(&Facts { transport: Transport::FaultyTooLong, ..after(&loud, 41) });
    assert_eq!(shown(&between), shown(&loud), "nothing flaps between two tries");
    let back = decide(&Facts { observation: verified(), ..after(&loud, 25) });
    assert_eq!(shown(&back), "Ready=True Synced, Verified=True Verified, Synced=True Synced");
}

#[test]
fn other_inputs_make_the_verdict_unknown_until_there_is_an_answer() {
    let bad = decide(&Facts { observation: refused(Reason::NoResources), ..fresh() });
    let edited = Facts { observation: fault(), inputs_changed: true, generation: 2, ..after(&bad, 1) };
    let decision = decide(&Facts { transport: Transport::Faulty, ..edited });
    assert_eq!(
        shown(&decision),
        "Ready=Unknown ServerUnreachable, Verified=Unknown ServerUnreachable, Synced=Unknown Pending, Reconciling=True ProgressingWithRetry"
    );
    assert_eq!(decision.status.observed_generation, Some(1), "the new generation has no verdict yet");
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
    assert!(find(&inaccessible.status.conditions, SYNCED).unwrap().message.contains("P/x"));
    assert_eq!(inaccessible.status.last_successful_time, now);

    let broken = end(Err(RunError::Broken));
    assert_eq!(shown(&broken), "Ready=True SyncFailed, Verified=True Verified, Synced=False SyncFailed");
    assert!(broken.status.sync.as_ref().unwrap().completion_time.is_some());
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
fn a_slot_is_claimed_once() {
    let good = synced();
    assert_eq!(decide(&after(&good, 29)).start, None);
    let due = decide(&after(&good, 32));
    assert_eq!(due.start, Some(Trigger::Schedule));
    assert_eq!(due.status.last_schedule_time, Some(Time(at("2026-01-01T13:00:00Z"))));
    assert_eq!(due.status.next_schedule_time, Some(Time(at("2026-01-01T14:00:00Z"))));
    // The run ends after the next slot, which was skipped and is never made up for.
    let run = RunState::Ended(Ok(Summary::default()));
    let ended = decide(&Facts { run, ..after(&due, 100) });
    assert_eq!(ended.start, None);
    assert_eq!(decide(&after(&ended, 101)).start, None);
    assert_eq!(decide(&after(&ended, 152)).start, Some(Trigger::Schedule));
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
fn nothing_new_is_no_change() {
    let good = synced();
    for minutes in [2, 10, 29] {
        assert_eq!(decide(&after(&good, minutes)).status, good.status);
        let again = Facts { observation: verified(), ..after(&good, minutes) };
        assert_eq!(decide(&again).status, good.status, "the time of a verification is never written alone");
    }
    let bad = decide(&Facts { observation: refused(Reason::NoResources), ..fresh() });
    let again = Facts { observation: refused(Reason::NoResources), ..after(&bad, 600) };
    assert_eq!(decide(&again).status, bad.status);
}

#[test]
fn remote_text_is_cleaned() {
    let identity = Identity { username: Some(format!("a\u{1b}[31m{}", "x".repeat(300))), server_version: None };
    let verdict = Verdict::Verified { identity, message: "Valid.".to_owned() };
    let decision = decide(&Facts { observation: asked(Outcome::Verdict(verdict)), ..fresh() });
    let username = decision.status.username.unwrap();
    assert_eq!((username.chars().count(), username.contains('\u{1b}')), (128, false));
}

#[test]
fn a_refused_secret_is_written_down_as_it_is_now() {
    let bad = decide(&Facts { observation: refused(Reason::InvalidCredentials), refused: Some(secret()), ..fresh() });
    assert_eq!(bad.status.refused_secret, Some(secret()));
    let labelled = RefusedSecret { resource_version: "8".to_owned(), ..secret() };
    let again = decide(&Facts { refused: Some(labelled.clone()), ..after(&bad, 5) });
    assert_eq!(again.status, BitbucketConnectionStatus { refused_secret: Some(labelled), ..bad.status.clone() });
    // A fault says nothing about the password.
    let faulty = decide(&Facts { observation: fault(), transport: Transport::Faulty, ..after(&bad, 5) });
    assert_eq!(faulty.status.refused_secret, Some(secret()));
    let good = decide(&Facts { observation: verified(), inputs_changed: true, ..after(&bad, 6) });
    assert_eq!(good.status.refused_secret, None);
}

#[test]
fn between_two_tries_everything_stays_as_it_was_said() {
    let first = decide(&Facts { observation: fault(), transport: Transport::Faulty, generation: 2, ..fresh() });
    let between = Facts { transport: Transport::Faulty, inputs_changed: true, generation: 2, ..after(&first, 1) };
    assert_eq!(decide(&between).status, first.status);
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
