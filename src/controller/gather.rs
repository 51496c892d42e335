//! The first half of a reconcile: look at the tasks, the Secrets and the database, and start a verification if
//! it is time to.

use std::time::Duration;

use super::context::{Asking, Memory, PROGRESS_INTERVAL, Underway};
use super::decision::{DestinationState, Facts, Knowledge, Observation, RunState, Schedule, now};
use super::dereference::{Dereferenced, Unusable};
use super::destinations;
use super::pass::Pass;
use crate::api::conditions::{VERIFIED, find};
use crate::api::status::Trigger;
use crate::destination::Destination;
use crate::sync::RunError;
use crate::verification::{Outcome, Verdict, outcome_of};

/// What a reconcile has gathered.
pub(super) struct Gathered {
    pub facts: Facts,
    /// What is known once the status is written.
    pub knowledge: Knowledge,
    pub destination: Option<Destination>,
}

impl Pass<'_> {
    /// Gathers the facts. None, if a task must end first, which then wakes this object.
    pub(super) async fn gather(&self, memory: &mut Memory, found: &Result<Dereferenced, Unusable>) -> Option<Gathered> {
        let spec = &self.object.spec;
        let interval: Duration = spec.verify_interval.into();
        let mut knowledge = memory.knowledge.clone();
        self.stop_what_is_outdated(memory, found);
        let run = self.look_at_run(memory);
        let observed = self.old.observed_generation == self.object.metadata.generation;
        let mut inputs_changed = false;
        let mut requested_at = None;

        let observation = match found {
            Ok(known) => {
                let observation = if spec.suspend {
                    Observation::Suspended
                } else {
                    self.observe(memory, &mut knowledge, &run, known)?
                };
                requested_at = memory.asking.as_ref().and_then(|asking| asking.requested_at.clone());
                inputs_changed = knowledge.changed(&known.inputs, observed);
                observation
            }
            Err(_) if spec.suspend => Observation::Suspended,
            Err((reason, message)) => {
                knowledge.unusable();
                requested_at.clone_from(&self.requested_at);
                Observation::Unusable(*reason, message.clone())
            }
        };
        if let (Observation::Asked { outcome, .. }, Ok(known)) = (&observation, found) {
            knowledge.answered(&known.inputs, outcome, interval, self.now);
        }
        if let RunState::Ended(result) = &run {
            knowledge.run_ended(result, interval, self.now);
            if let Err(RunError::Destination(error)) = result {
                self.context.destinations.close().await;
                knowledge.destination_failed(destinations::state(error), interval, self.now);
            }
        }
        // A request is served by the next run that can be made; a negative verdict is an answer to it, too.
        let refuses = matches!(
            &observation,
            Observation::Asked { outcome: Outcome::Verdict(Verdict::Refused(_)), .. } | Observation::Unusable(..)
        );
        if requested_at.is_some() && !refuses {
            knowledge.want_run();
        }
        let (destination, state) = self.destination(&mut knowledge, &observation, interval).await;
        let outdated = found.as_ref().is_ok_and(|known| knowledge.run_outdated(&known.inputs, observed));
        let wanted = knowledge.run_wanted().then_some(Trigger::Requested);
        let bad = found.as_ref().ok().filter(|known| knowledge.refuses(&known.inputs));
        let facts = Facts {
            now: now(),
            generation: self.object.metadata.generation.unwrap_or_default(),
            old: self.old.clone(),
            schedule: Schedule::parse(&spec.schedule, &spec.time_zone, &memory.uid),
            deadline: spec
                .starting_deadline_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            suspended: spec.suspend,
            requested_at,
            observation,
            refused: bad.map(|known| known.secret.clone()),
            inputs_changed,
            wanted: if outdated { Some(Trigger::SpecChange) } else { wanted },
            transport: knowledge.transport(interval, self.now),
            destination: state,
            run,
        };
        Some(Gathered { facts, knowledge, destination })
    }

    /// Other inputs, and suspension, end what is under way.
    fn stop_what_is_outdated(&self, memory: &mut Memory, found: &Result<Dereferenced, Unusable>) {
        let inputs = found.as_ref().ok().map(|known| &known.inputs).filter(|_| !self.object.spec.suspend);
        memory.asking.take_if(|asking| Some(&asking.inputs) != inputs);
        if inputs.is_none() || memory.knowledge.run_inputs() != inputs {
            memory.run.iter().for_each(|run| run.task.stop());
        }
    }

    fn look_at_run(&self, memory: &mut Memory) -> RunState {
        let Some(Underway { task, progress, show_at }) = &mut memory.run else { return RunState::None };
        if let Some(result) = task.result() {
            return RunState::Ended(result);
        }
        let due = self.now >= *show_at;
        if due {
            *show_at = self.now + PROGRESS_INTERVAL;
        }
        RunState::Underway(due.then(|| progress.read()))
    }

    /// What is learned of the credentials. None, if a task must end first.
    fn observe(
        &self,
        memory: &mut Memory,
        knowledge: &mut Knowledge,
        run: &RunState,
        known: &Dereferenced,
    ) -> Option<Observation> {
        let same = memory.knowledge.run_inputs() == Some(&known.inputs);
        match run {
            // The run's own answers prove the credentials.
            RunState::Underway(_) => return same.then_some(Observation::Kept),
            // A run's answers count as a verification's: nothing is asked twice.
            RunState::Ended(Err(RunError::Identity(error) | RunError::Listing(error) | RunError::Outage(error)))
                if same =>
            {
                memory.asking = None;
                return Some(Observation::Asked { outcome: outcome_of(error.clone()), secret: known.secret.clone() });
            }
            _ => {}
        }
        if let Some(Asking { task, secret, .. }) = &memory.asking {
            let outcome = task.result()?;
            return Some(Observation::Asked { outcome, secret: secret.clone() });
        }
        let refused = self.old.refused_secret.as_ref() == Some(&known.secret);
        if knowledge.ask(&known.inputs, refused, self.requested_at.is_some(), self.now) {
            self.ask(memory, known);
            return None;
        }
        if refused && !knowledge.refuses(&known.inputs) {
            self.close_gate(memory, known);
        }
        if refused || knowledge.refuses(&known.inputs) {
            // It holds whatever else has changed.
            knowledge.refusal_holds(&known.inputs);
        }
        Some(Observation::Kept)
    }

    /// The database, where something could be stored.
    async fn destination(
        &self,
        knowledge: &mut Knowledge,
        observation: &Observation,
        interval: Duration,
    ) -> (Option<Destination>, DestinationState) {
        let verified = match observation {
            Observation::Asked { outcome: Outcome::Verdict(verdict), .. } => {
                matches!(verdict, Verdict::Verified { .. })
            }
            Observation::Suspended | Observation::Unusable(..) => false,
            _ => find(&self.old.conditions, VERIFIED).is_some_and(|condition| condition.status == "True"),
        };
        if !verified {
            return (None, DestinationState::NotAsked);
        }
        if let Some(fault) = knowledge.destination(self.now) {
            return (None, fault);
        }
        match self.context.destinations.get().await {
            Ok(destination) => (Some(destination), DestinationState::Open),
            Err(state) => {
                knowledge.destination_failed(state.clone(), interval, self.now);
                (None, state)
            }
        }
    }
}
