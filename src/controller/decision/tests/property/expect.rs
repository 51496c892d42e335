//! Holds a status against the model.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::kstatus::{KStatus, kstatus};
use super::model::{Model, Sight};
use crate::api::Reason;
use crate::api::conditions::{READY, RECONCILING, STALLED, SYNCED, VERIFIED, find};
use crate::api::status::BitbucketConnectionStatus;
use crate::controller::decision::DestinationState;

/// What Ready must say: its status, and its reason where that is not Synced's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready(&'static str, Option<Reason>);

/// All is well.
pub const fn ready_true() -> Ready {
    Ready("True", None)
}

/// Ready by the order of DESIGN. `before` is what it said last.
pub fn ready(model: &Model, sight: &Sight, database: Option<&DestinationState>, before: Option<&Ready>) -> Ready {
    let no = |reason| Ready("False", Some(reason));
    if !sight.valid_schedule {
        return no(Reason::InvalidSchedule);
    }
    let visible = model.visible(sight);
    if sight.suspended {
        let stays = before.filter(|ready| ready.1 != Some(Reason::InvalidSchedule));
        return match (visible, stays) {
            (Some(_), Some(ready)) => ready.clone(),
            (Some(Reason::Verified), None) => Ready("True", None),
            (Some(reason), None) => no(reason),
            (None, _) => Ready("Unknown", Some(Reason::Suspended)),
        };
    }
    if let Some(reason) = visible.filter(|reason| *reason != Reason::Verified) {
        return no(reason);
    }
    match (visible.and(database), model.fault(sight), visible) {
        (Some(DestinationState::Invalid(_)), ..) => no(Reason::DestinationInvalid),
        (Some(DestinationState::Unavailable(_)), ..) => no(Reason::DestinationUnavailable),
        (_, Some((reason, true)), _) => no(reason),
        (.., Some(_)) => Ready("True", None),
        (_, Some((reason, false)), None) => Ready("Unknown", Some(reason)),
        (_, None, None) => Ready("Unknown", Some(Reason::Pending)),
    }
}

/// Whether Ready waits for a person.
fn stalls(Ready(status, reason): &Ready) -> Option<Reason> {
    let person = [
        Reason::InvalidCredentials,
        Reason::InvalidPermissions,
        Reason::NoResources,
        Reason::InvalidUrl,
        Reason::SecretNotFound,
        Reason::InvalidSecret,
        Reason::InvalidSchedule,
        Reason::DestinationInvalid,
    ];
    reason.filter(|reason| *status == "False" && person.contains(reason))
}

fn shown<'a>(status: &'a BitbucketConnectionStatus, type_: &str) -> Option<(&'a str, &'a str)> {
    find(&status.conditions, type_).map(|condition| (condition.status.as_str(), condition.reason.as_str()))
}

/// The conditions are those of the model, and tools understand them so.
pub fn conditions(
    model: &Model,
    sight: &Sight,
    ready: &Ready,
    generation: i64,
    before: &BitbucketConnectionStatus,
    status: &BitbucketConnectionStatus,
) {
    let Ready(truth, reason) = ready;
    let (is, why) = shown(status, READY).expect("Ready is always there");
    assert_eq!(is, *truth, "Ready is {is} {why}");
    assert!(reason.is_none_or(|reason| reason.as_str() == why), "Ready is {is} {why}, not {reason:?}");

    let visible = model.visible(sight);
    let fault = model.fault(sight);
    let verified = match visible {
        Some(Reason::Verified) => ("True", Reason::Verified),
        Some(reason) => ("False", reason),
        None if sight.suspended => ("Unknown", Reason::Suspended),
        None => ("Unknown", fault.map_or(Reason::Pending, |(reason, _)| reason)),
    };
    assert_eq!(shown(status, VERIFIED), Some((verified.0, verified.1.as_str())), "Verified");

    let synced = shown(status, SYNCED).map(|(_, reason)| reason);
    assert_eq!(synced == Some("Suspended"), sight.suspended, "Synced is Suspended as long as the spec says so");

    let stalled = stalls(ready);
    let stalled_as = stalled.map(|reason| ("True", reason.as_str()));
    assert_eq!(shown(status, STALLED), stalled_as, "Stalled has Ready's reason where a person must help");
    let observed = status.observed_generation == Some(generation);
    assert!(observed || (visible.is_none() && fault.is_some()), "only a fault without a verdict leaves a generation");
    let retries = stalled.is_none() && (!observed || (*truth == "False"));
    let retrying = retries.then_some(("True", "ProgressingWithRetry"));
    assert_eq!(shown(status, RECONCILING), retrying, "Reconciling");

    let object = serde_json::json!({"metadata": {"generation": generation}, "status": status});
    let expected = match (stalled, *truth) {
        _ if !observed => KStatus::InProgress,
        (Some(_), _) => KStatus::Failed,
        (None, "True") => KStatus::Current,
        (None, _) => KStatus::InProgress,
    };
    assert_eq!(kstatus(&object), expected, "{:?}", status.conditions);
    times(before, status);
}

/// Times move with what they are the time of.
fn times(before: &BitbucketConnectionStatus, status: &BitbucketConnectionStatus) {
    for condition in &status.conditions {
        let Some(old) = find(&before.conditions, &condition.type_) else { continue };
        let moved = |old: &Condition| condition.last_transition_time != old.last_transition_time;
        assert!(condition.status != old.status || !moved(old), "{} moved without a flip", condition.type_);
    }
    let mut alone = status.clone();
    alone.last_verified_time.clone_from(&before.last_verified_time);
    assert!(alone != *before || status == before, "lastVerifiedTime is written alone");
}
