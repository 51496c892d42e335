//! What a reconcile sees, and what it learns from that: whether Bitbucket is asked now, a task is waited for, or
//! enough is known to decide. Pure: who calls this looks at the tasks before, and does what it says after.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::facts::{Observation, RunState, Transport};
use super::inputs::Inputs;
use super::knowledge::{Inherited, Knowledge};
use super::learned::Learned;
use crate::api::Reason;
use crate::api::conditions::{self, READY, SYNCED, Truth, VERIFIED};
use crate::api::spec::BitbucketConnectionSpec;
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret};
use crate::bitbucket::Error;
use crate::sync::RunError;
use crate::verification::{Outcome, Past, outcome_of};

/// What a reconcile sees.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// What the user wants.
    pub spec: &'a BitbucketConnectionSpec,
    /// The generation of that.
    pub generation: Option<i64>,
    /// The status as it was written last.
    pub old: &'a BitbucketConnectionStatus,
    /// A person's request that is not handled yet.
    pub requested_at: Option<&'a String>,
    /// What the spec refers to, or why it cannot be used.
    pub found: Result<Found<'a>, (Reason, &'a str)>,
    /// The verification under way, or ended and not yet told, unless it is of other inputs.
    pub asking: Option<Asking<'a>>,
    /// The sync run.
    pub run: RunState,
    /// When this process began with it.
    pub run_since: Option<Timestamp>,
    /// The clock that measures.
    pub now: Instant,
    /// The clock that people read.
    pub clock: Timestamp,
}

/// What the spec refers to.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What a verdict and a run depend on.
    pub inputs: &'a Inputs,
    /// The Secret that the credentials are from, and where they go.
    pub secret: &'a RefusedSecret,
    /// Whether the server has recognised the account by these credentials: another connection's doing, if the status
    /// says that they were refused.
    pub proven: bool,
    /// Whether their password is left alone, because nobody can tell what was thought of it the last time.
    pub resting: bool,
}

/// A verification.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// How it ended; None while it is under way.
    pub outcome: Option<Outcome>,
    /// The request that it answers.
    pub requested_at: Option<&'a String>,
}

/// What is done next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bitbucket is asked, with this past; the answer wakes the object.
    Ask(Past),
    /// A task must end first, which wakes the object.
    Wait,
    /// There is something to decide.
    Decide(Box<Learned>),
}

/// Something new about the credentials, or that there is nothing new.
struct News {
    observation: Observation,
    /// The request that is handled with it.
    requested_at: Option<String>,
    /// Whether others are told that this password was judged wrong.
    close_gate: bool,
    /// Whether the verification has told what it had to tell.
    heard: bool,
}

impl From<Observation> for News {
    fn from(observation: Observation) -> Self {
        let heard = matches!(observation, Observation::Asked { .. });
        Self { observation, requested_at: None, close_gate: false, heard }
    }
}

impl<'a> Seen<'a> {
    /// How often the credentials are verified again.
    pub(super) fn interval(&self) -> Duration {
        self.spec.verify_interval.into()
    }

    /// Whether the status speaks of the present generation.
    pub(super) fn observed(&self) -> bool {
        self.old.observed_generation == self.generation
    }

    /// The inputs, where there are any.
    pub(super) fn inputs(&self) -> Option<&'a Inputs> {
        self.found.ok().map(|found| found.inputs)
    }

    /// Whether the verdict in the status is one about credentials that could be used.
    fn answered(&self) -> bool {
        let verified = conditions::state(&self.old.conditions, VERIFIED);
        !verified.is_some_and(|state| matches!(state.reason, Reason::SecretNotFound | Reason::InvalidSecret))
    }

    /// Whether the last process owed a run, while none was under way: Synced speaks of an earlier spec, or something let no
    /// run be made, credentials that are not verified, a database out of reach, a suspension. Then one may have been due
    /// of another Secret, or at a person's request, and nothing else tells a new process of it.
    fn held_up(&self) -> bool {
        let state = |kind| conditions::state(&self.old.conditions, kind);
        let unverified = state(VERIFIED).is_some_and(|verified| verified.truth != Truth::True);
        let out_of_reach = state(READY)
            .is_some_and(|ready| matches!(ready.reason, Reason::DestinationInvalid | Reason::DestinationUnavailable));
        let suspended = state(SYNCED).is_some_and(|synced| synced.reason == Reason::Suspended);
        let outdated = conditions::find(&self.old.conditions, SYNCED)
            .is_some_and(|synced| synced.observed_generation != self.generation);
        (unverified || out_of_reach || suspended || outdated)
            && self.old.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
    }

    /// Whether the status says of this Secret that its password was judged wrong.
    fn refused(&self, found: &Found<'_>) -> bool {
        self.old.refused_secret.as_ref() == Some(found.secret)
    }

    /// Whether the verdict in the status is of something else.
    fn changed(&self, knowledge: &Knowledge) -> bool {
        match self.found {
            Ok(found) => knowledge.changed(found.inputs, self.observed()),
            Err(_) => knowledge.moved(&self.spec.into(), self.observed()),
        }
    }

    /// Whether there is a Bitbucket that knew these credentials, so that an answer of somebody else is only a fault:
    /// not for ever, because it may have moved.
    fn past(&self, knowledge: &Knowledge) -> Past {
        let good = conditions::state(&self.old.conditions, VERIFIED).is_some_and(|state| state.truth == Truth::True);
        let lasting = knowledge.transport(self.interval(), self.now) == Transport::FaultyTooLong;
        if good && !lasting && !self.changed(knowledge) { Past::Verified } else { Past::Unknown }
    }
}

/// What tasks may work with: a task of other inputs is stopped, and so is every task of a connection that is
/// suspended.
pub fn workable<'a>(spec: &BitbucketConnectionSpec, inputs: Option<&'a Inputs>) -> Option<&'a Inputs> {
    inputs.filter(|_| !spec.suspend)
}

/// Looks at what there is to see. What `knowledge` takes the status for at first sight is kept at once; all else
/// that is learned takes its place only when the status is written.
pub fn observe(knowledge: &mut Knowledge, seen: Seen<'_>) -> Step {
    let inherited = Inherited { observed: seen.observed(), answered: seen.answered(), held_up: seen.held_up() };
    knowledge.meet(seen.inputs(), inherited);
    if let Some(found) = seen.found.ok().filter(|found| seen.refused(found)) {
        knowledge.remember_refusal(found.inputs);
    }
    let mut knowledge = knowledge.clone();
    let news = match seen.found {
        _ if seen.spec.suspend => Observation::Suspended.into(),
        Err((reason, message)) => {
            knowledge.forget();
            let requested_at = seen.requested_at.cloned();
            News { requested_at, ..Observation::Unusable(reason, message.to_owned()).into() }
        }
        Ok(found) => match credentials(&mut knowledge, &seen, found) {
            Ok(news) => news,
            Err(step) => return step,
        },
    };
    let inputs_changed = seen.changed(&knowledge);
    let mut learned = Learned::new(knowledge, seen, news.observation, news.requested_at, inputs_changed);
    learned.close_gate = news.close_gate;
    learned.heard = news.heard;
    Step::Decide(Box::new(learned))
}

/// What is learned of the credentials, or what must be done first.
fn credentials(knowledge: &mut Knowledge, seen: &Seen<'_>, found: Found<'_>) -> Result<News, Step> {
    let inputs = found.inputs;
    let same = knowledge.run_inputs() == Some(inputs);
    let same_question = knowledge.run_inputs().is_some_and(|run| run.same_question(inputs));
    match &seen.run {
        // The run's own answers prove the credentials.
        RunState::Underway(_) if same => return Ok(Observation::Kept.into()),
        RunState::Underway(_) => return Err(Step::Wait),
        // A run's answers count as a verification's: nothing is asked twice.
        RunState::Ended(Err(RunError::Identity(error) | RunError::Listing(error) | RunError::Outage(error)))
            if same_question =>
        {
            return Ok(answered(knowledge, seen, inputs, outcome_of(error.clone())));
        }
        _ => {}
    }
    if let Some(Asking { outcome, requested_at }) = &seen.asking {
        let requested_at = requested_at.cloned();
        return match outcome.clone() {
            None => Err(Step::Wait),
            // A person had it sent again, and nothing was learned: it stays wrong.
            Some(Outcome::Fault { .. }) if knowledge.refuses(inputs) && !found.proven => {
                Ok(News { requested_at, heard: true, ..refused(knowledge, seen, inputs) })
            }
            Some(outcome) => Ok(News { requested_at, ..answered(knowledge, seen, inputs, outcome) }),
        };
    }
    let outlived = knowledge.refuses(inputs) && found.proven;
    if outlived || knowledge.ask(inputs, seen.requested_at.is_some(), seen.now) {
        return Err(Step::Ask(seen.past(knowledge)));
    }
    if knowledge.refuses(inputs) {
        return Ok(refused(knowledge, seen, inputs));
    }
    // A fault stands until the next try.
    Ok(knowledge.fault().map_or(Observation::Kept, |outcome| Observation::Asked { outcome }).into())
}

/// Bitbucket was asked.
fn answered(knowledge: &mut Knowledge, seen: &Seen<'_>, inputs: &Inputs, outcome: Outcome) -> News {
    knowledge.answered(inputs, &outcome, seen.interval(), seen.now);
    Observation::Asked { outcome }.into()
}

/// The password was judged wrong before. It holds whatever else has changed, and is said again where the status says
/// something else by now.
fn refused(knowledge: &mut Knowledge, seen: &Seen<'_>, inputs: &Inputs) -> News {
    let close_gate = knowledge.only_remembers();
    let said = conditions::state(&seen.old.conditions, VERIFIED)
        .is_some_and(|verified| verified.truth == Truth::False && verified.reason == Reason::InvalidCredentials);
    let news = if said {
        knowledge.refusal_holds(inputs);
        Observation::Kept.into()
    } else {
        answered(knowledge, seen, inputs, outcome_of(Error::GateClosed))
    };
    News { close_gate, ..news }
}
