//! From what was learned to the facts of a decision. Pure.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::decide::verified;
use super::facts::{DestinationState, Facts, Observation, RunState};
use super::inputs::Inputs;
use super::knowledge::Knowledge;
use super::observe::Seen;
use super::schedule::Schedule;
use super::slots;
use crate::api::conditions::Truth;
use crate::api::status::Trigger;
use crate::secrets::TargetKey;
use crate::sync::RunError;
use crate::verification::{Outcome, Verdict};

/// What a reconcile has learned. The facts are complete when the database was looked at, where that is wanted.
#[derive(Clone, Debug)]
pub struct Learned {
    /// For the decision.
    pub facts: Facts,
    /// What is known once the status is written.
    pub knowledge: Knowledge,
    /// Whether to tell others, who may use the same password, that it was judged wrong before.
    pub close_gate: bool,
    /// Whether the verification has told what it had to tell, and can be dropped.
    pub heard: bool,
    target: Option<TargetKey>,
    interval: Duration,
    now: Instant,
}

impl Learned {
    /// `inputs_changed` is whether the verdict in the status was made of other inputs.
    pub(super) fn new(
        mut knowledge: Knowledge,
        seen: Seen<'_>,
        observation: Observation,
        requested_at: Option<String>,
        inputs_changed: bool,
    ) -> Self {
        let (interval, now) = (seen.interval(), seen.now);
        if let RunState::Ended(result) = &seen.run {
            knowledge.run_ended(result, interval, now);
            let of = knowledge.run_inputs().map(Inputs::target);
            if let (Err(RunError::Destination(error)), Some(of)) = (result, of) {
                let state = DestinationState::of(error, seen.spec);
                knowledge.destination_failed(of, state, interval, now);
            }
        }
        // A request is served by the next run that can be made; a negative verdict is an answer to it, too.
        let refuses = matches!(
            &observation,
            Observation::Asked { outcome: Outcome::Verdict(Verdict::Refused(_)) } | Observation::Unusable(..)
        );
        if requested_at.is_some() && !refuses {
            knowledge.want_run();
        }
        let target = seen.inputs().map(Inputs::target);
        let outdated = seen.inputs().is_some_and(|inputs| knowledge.run_outdated(inputs));
        let wanted = knowledge.run_wanted().then_some(Trigger::Requested);
        let wrong = seen.found.ok().filter(|found| knowledge.refuses(found.inputs));
        // Where the Secret cannot be used now, it may be the same one that can be later.
        let resting = seen
            .found
            .map_or_else(|_| seen.old.resting_secret.clone(), |found| found.resting.then(|| found.secret.clone()));
        let spec = seen.spec;
        let facts = Facts {
            now: seen.clock,
            generation: seen.generation.unwrap_or_default(),
            old: seen.old.clone(),
            schedule: Schedule::parse(&spec.schedule, &spec.time_zone, knowledge.uid()),
            deadline: spec
                .starting_deadline_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            suspended: spec.suspend,
            requested_at,
            observation,
            refused: wrong.map(|found| found.secret.clone()),
            resting,
            inputs_changed,
            wanted: if outdated { Some(Trigger::SpecChange) } else { wanted },
            transport: knowledge.transport(interval, now),
            destination: DestinationState::NotAsked,
            run: seen.run,
            run_since: seen.run_since,
        };
        if facts.suspended && verified(&facts).truth == Truth::Unknown {
            knowledge.forget();
        } else {
            knowledge.decided_at(spec.into());
        }
        Self { facts, knowledge, close_gate: false, heard: false, target, interval, now }
    }

    /// Whether the database has failed in a run: who opens it next does so anew.
    pub fn close_destination(&self) -> bool {
        matches!(&self.facts.run, RunState::Ended(Err(RunError::Destination(_))))
    }

    /// Whether to look at the database: not where nothing could be stored, nor while it is left alone.
    pub fn needs_destination(&mut self) -> bool {
        let fault = self.knowledge.destination(self.target, self.now);
        if self.facts.suspended || verified(&self.facts).truth != Truth::True {
            return false;
        }
        let looks = fault.is_none();
        self.facts.destination = fault.unwrap_or(DestinationState::NotAsked);
        looks
    }

    /// The database was looked at.
    pub fn destination(&mut self, state: DestinationState) {
        if let Some(target) = self.target.filter(|_| state != DestinationState::Open) {
            self.knowledge.destination_failed(target, state.clone(), self.interval, self.now);
        }
        self.facts.destination = state;
    }

    /// Whether to look for the last sync run in the database: it may be another one than that of an earlier process, or empty.
    pub fn needs_rows(&self) -> bool {
        let looked = self.target.is_none_or(|target| self.knowledge.has_looked_into(target));
        self.facts.destination == DestinationState::Open && matches!(self.facts.run, RunState::None) && !looked
    }

    /// The database last saw the end of a run at this time. Whether it has lost the one that the status tells of, and a run
    /// is owed.
    pub fn rows(&mut self, checked_at: Option<Timestamp>) -> bool {
        let lost = slots::has_lost(&self.facts.old, checked_at);
        self.target.iter().for_each(|target| self.knowledge.looked_into(*target, lost));
        if lost {
            self.facts.wanted.get_or_insert(Trigger::SpecChange);
        }
        lost
    }
}
