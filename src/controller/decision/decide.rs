//! From what was learned to the next status, and to what is done next. Pure: all rules of the conditions are
//! in this file and in `slots`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::{DestinationState, Facts, Observation, RunState, Transport};
use super::outcome::{self, count};
use super::slots;
use crate::api::Reason;
use crate::api::conditions::{self, READY, RECONCILING, STALLED, SYNCED, State, Truth, VERIFIED};
use crate::api::status::{BitbucketConnectionStatus, Progress, Trigger};
use crate::verification::{Negative, Outcome, Verdict};

/// What is written and done.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The next status; written only where it differs from the old one.
    pub status: BitbucketConnectionStatus,
    /// The run to start once the status is written.
    pub start: Option<Trigger>,
    /// The latest slot that is skipped, because a run is still going.
    pub skipped: Option<Timestamp>,
}

/// The decision.
pub fn decide(facts: &Facts) -> Decision {
    let mut status = facts.old.clone();
    let verified = verified(facts);
    note_verdict(facts, &mut status);
    if let Some(refused) = &facts.refused {
        status.refused_secret = Some(refused.clone());
    }
    status.resting_secret.clone_from(&facts.resting);
    if let RunState::Ended(result) = &facts.run {
        outcome::complete(result, facts.now, &mut status);
    }
    if facts.requested_at.is_some() {
        status.last_handled_reconcile_at.clone_from(&facts.requested_at);
    }
    let ended = slots::synced(facts, &status);
    let start = slots::start(facts, verified.truth, &mut status);
    status.progress = match &facts.run {
        RunState::Underway(Some((done, total, commits))) => Some(progress(*done, *total, *commits)),
        RunState::Underway(None) => status.progress,
        _ => None,
    };
    let synced = ended.or_else(|| conditions::state(&status.conditions, SYNCED)).unwrap_or_else(slots::pending);
    let ready = ready(facts, &verified, &synced, &status);
    let awaiting = awaits_verdict(facts);
    let stalled = waits_for_a_person(ready.reason);
    let retrying = !stalled && (awaiting || (ready.truth == Truth::False && passes_by_itself(ready.reason)));

    let mut set_of = |generation, type_: &str, state: &State| {
        conditions::set(&mut status.conditions, type_, state, generation, facts.now);
    };
    set_of(facts.generation, READY, &ready);
    set_of(facts.generation, VERIFIED, &verified);
    set_of(slots::synced_generation(facts, start), SYNCED, &synced);
    let mut set = |type_: &str, state: &State| set_of(facts.generation, type_, state);
    if stalled {
        set(STALLED, &State::new(Truth::True, ready.reason, ready.message.clone()));
    }
    if retrying {
        set(RECONCILING, &State::new(Truth::True, Reason::ProgressingWithRetry, ready.message.clone()));
    }
    if !stalled {
        conditions::remove(&mut status.conditions, STALLED);
    }
    if !retrying {
        conditions::remove(&mut status.conditions, RECONCILING);
    }
    if !awaiting {
        status.observed_generation = Some(facts.generation);
    }
    slots::show_next(facts, verified.truth, &mut status);
    keep_time(facts, &mut status);
    Decision { status, start, skipped: slots::skipped(facts) }
}

/// The verdict.
pub(super) fn verified(facts: &Facts) -> State {
    let unknown = |reason, message: &str| State::new(Truth::Unknown, reason, message);
    let kept = conditions::state(&facts.old.conditions, VERIFIED).filter(|_| !facts.inputs_changed);
    let verdict = kept.clone().filter(|state| state.truth != Truth::Unknown);
    match &facts.observation {
        Observation::Kept => {
            kept.unwrap_or_else(|| unknown(Reason::Pending, "The credentials have not been verified yet."))
        }
        Observation::Suspended => verdict.unwrap_or_else(|| {
            unknown(
                Reason::Suspended,
                "Nothing is asked while spec.suspend is true. Set it to false to verify and sync.",
            )
        }),
        Observation::Unusable(reason, message) => State::new(Truth::False, *reason, message),
        // A verdict is never lost to a fault; one that was never reached, or of other inputs, is unknown.
        Observation::Asked { outcome: Outcome::Fault { reason, message, .. } } => {
            verdict.unwrap_or_else(|| unknown(*reason, message))
        }
        Observation::Asked { outcome: Outcome::Verdict(Verdict::Verified { message, .. }) } => {
            State::new(Truth::True, Reason::Verified, message)
        }
        Observation::Asked { outcome: Outcome::Verdict(Verdict::Refused(negative)) } => {
            State::new(Truth::False, negative.reason, &negative.message)
        }
    }
}

/// What goes with a verdict into the status.
fn note_verdict(facts: &Facts, status: &mut BitbucketConnectionStatus) {
    let Observation::Asked { outcome: Outcome::Verdict(verdict) } = &facts.observation else { return };
    let (Verdict::Verified { identity, .. } | Verdict::Refused(Negative { identity, .. })) = verdict;
    // Set again, where this verdict is that the password is wrong.
    status.refused_secret = None;
    if let Some(username) = &identity.username {
        status.username = Some(clean(username));
    }
    if let Some(version) = &identity.server_version {
        status.server_version = Some(clean(version));
    }
    status.last_verified_time = Some(Time(facts.now));
}

/// Ready takes the first that applies.
fn ready(facts: &Facts, verified: &State, synced: &State, status: &BitbucketConnectionStatus) -> State {
    if let Err(message) = &facts.schedule {
        return State::new(Truth::False, Reason::InvalidSchedule, message);
    }
    if facts.suspended
        && verified.truth != Truth::Unknown
        && let Some(ready) =
            conditions::state(&status.conditions, READY).filter(|ready| ready.reason != Reason::InvalidSchedule)
    {
        return ready;
    }
    if verified.truth == Truth::False {
        return verified.clone();
    }
    match &facts.destination {
        DestinationState::Invalid(message) => return State::new(Truth::False, Reason::DestinationInvalid, message),
        DestinationState::Unavailable(message) => {
            return State::new(Truth::False, Reason::DestinationUnavailable, message);
        }
        DestinationState::Open | DestinationState::NotAsked => {}
    }
    match &facts.observation {
        Observation::Asked { outcome: Outcome::Fault { reason, message, .. } }
            if facts.transport == Transport::FaultyTooLong =>
        {
            State::new(Truth::False, *reason, message)
        }
        _ if verified.truth == Truth::Unknown => verified.clone(),
        _ if synced.reason == Reason::Pending => verified.clone(),
        _ => State::new(Truth::True, synced.reason, &synced.message),
    }
}

/// Whether a new generation's url or reference still has no verdict, because the way to it was broken.
fn awaits_verdict(facts: &Facts) -> bool {
    let fault = matches!(&facts.observation, Observation::Asked { outcome: Outcome::Fault { .. } });
    fault && facts.inputs_changed && facts.old.observed_generation != Some(facts.generation)
}

const fn passes_by_itself(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ServerUnreachable
            | Reason::TlsFailure
            | Reason::RateLimited
            | Reason::ServerError
            | Reason::ProxyRefused
            | Reason::UnexpectedAnswer
            | Reason::DestinationUnavailable
    )
}

const fn waits_for_a_person(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InvalidCredentials
            | Reason::InvalidPermissions
            | Reason::NoResources
            | Reason::InvalidUrl
            | Reason::SecretNotFound
            | Reason::InvalidSecret
            | Reason::InvalidSchedule
            | Reason::DestinationInvalid
    )
}

/// `lastVerifiedTime` is written together with another change, never alone.
fn keep_time(facts: &Facts, status: &mut BitbucketConnectionStatus) {
    let mut alone = status.clone();
    alone.last_verified_time.clone_from(&facts.old.last_verified_time);
    if alone == facts.old {
        *status = alone;
    }
}

fn progress(done: u64, total: u64, commits: u64) -> Progress {
    Progress { repositories_done: count(done), repositories_total: count(total), commits: count(commits) }
}

/// Remote text, fit for a status: short and without control characters.
fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(128).collect()
}
