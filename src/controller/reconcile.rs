//! One reconcile: dereference, verify, decide, write, and start or stop the sync run.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracing::{Instrument, info_span, warn};

use super::context::{Context, Memory};
use super::decide::{decide, now};
use super::dereference::{Dereferenced, dereference};
use super::error::Error;
use super::facts::{DestinationState, Facts, Observation, RunState, Transport};
use super::runs::RunHandle;
use super::schedule::Schedule;
use super::{Guarded, backoff, destinations, events, status};
use crate::api::conditions::{self, VERIFIED};
use crate::api::status::BitbucketConnectionStatus;
use crate::api::{BitbucketConnection, REQUESTED_AT};
use crate::destination::Destination;
use crate::sync::RunError;
use crate::verification::{Outcome, Verdict, outcome_of};

/// What one reconcile has in hand.
pub(super) struct Pass<'a> {
    pub context: &'a Context,
    pub object: &'a BitbucketConnection,
    pub reference: ObjectRef<Guarded>,
    pub old: BitbucketConnectionStatus,
    pub requested_at: Option<String>,
    pub now: Instant,
}

/// Reconciles one object.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let reference = ObjectRef::from_obj(guarded.as_ref());
    let object = match &guarded.0 {
        Ok(object) => object,
        Err(invalid) => {
            warn!(connection = %reference, "the object cannot be understood and is left alone: {invalid}");
            return Ok(Action::await_change());
        }
    };
    let connection = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    async {
        let mut memory = context.memory(&reference, &object.uid().unwrap_or_default()).await;
        let old = memory.written.clone().or_else(|| object.status.clone()).unwrap_or_default();
        let requested_at = object.annotations().get(REQUESTED_AT).cloned();
        let requested_at = requested_at.filter(|value| old.last_handled_reconcile_at.as_ref() != Some(value));
        let now = Instant::now();
        Pass { context: &context, object, reference, old, requested_at, now }.run(&mut memory).await
    }
    .instrument(info_span!("connection", connection))
    .await
}

impl Pass<'_> {
    async fn run(self, memory: &mut Memory) -> Result<Action, Error> {
        let suspended = self.object.spec.suspend;
        if suspended {
            memory.stop();
        }
        let run = self.look_at_run(memory);
        let (known, mut observation) = match dereference(self.context, self.object).await? {
            Ok(known) if suspended => (Some(known), Observation::Suspended),
            Err(_) if suspended => (None, Observation::Suspended),
            Ok(known) => {
                let observation = self.observe(memory, &run, &known).await;
                (Some(known), observation)
            }
            Err((reason, message)) => {
                memory.lose_verdict();
                (None, Observation::Unusable(reason, message))
            }
        };
        let stopping = memory.run.as_ref().is_some_and(RunHandle::stopping);
        if stopping && !suspended {
            // The next run, and the verdict before it, wait for the end of this one, which wakes this object.
            return Ok(Action::requeue(self.object.spec.verify_interval.into()));
        }
        if let (RunState::Ended(Err(RunError::Identity(error) | RunError::Listing(error))), Some(known)) =
            (&run, &known)
        {
            // A run's answers count as a verification's: nothing is asked twice.
            observation = Observation::Asked { outcome: outcome_of(error.clone()), secret: known.secret.clone() };
        }
        let inputs_changed = known.as_ref().is_some_and(|known| self.changed(memory, known));
        if let Some(known) = &known {
            self.remember(memory, &observation, known);
        }
        let (destination, state) = self.destination(&run, &observation).await;
        let facts = self.facts(memory, observation, inputs_changed, known.as_ref(), state, run);
        let decision = decide(&facts);

        if !status::write(self.context, self.object, &self.old, &decision.status).await? {
            memory.stop();
            return Ok(Action::await_change());
        }
        events::publish(self.context, self.object, &self.old, &decision.status).await;
        memory.written = Some(decision.status.clone());
        if let (Some(trigger), Some(known), Some(destination)) = (decision.start, known, destination) {
            self.start(memory, trigger, known, destination);
        }
        Ok(Action::requeue(self.next(memory, &facts)))
    }

    /// The database, where something could be stored.
    async fn destination(&self, run: &RunState, observation: &Observation) -> (Option<Destination>, DestinationState) {
        if let RunState::Ended(Err(RunError::Destination(error))) = run {
            return (None, destinations::state(error));
        }
        let verified = match observation {
            Observation::Asked { outcome: Outcome::Verdict(verdict), .. } => {
                matches!(verdict, Verdict::Verified { .. })
            }
            Observation::Suspended | Observation::Unusable(..) => false,
            _ => conditions::find(&self.old.conditions, VERIFIED).is_some_and(|condition| condition.status == "True"),
        };
        if verified { self.context.destinations.get().await } else { (None, DestinationState::NotAsked) }
    }

    fn facts(
        &self,
        memory: &mut Memory,
        observation: Observation,
        inputs_changed: bool,
        known: Option<&Dereferenced>,
        destination: DestinationState,
        run: RunState,
    ) -> Facts {
        let spec = &self.object.spec;
        let interval: Duration = spec.verify_interval.into();
        let generation = self.object.metadata.generation.unwrap_or_default();
        let other = |inputs: &_| known.is_some_and(|known| known.inputs != *inputs);
        if memory.run_inputs.is_none() && self.old.observed_generation == Some(generation) {
            // The last process made its run of this spec.
            memory.run_inputs = known.map(|known| known.inputs.clone());
        }
        let run_outdated = match &memory.run_inputs {
            Some(inputs) => other(inputs),
            // A spec that changed while no process looked.
            None => self.old.observed_generation != Some(generation),
        };
        let transport = match memory.faulty_since {
            None => Transport::Working,
            Some(since) if self.now.duration_since(since) > interval * 2 => Transport::FaultyTooLong,
            Some(_) => Transport::Faulty,
        };
        let handled = !spec.suspend && !matches!(run, RunState::Underway(_));
        Facts {
            now: now(),
            generation,
            old: self.old.clone(),
            schedule: Schedule::parse(&spec.schedule, &spec.time_zone, &memory.uid),
            deadline: spec
                .starting_deadline_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            suspended: spec.suspend,
            requested_at: self.requested_at.clone().filter(|_| handled),
            observation,
            inputs_changed,
            run_outdated,
            transport,
            destination,
            run,
        }
    }

    /// When to look again: the next verification, slot, or showing of progress.
    fn next(&self, memory: &mut Memory, facts: &Facts) -> Duration {
        let interval: Duration = self.object.spec.verify_interval.into();
        if facts.suspended {
            return interval;
        }
        let mut next = interval;
        if let DestinationState::Unavailable(_) = facts.destination {
            memory.failures = memory.failures.saturating_add(1);
            next = next.min(backoff::wait(memory.failures, &memory.uid));
        }
        if let Some(at) = memory.verify_at {
            next = next.min(at.saturating_duration_since(self.now));
        }
        if let Some(at) = memory.progress_at {
            next = next.min(at.saturating_duration_since(self.now));
        }
        if let Ok(schedule) = &facts.schedule
            && let Some(wait) = schedule.wait(facts.now)
        {
            next = next.min(wait);
        }
        // A little late rather than a little early: what is due must be due when the object wakes.
        next + Duration::from_millis(20)
    }
}
