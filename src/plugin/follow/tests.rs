//! What a request has come to, for each state that the operator can leave.

use serde_json::{Value, json};

use super::{Follow, Goal, Step};
use crate::api::{BitbucketConnection, REQUESTED_AT, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const ASKED: &str = "2026-01-01T12:00:00Z";

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": format!("{reason}."), "lastTransitionTime": ASKED})
}

/// A run of a trigger that began at a minute of the first hour, and may have ended.
fn ran(trigger: &str, minute: u8, ended: bool) -> Value {
    let end = ended.then(|| json!({"completionTime": format!("2026-01-01T12:{minute:02}:59Z"), "commitsAdded": 3}));
    let mut run = json!({"trigger": trigger, "startTime": format!("2026-01-01T12:{minute:02}:00Z")});
    run.as_object_mut().unwrap().extend(end.iter().flat_map(|end| end.as_object().unwrap().clone()));
    run
}

/// `handled` is whether the request was answered; `verified` and `ready` are status and reason.
fn object(
    handled: bool,
    verified: (&str, &str),
    ready: (&str, &str),
    synced: &str,
    sync: Option<Value>,
) -> BitbucketConnection {
    let answered = if handled { ASKED } else { "before" };
    let now = if handled { "2026-01-01T12:00:05Z" } else { "2026-01-01T11:00:00Z" };
    let mut status = json!({
        "conditions": [condition("Verified", verified.0, verified.1), condition("Ready", ready.0, ready.1), condition("Synced", "Unknown", synced)],
        "lastHandledReconcileAt": answered, "lastVerifiedTime": now
    });
    if let Some(sync) = sync {
        status["sync"] = sync;
    }
    serde_json::from_value(json!({
        "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection",
        "metadata": {"name": "a", "uid": "1", "annotations": {REQUESTED_AT: ASKED}},
        "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}}, "status": status
    }))
    .unwrap()
}

const GOOD: (&str, &str) = ("True", "Verified");
const READY: (&str, &str) = ("True", "Synced");

fn follow(goal: Goal, before: Option<Value>) -> Follow {
    let object = object(false, GOOD, READY, "Synced", before);
    Follow::new(goal, &object, ASKED.parse().unwrap())
}

fn ends(step: &Step) -> Option<Reason> {
    if let Step::End(reason, _) = step { Some(*reason) } else { None }
}

#[test]
fn a_verdict_is_the_end_of_verify() {
    for (verified, ready, reason) in [
        (GOOD, READY, Reason::Verified),
        (GOOD, ("False", "DestinationInvalid"), Reason::Verified),
        (GOOD, ("False", "InvalidSchedule"), Reason::Verified),
        (("False", "invalid_credentials"), ("False", "invalid_credentials"), Reason::InvalidCredentials),
        (("False", "no_resources"), ("False", "no_resources"), Reason::NoResources),
        (("False", "SecretNotFound"), ("False", "SecretNotFound"), Reason::SecretNotFound),
        (("Unknown", "ServerUnreachable"), ("Unknown", "ServerUnreachable"), Reason::ServerUnreachable),
    ] {
        for goal in [Goal::Verdict, Goal::Sync] {
            let mut follow = follow(goal, Some(ran("Schedule", 0, true)));
            assert_eq!(ends(&follow.look(Some(&object(false, verified, ready, "Synced", None)))), None, "not yet");
            let step = follow.look(Some(&object(true, verified, ready, "Synced", Some(ran("Schedule", 0, true)))));
            let in_the_way = goal == Goal::Sync && ready.0 == "False" && verified == GOOD;
            let expected = match goal {
                Goal::Sync if in_the_way => Reason::parse(ready.1),
                Goal::Sync if verified == GOOD => None,
                _ => Some(reason),
            };
            assert_eq!(ends(&step), expected, "{goal:?} {verified:?} {ready:?}");
        }
    }
}

#[test]
fn a_verdict_that_is_kept_because_of_a_fault_is_none() {
    for (verified, ready, expected) in [
        (GOOD, READY, Reason::ServerUnreachable),
        (("False", "no_resources"), ("False", "no_resources"), Reason::ServerUnreachable),
        (GOOD, ("False", "TLSFailure"), Reason::TlsFailure),
    ] {
        for goal in [Goal::Verdict, Goal::Sync] {
            let mut kept = object(true, verified, ready, "Synced", Some(ran("Schedule", 0, true)));
            let before = object(false, verified, ready, "Synced", Some(ran("Schedule", 0, true)));
            kept.status.as_mut().unwrap().last_verified_time =
                before.status.as_ref().unwrap().last_verified_time.clone();
            let mut follow = Follow::new(goal, &before, ASKED.parse().unwrap());
            assert_eq!(ends(&follow.look(Some(&kept))), Some(expected), "{goal:?} {verified:?}");
        }
    }
}

#[test]
fn the_run_that_answers_is_told_from_others() {
    let look = |follow: &mut Follow, run: Value, synced: &str| {
        ends(&follow.look(Some(&object(true, GOOD, READY, synced, Some(run)))))
    };
    // Claimed in the write that answers, whatever it is called, also in the second in which the one before began.
    for trigger in ["Requested", "Initial", "SpecChange"] {
        for minute in [0, 5] {
            let mut follow = follow(Goal::Sync, Some(ran("Schedule", 0, true)));
            assert_eq!(look(&mut follow, ran(trigger, minute, false), "Synced"), None, "{trigger}");
            assert_eq!(look(&mut follow, ran(trigger, minute, true), "SyncIncomplete"), Some(Reason::SyncIncomplete));
        }
        let mut fresh = follow(Goal::Sync, None);
        assert_eq!(
            look(&mut fresh, ran(trigger, 5, true), "Synced"),
            Some(Reason::Synced),
            "it was too quick to be seen"
        );
    }
    // One that was under way began too early.
    let mut follow_up = follow(Goal::Sync, Some(ran("Initial", 0, false)));
    for run in [ran("Initial", 0, false), ran("Initial", 0, true), ran("Requested", 5, false)] {
        assert_eq!(look(&mut follow_up, run, "Synced"), None);
    }
    assert_eq!(look(&mut follow_up, ran("Requested", 5, true), "Synced"), Some(Reason::Synced));
    let mut at_once = follow(Goal::Sync, Some(ran("Requested", 0, false)));
    for run in [ran("Requested", 0, false), ran("Requested", 0, true), ran("Requested", 0, false)] {
        assert_eq!(look(&mut at_once, run, "Synced"), None, "both within a second");
    }
    assert_eq!(look(&mut at_once, ran("Requested", 0, true), "Synced"), Some(Reason::Synced));
    let mut unseen = follow(Goal::Sync, Some(ran("Initial", 0, false)));
    assert_eq!(look(&mut unseen, ran("Requested", 0, true), "Synced"), Some(Reason::Synced));
    // So did one of the schedule.
    let mut scheduled = follow(Goal::Sync, Some(ran("Schedule", 0, true)));
    assert_eq!(look(&mut scheduled, ran("Schedule", 3, false), "Synced"), None);
    assert_eq!(look(&mut scheduled, ran("Schedule", 3, true), "Synced"), None);
    assert_eq!(look(&mut scheduled, ran("Requested", 5, true), "Synced"), Some(Reason::Synced));
    // Another one takes the place of the own one.
    let mut changed = follow(Goal::Sync, Some(ran("Schedule", 0, true)));
    assert_eq!(look(&mut changed, ran("Requested", 5, false), "Synced"), None);
    assert_eq!(look(&mut changed, ran("SpecChange", 6, false), "Synced"), None);
    assert_eq!(look(&mut changed, ran("SpecChange", 6, true), "SyncFailed"), Some(Reason::SyncFailed));
    let mut verdict = follow(Goal::Sync, Some(ran("Schedule", 0, true)));
    assert_eq!(look(&mut verdict, ran("Requested", 5, false), "Synced"), None);
    let refused = ("False", "invalid_credentials");
    let object = object(true, refused, refused, "SyncFailed", Some(ran("Requested", 5, true)));
    assert_eq!(ends(&verdict.look(Some(&object))), Some(Reason::InvalidCredentials));
}

#[test]
fn what_can_never_be_answered_is_an_end() {
    let mut follow = follow(Goal::Sync, None);
    assert_eq!(ends(&follow.look(None)), Some(Reason::SyncFailed));
    let there = object(false, GOOD, READY, "Synced", None);
    let mut another = there.clone();
    another.metadata.uid = Some("2".to_owned());
    assert_eq!(ends(&follow.look(Some(&another))), Some(Reason::SyncFailed));
    let mut going = there.clone();
    going.metadata.deletion_timestamp = Some(Time(ASKED.parse().unwrap()));
    assert_eq!(ends(&follow.look(Some(&going))), Some(Reason::SyncFailed));
    let mut suspended = there;
    suspended.spec.suspend = true;
    assert_eq!(ends(&follow.look(Some(&suspended))), Some(Reason::Suspended));
}

#[test]
fn a_request_of_somebody_else_answers_too() {
    let mut later = object(true, GOOD, READY, "Synced", None);
    let annotations = later.metadata.annotations.as_mut().unwrap();
    annotations.insert(REQUESTED_AT.to_owned(), "later".to_owned());
    let mut first = follow(Goal::Verdict, None);
    assert_eq!(ends(&first.look(Some(&later))), Some(Reason::Verified), "the own one was answered before");
    later.status.as_mut().unwrap().last_handled_reconcile_at = Some("later".to_owned());
    assert_eq!(ends(&follow(Goal::Verdict, None).look(Some(&later))), Some(Reason::Verified));
}
