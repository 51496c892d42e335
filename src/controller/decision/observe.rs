//! What a reconcile sees, and what it learns from that: whether Bitbucket is asked now, a task is waited for, or
//! enough is known to decide. Pure: who calls this looks at the tasks before, and does what it says after.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::facts::{Observation, RunState};
use super::inputs::Inputs;
use super::knowledge::Knowledge;
use super::learned::Learned;
use crate::api::Reason;
use crate::api::spec::BitbucketConnectionSpec;
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret};
use crate::sync::RunError;
use crate::verification::{Outcome, outcome_of};

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
    /// Bitbucket is asked; the answer wakes the object.
    Ask,
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
    /// Whether the gate is closed for this password.
    close_gate: bool,
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
}

/// What tasks may work with: a task of other inputs is stopped, and so is every task of a connection that is
/// suspended.
pub fn workable<'a>(spec: &BitbucketConnectionSpec, inputs: Option<&'a Inputs>) -> Option<&'a Inputs> {
    inputs.filter(|_| !spec.suspend)
}

/// Looks at what there is to see.
pub fn observe(knowledge: &Knowledge, seen: Seen<'_>) -> Step {
    let mut knowledge = knowledge.clone();
    let news = |observation| News { observation, requested_at: None, close_gate: false };
    let news = match seen.found {
        _ if seen.spec.suspend => news(Observation::Suspended),
        Err((reason, message)) => {
            knowledge.unusable();
            let requested_at = seen.requested_at.cloned();
            News { requested_at, ..news(Observation::Unusable(reason, message.to_owned())) }
        }
        Ok(found) => match credentials(&mut knowledge, &seen, found) {
            Ok(news) => news,
            Err(step) => return step,
        },
    };
    let inputs_changed = seen.inputs().is_some_and(|inputs| knowledge.changed(inputs, seen.observed()));
    if let (Observation::Asked { outcome }, Some(inputs)) = (&news.observation, seen.inputs()) {
        knowledge.answered(inputs, outcome, seen.interval(), seen.now);
    }
    let mut learned = Learned::new(knowledge, seen, news.observation, news.requested_at, inputs_changed);
    learned.close_gate = news.close_gate;
    Step::Decide(Box::new(learned))
}

/// What is learned of the credentials, or what must be done first.
fn credentials(knowledge: &mut Knowledge, seen: &Seen<'_>, found: Found<'_>) -> Result<News, Step> {
    let news = |observation| News { observation, requested_at: None, close_gate: false };
    let same = knowledge.run_inputs() == Some(found.inputs);
    match &seen.run {
        // The run's own answers prove the credentials.
        RunState::Underway(_) if same => return Ok(news(Observation::Kept)),
        RunState::Underway(_) => return Err(Step::Wait),
        // A run's answers count as a verification's: nothing is asked twice.
        RunState::Ended(Err(RunError::Identity(error) | RunError::Listing(error))) if same => {
            return Ok(news(Observation::Asked { outcome: outcome_of(error.clone()) }));
        }
        _ => {}
    }
    if let Some(Asking { outcome, requested_at }) = &seen.asking {
        let Some(outcome) = outcome.clone() else { return Err(Step::Wait) };
        return Ok(News { requested_at: requested_at.cloned(), ..news(Observation::Asked { outcome }) });
    }
    let refused = seen.old.refused_secret.as_ref() == Some(found.secret);
    if knowledge.ask(found.inputs, refused, seen.requested_at.is_some(), seen.now) {
        return Err(Step::Ask);
    }
    let close_gate = refused && !knowledge.refuses(found.inputs);
    if refused || knowledge.refuses(found.inputs) {
        // It holds whatever else has changed.
        knowledge.refusal_holds(found.inputs);
    }
    Ok(News { close_gate, ..news(Observation::Kept) })
}
