//! What has become of a request to verify or sync, told from the object alone. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::describe::{numbers, so_far};
use crate::api::conditions::{self, READY, SYNCED, State, Truth, VERIFIED};
use crate::api::status::{BitbucketConnectionStatus, SyncStatus, Trigger};
use crate::api::{BitbucketConnection, REQUESTED_AT, Reason};

/// Times in a status are whole seconds, by the operator's clock.
const LATELY: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The verdict on the credentials.
    Verdict,
    /// The end of the sync run that follows it.
    Sync,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not at the end: what is going on.
    Wait(String),
    /// At the end: the reason that stands for it, and a sentence.
    End(Reason, String),
}

/// A run, as far as it can be told from others: two may begin within a second.
type Began = (Time, Trigger);

/// A request, from when it was made until its end.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    goal: Goal,
    /// The object's uid: another one of the same name is not waited for.
    uid: Option<String>,
    /// The value of the annotation.
    request: Option<String>,
    /// Whether it was answered.
    handled: bool,
    /// The run that there was, and whether it has ended.
    before: Option<(Began, bool)>,
    /// The run that answers, once it has begun.
    own: Option<Began>,
    /// When the verdict before was reached, unless that was so lately that the next one may have the same time.
    verified: Option<Time>,
}

impl Follow {
    /// `object` is as it was when the request was put into it.
    pub fn new(goal: Goal, object: &BitbucketConnection, now: Timestamp) -> Self {
        let status = object.status.as_ref();
        let verified = status.and_then(|status| status.last_verified_time.clone());
        Self {
            goal,
            uid: object.uid(),
            request: object.annotations().get(REQUESTED_AT).cloned(),
            handled: false,
            before: status.and_then(|status| status.sync.as_ref()).map(run),
            own: None,
            verified: verified.filter(|time| now.duration_since(time.0).unsigned_abs() > LATELY),
        }
    }

    /// Whether the operator has verified, as it was asked to.
    pub const fn is_answered(&self) -> bool {
        self.handled
    }

    /// What the object says of it now; None, where it is gone.
    pub fn look(&mut self, object: Option<&BitbucketConnection>) -> Step {
        let Some(object) = object.filter(|object| object.uid() == self.uid) else {
            return end(Reason::SyncFailed, "The connection was deleted.");
        };
        if object.metadata.deletion_timestamp.is_some() {
            return end(Reason::SyncFailed, "The connection is being deleted.");
        }
        if object.spec.suspend {
            let text = "The connection is suspended. `kubectl bitbucket resume` lets it go on; then it is verified.";
            return end(Reason::Suspended, text);
        }
        let empty = BitbucketConnectionStatus::default();
        let status = object.status.as_ref().unwrap_or(&empty);
        // A person who has asked later has taken this one's place: what comes of that is an answer to both.
        let asked = object.annotations().get(REQUESTED_AT);
        let answered = status.last_handled_reconcile_at.as_ref();
        self.handled |= answered.is_some() && (answered == self.request.as_ref() || answered == asked);
        if !self.handled {
            return Step::Wait(match &status.progress {
                Some(_) => format!("a run is under way: {}", so_far(status)),
                None => "waiting for the operator's verdict".to_owned(),
            });
        }
        let of = |type_: &str| conditions::state(&status.conditions, type_);
        let Some(verified) = of(VERIFIED) else { return Step::Wait("waiting for the operator's verdict".to_owned()) };
        let ready = of(READY).filter(|ready| ready.truth == Truth::False);
        if self.own.is_none() && self.is_kept(status, verified.reason) {
            return ready.filter(|ready| ready.reason != verified.reason).map_or_else(
                || {
                    end(
                        Reason::ServerUnreachable,
                        "Bitbucket could not be asked just now, so the verdict before stands. It is tried again by itself; the operator's log says what is wrong.",
                    )
                },
                State::into,
            );
        }
        match (verified.truth, self.goal, ready) {
            // The run is not begun, or has failed for it.
            (Truth::True, Goal::Sync, Some(ready)) => ready.into(),
            (Truth::True, Goal::Sync, None) => self.run(status, of(SYNCED)),
            _ => verified.into(),
        }
    }

    /// Whether a verdict is the one before: it outlasts what is wrong with the way for a while. What is said of Secrets is said without
    /// Bitbucket.
    fn is_kept(&self, status: &BitbucketConnectionStatus, reason: Reason) -> bool {
        let asked = matches!(
            reason,
            Reason::Verified | Reason::InvalidCredentials | Reason::InvalidPermissions | Reason::NoResources
        );
        asked && self.verified.is_some() && status.last_verified_time == self.verified
    }

    fn run(&mut self, status: &BitbucketConnectionStatus, synced: Option<State>) -> Step {
        let Some(sync) = &status.sync else { return Step::Wait("waiting for the run to begin".to_owned()) };
        let (began, ended) = run(sync);
        // One of the schedule, or one that went on already, began too early for what is asked for: another one follows it.
        let earlier = match &mut self.before {
            Some((before, over)) if began == *before => {
                let same = !*over || ended;
                *over |= ended;
                same
            }
            _ => false,
        };
        let too_early = earlier || sync.trigger == Trigger::Schedule;
        if too_early && self.own.is_none() {
            return Step::Wait(if ended {
                "waiting for the run to begin".to_owned()
            } else {
                format!("waiting for the end of the run that is under way: {}", so_far(status))
            });
        }
        // Where another one takes its place, because the spec was changed or the operator started anew, it is that one.
        self.own = Some(began);
        match synced.filter(|_| ended) {
            Some(State { reason, message, .. }) => Step::End(reason, format!("{message}{}", numbers(sync))),
            None => Step::Wait(so_far(status)),
        }
    }
}

/// When and why a run began, and whether it has ended.
fn run(sync: &SyncStatus) -> (Began, bool) {
    ((sync.start_time.clone(), sync.trigger), sync.completion_time.is_some())
}

fn end(reason: Reason, message: &str) -> Step {
    Step::End(reason, message.to_owned())
}

impl From<State> for Step {
    fn from(State { reason, message, .. }: State) -> Self {
        Self::End(reason, message)
    }
}
