//! One reconcile: dereference, verify, decide, write, and start or stop the sync run.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use super::context::{Context, Memory};
use super::decide::{decide, now};
use super::dereference::{Dereferenced, dereference};
use super::error::Error;
use super::facts::{DestinationState, Facts, Observation, RunState, Transport};
use super::runs::RunHandle;
use super::schedule::Schedule;
use super::{Guarded, backoff, destinations, events, status};
use crate::api::conditions::{self, VERIFIED};
use crate::api::status::{BitbucketConnectionStatus, Trigger};
use crate::api::{BitbucketConnection, REQUESTED_AT};
use crate::bitbucket::{Client, Options};
use crate::destination::{ConnectionKey, Destination};
use crate::sync::{Filter, Patience, RETRY_WAITS, Run, RunError};
use crate::verification::{Outcome, Verdict, outcome_of, verify};

/// Progress is shown at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// What one reconcile has in hand.
struct Pass<'a> {
    context: &'a Context,
    object: &'a BitbucketConnection,
    reference: ObjectRef<Guarded>,
    old: BitbucketConnectionStatus,
    requested_at: Option<String>,
    now: Instant,
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
        let mut known = None;
        let mut observation = if suspended {
            Observation::Suspended
        } else {
            match dereference(self.context, self.object).await? {
                Ok(found) => self.observe(memory, &run, known.insert(found)).await,
                Err((reason, message)) => {
                    memory.forget_verdict();
                    Observation::Unusable(reason, message)
                }
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
        self.remember(memory, &observation, known.as_ref());
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

    /// What the run does, and its end, which is told once.
    fn look_at_run(&self, memory: &mut Memory) -> RunState {
        let Some(handle) = &mut memory.run else { return RunState::None };
        if let Some(result) = handle.result() {
            memory.run = None;
            memory.progress_at = None;
            match &result {
                Ok(summary) => info!(
                    added = summary.added,
                    removed = summary.removed,
                    repositories = summary.total(),
                    failed = summary.failed.len(),
                    "sync run ended"
                ),
                Err(error) => warn!(%error, "sync run ended early"),
            }
            return RunState::Ended(result);
        }
        let progress = handle.progress();
        let due = memory.progress_at.is_some_and(|at| self.now >= at);
        if due {
            memory.progress_at = Some(self.now + PROGRESS_INTERVAL);
        }
        RunState::Underway(due.then_some(progress))
    }

    /// Asks Bitbucket, if it is time to.
    async fn observe(&self, memory: &mut Memory, run: &RunState, known: &Dereferenced) -> Observation {
        if matches!(run, RunState::Underway(_)) {
            // The run's own answers prove the credentials. Other inputs end it.
            if memory.inputs.as_ref().is_some_and(|inputs| *inputs != known.inputs) {
                memory.stop();
            }
            return Observation::Kept;
        }
        let refused = self.old.refused_secret.as_ref() == Some(&known.secret);
        let same = memory.inputs.as_ref() == Some(&known.inputs);
        let due = if same {
            memory.verify_at.is_some_and(|at| self.now >= at)
        } else {
            // After a restart a Secret that was refused before is not sent again.
            memory.asked || !refused
        };
        if !due && self.requested_at.is_none() {
            if !memory.asked {
                memory.inputs = Some(known.inputs.clone());
                memory.asked = true;
            }
            return Observation::Kept;
        }
        let outcome = match self.client(known) {
            Ok(client) => {
                if self.requested_at.is_some() {
                    client.account().reopen();
                }
                memory.account = Some(Arc::clone(client.account()));
                verify(&client, &Filter::from(&self.object.spec.import)).await
            }
            Err(error) => outcome_of(error),
        };
        Observation::Asked { outcome, secret: known.secret.clone() }
    }

    fn client(&self, known: &Dereferenced) -> Result<Client, crate::bitbucket::Error> {
        let options = Options { timeout: self.object.spec.timeout.into(), concurrency: self.concurrency() };
        Client::new(&self.context.gates, known.url.clone(), known.credentials.clone(), options)
    }

    fn concurrency(&self) -> usize {
        usize::try_from(self.object.spec.limits.concurrency).unwrap_or(1).clamp(1, 16)
    }

    /// Whether the kept verdict is of other inputs than these.
    fn changed(&self, memory: &Memory, known: &Dereferenced) -> bool {
        match &memory.inputs {
            Some(inputs) => *inputs != known.inputs,
            // Before this process has asked, the generation is all that tells.
            None => self.old.observed_generation != self.object.metadata.generation,
        }
    }

    /// Notes what was learned, and when to ask again.
    fn remember(&self, memory: &mut Memory, observation: &Observation, known: Option<&Dereferenced>) {
        let Observation::Asked { outcome, .. } = observation else { return };
        memory.asked = true;
        if let Some(known) = known {
            memory.inputs = Some(known.inputs.clone());
        }
        let interval = backoff::jittered(self.object.spec.verify_interval.into(), &memory.uid);
        match outcome {
            Outcome::Fault { retry_after, .. } => {
                memory.faulty_since.get_or_insert(self.now);
                let wait = memory.back_off(self.now);
                let wait = retry_after.map_or(wait, |wanted| wanted.max(wait));
                memory.verify_at = Some(self.now + wait);
            }
            Outcome::Verdict(verdict) => {
                memory.failures = 0;
                memory.faulty_since = None;
                let wrong = matches!(verdict, Verdict::Refused(negative) if negative.wrong_password);
                memory.verify_at = (!wrong).then(|| self.now + interval);
            }
        }
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
        let run_outdated = match &memory.run_inputs {
            Some(inputs) => other(inputs),
            // A spec that changed while no process looked.
            None => self.old.sync.is_some() && self.old.observed_generation != Some(generation),
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

    fn start(&self, memory: &mut Memory, trigger: Trigger, known: Dereferenced, destination: Destination) {
        let client = match self.client(&known) {
            Ok(client) => client,
            Err(error) => return warn!(%error, "no client for the sync run"),
        };
        let run = Run {
            client,
            destination,
            key: ConnectionKey {
                cluster: self.context.cluster.clone(),
                namespace: self.object.namespace().unwrap_or_default(),
                name: self.object.name_any(),
                uid: memory.uid.clone(),
            },
            filter: Filter::from(&self.object.spec.import),
            concurrency: self.concurrency(),
            progress: Arc::default(),
            patience: Patience { stop: CancellationToken::new(), waits: RETRY_WAITS },
        };
        info!(?trigger, "sync run started");
        memory.run_inputs = Some(known.inputs);
        memory.progress_at = Some(self.now + PROGRESS_INTERVAL);
        let span = tracing::Span::current();
        memory.run = Some(RunHandle::start(run, span, self.reference.clone(), self.context.wake.clone()));
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
