//! Whether a sync run is started, and how the last one shows in Synced. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::{DestinationState, Facts, RunState, Transport};
use crate::api::Reason;
use crate::api::conditions::{self, SYNCED, State, Truth};
use crate::api::status::{BitbucketConnectionStatus, SyncStatus, Trigger};
use crate::sync::RunError;

/// Clocks of two machines differ by less.
const SKEW: Duration = Duration::from_mins(5);

/// So many inaccessible repositories are named in the message.
const PATHS_SHOWN: usize = 10;

/// Starts a run, if one is due: claims it in the status, so that it runs once. A run that was claimed and has
/// not ended is taken up again without a new claim.
pub(super) fn start(facts: &Facts, verified: Truth, status: &mut BitbucketConnectionStatus) -> Option<Trigger> {
    let Ok(schedule) = &facts.schedule else { return None };
    let open = facts.destination == DestinationState::Open;
    let able = verified == Truth::True && open && facts.transport == Transport::Working;
    if facts.suspended || !able || matches!(facts.run, RunState::Underway(_)) {
        return None;
    }
    let slot = schedule.due(facts.now, &done(status, facts.now), facts.deadline);
    let trigger = match &status.sync {
        None => Trigger::Initial,
        Some(sync) => match facts.wanted {
            Some(wanted) => wanted,
            None if sync.completion_time.is_none() => return Some(sync.trigger),
            None if slot.is_some() => Trigger::Schedule,
            None => return None,
        },
    };
    // Whatever starts the run, it stands for every slot up to now.
    if let Some(slot) = slot.filter(|_| trigger == Trigger::Schedule) {
        status.last_schedule_time = Some(Time(slot));
    }
    status.sync = Some(SyncStatus {
        trigger,
        start_time: Time(facts.now),
        completion_time: None,
        commits_added: None,
        commits_removed: None,
        // The table keeps the last run's numbers in view until this one has its own.
        commits: status.sync.as_ref().and_then(|sync| sync.commits),
        repositories: status.sync.as_ref().and_then(|sync| sync.repositories),
        failures: Vec::new(),
    });
    Some(trigger)
}

/// The generation that Synced speaks of: an earlier one, as long as a run of the present one is owed. A process that
/// begins meanwhile knows it by that.
pub(super) fn synced_generation(facts: &Facts, start: Option<Trigger>) -> i64 {
    let before = conditions::find(&facts.old.conditions, SYNCED).and_then(|synced| synced.observed_generation);
    let owed = facts.wanted == Some(Trigger::SpecChange) && start.is_none();
    before.filter(|_| owed).unwrap_or(facts.generation)
}

/// The latest slot that came due during the run that is under way, or was until now. It is not made up for.
pub(super) fn skipped(facts: &Facts) -> Option<Timestamp> {
    let (Ok(schedule), Some(sync)) = (&facts.schedule, &facts.old.sync) else { return None };
    if facts.suspended || matches!(facts.run, RunState::None) || sync.completion_time.is_some() {
        return None;
    }
    // While nobody was at work on it, it was not the run that was in the way.
    let begun = facts.run_since.into_iter().chain([sync.start_time.0]);
    let done = done(&facts.old, facts.now).into_iter().chain(begun).collect::<Vec<_>>();
    schedule.due(facts.now, &done, None)
}

/// Whether a database that last saw the end of a run at this time has lost the one that the status tells of: it was made anew, or
/// from an older copy, or it is another one.
pub(super) fn has_lost(status: &BitbucketConnectionStatus, checked_at: Option<Timestamp>) -> bool {
    let Some(sync) = status.sync.as_ref().filter(|sync| sync.completion_time.is_some()) else { return false };
    let synced = conditions::state(&status.conditions, SYNCED);
    let whole = synced.is_some_and(|synced| matches!(synced.reason, Reason::Synced | Reason::SyncIncomplete));
    match checked_at {
        None => whole || status.last_successful_time.is_some(),
        Some(at) => whole && at < sync.start_time.0 - SKEW,
    }
}

/// Slots up to here are done with. What is yet to come was written by a clock that was wrong: it must not hold up all slots
/// until then, and one run too many does no harm.
fn done(status: &BitbucketConnectionStatus, now: Timestamp) -> Vec<Timestamp> {
    let ended = status.sync.as_ref().and_then(|sync| sync.completion_time.as_ref());
    status.last_schedule_time.iter().chain(ended).map(|time| time.0).filter(|time| *time <= now + SKEW).collect()
}

/// Shows the next slot only while it would be run: otherwise each passing slot would be a write for nothing.
pub(super) fn show_next(facts: &Facts, verified: Truth, status: &mut BitbucketConnectionStatus) {
    let open = facts.destination == DestinationState::Open && facts.transport == Transport::Working;
    status.next_schedule_time = match &facts.schedule {
        Ok(schedule) if verified == Truth::True && !facts.suspended && open => schedule.upcoming(facts.now).map(Time),
        // During an outage what was shown stays.
        Ok(_) if verified == Truth::True && !facts.suspended => status.next_schedule_time.take(),
        _ => None,
    };
}

/// Synced, where this reconcile changes it.
pub(super) fn synced(facts: &Facts, status: &BitbucketConnectionStatus) -> Option<State> {
    let result = match &facts.run {
        _ if facts.suspended => return Some(suspended_state()),
        RunState::Ended(result) if !matches!(result, Err(RunError::Stopped)) => result,
        _ if conditions::state(&status.conditions, SYNCED)?.reason == Reason::Suspended => {
            return Some(last_run(status));
        }
        _ => return None,
    };
    Some(match result {
        Err(error) => {
            let message = format!("The last run ended early: {error}. What is stored stays; the next run goes on.");
            State::new(Truth::False, Reason::SyncFailed, message)
        }
        Ok(summary) if !summary.failed.is_empty() => incomplete(),
        Ok(summary) if !summary.inaccessible.is_empty() => {
            let message = format!(
                "Every readable repository's commits are complete. Not readable for this account: {}. Ask a Bitbucket admin for Repository read, or leave them out in spec.import.",
                paths(&summary.inaccessible)
            );
            State::new(Truth::True, Reason::Synced, message)
        }
        Ok(_) if skipped(facts).is_some() => State::new(
            Truth::True,
            Reason::Synced,
            "Every repository's commits are complete; a slot of spec.schedule came due during the run and was skipped. Sync less often, or ask a Bitbucket admin for a larger request budget for the account.",
        ),
        Ok(_) => complete(),
    })
}

/// Synced after a suspension, as far as the status still tells how the last run ended.
fn last_run(status: &BitbucketConnectionStatus) -> State {
    let ended = status.sync.as_ref().and_then(|sync| sync.completion_time.as_ref());
    match (&status.sync, ended) {
        (Some(sync), Some(_)) if !sync.failures.is_empty() => incomplete(),
        (Some(_), Some(ended)) if status.last_successful_time.as_ref() == Some(ended) => complete(),
        (Some(_), Some(_)) => State::new(
            Truth::False,
            Reason::SyncFailed,
            "The last run ended early. What is stored stays; the next run goes on.",
        ),
        _ => pending(),
    }
}

fn complete() -> State {
    State::new(Truth::True, Reason::Synced, "Every repository's commits are complete.")
}

fn incomplete() -> State {
    State::new(
        Truth::False,
        Reason::SyncIncomplete,
        "Some repositories were left behind; the others are complete. See status.sync.failures for which and why; the next run tries them again.",
    )
}

/// Synced before any run has ended.
pub(super) fn pending() -> State {
    State::new(Truth::Unknown, Reason::Pending, "No sync run has ended yet.")
}

fn suspended_state() -> State {
    State::new(
        Truth::Unknown,
        Reason::Suspended,
        "Nothing is synced while spec.suspend is true. Set it to false to go on.",
    )
}

fn paths(paths: &[String]) -> String {
    let shown = paths.iter().take(PATHS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if paths.len() > PATHS_SHOWN { format!("{shown} and others") } else { shown }
}
