//! One reconcile: dereference, gather, decide, write; then remember, and start the run that was claimed.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use tracing::{Instrument, debug, error_span, info, warn};

use super::context::{Context, Memory};
use super::decision::{Facts, Learned, RunState, Transport, Waiting, backoff, decide, wait};
use super::deletion::delete_unknown;
use super::dereference::dereference;
use super::pass::Pass;
use super::write::{Right, events, finalizer, status};
use crate::api::REQUESTED_AT;
use crate::api::conditions;
use crate::api::spec::DeletionPolicy;
use crate::kubernetes::Error;
use crate::kubernetes::Guarded;

/// Between two tries, where the API server does not do what it is asked for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Reconciles one object.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let reference = ObjectRef::from_obj(guarded.as_ref());
    if context.stop.is_cancelled() {
        // Whoever acts next looks at everything anew.
        return Ok(Action::await_change());
    }
    if !context.lead.holds() {
        return Err(Error::NoLead);
    }
    let connection = format!("{}/{}", guarded.namespace().unwrap_or_default(), guarded.name_any());
    async {
        let object = match &guarded.0 {
            Ok(object) => object,
            Err(invalid) => {
                warn!("the object cannot be understood and is left alone: {invalid}");
                let mut memory = context.memory(&reference, &guarded.uid().unwrap_or_default()).await;
                memory.asking = None;
                memory.run = None;
                memory.following = None;
                if invalid.metadata.deletion_timestamp.is_none() {
                    return Ok(Action::await_change());
                }
                let result = delete_unknown(&guarded, &mut memory, &context).await;
                return Ok(tried_again(&mut memory, result));
            }
        };
        let mut memory = context.memory(&reference, &object.uid().unwrap_or_default()).await;
        let old = memory.status(object).unwrap_or_default();
        let requested_at = object.annotations().get(REQUESTED_AT).cloned();
        let requested_at = requested_at.filter(|value| old.last_handled_reconcile_at.as_ref() != Some(value));
        let now = Instant::now();
        let pass = Pass { context: &context, object, reference, connection: &connection, old, requested_at, now };
        // Boxed: it is large.
        let result = Box::pin(pass.run(&mut memory)).await;
        context.metrics.reconciled(result.is_ok(), now.elapsed());
        Ok(tried_again(&mut memory, result))
    }
    // A root, and as visible as any event in it: kube's own span tells nothing that is not said, and who sees a warning sees whose it is.
    .instrument(error_span!(parent: None, "reconcile", connection = connection.clone()))
    .await
}

/// A call to the API server that failed is tried again, later each time, and said once: an outage meets all objects.
fn tried_again(memory: &mut Memory, result: Result<Action, Error>) -> Action {
    let error = match result {
        Ok(action) => {
            memory.faults = 0;
            return action;
        }
        Err(error) => error,
    };
    memory.faults = memory.faults.saturating_add(1);
    // A right is given by a person.
    let wait =
        if error.is_forbidden() { LONGEST_WAIT } else { backoff::wait(memory.faults, &memory.uid).min(LONGEST_WAIT) };
    if memory.faults == 1 {
        warn!(%error, "tried again in {} s, and later each time", wait.as_secs_f32());
    } else {
        debug!(%error, "tried again in {} s", wait.as_secs_f32());
    }
    Action::requeue(wait)
}

impl Pass<'_> {
    async fn run(self, memory: &mut Memory) -> Result<Action, Error> {
        if self.object.metadata.deletion_timestamp.is_some() {
            return self.delete(memory).await;
        }
        // Before a row is written.
        let held = finalizer::set(self.context, &self.object.metadata, memory, self.holds_rows()).await;
        if !events::told(self.context, self.object, memory, held, Right::SetFinalizer).await? {
            self.context.forget(&self.reference);
            return Ok(Action::await_change());
        }
        let found = dereference(self.context.source(), self.object).await;
        let found = events::told(self.context, self.object, memory, found, Right::ReadSecrets).await?;
        events::deafness(self.context, self.object, memory).await;
        let Some((learned, destination)) = self.gather(memory, &found).await else {
            // A task is under way whose end wakes this object; only a lost wake is waited for.
            return Ok(Action::requeue(self.object.spec.verify_interval.into()));
        };
        if self.context.stop.is_cancelled() {
            // A task that was told to end has found out nothing.
            return Ok(Action::await_change());
        }
        let Learned { facts, knowledge, heard, .. } = learned;
        let mut decision = decide(&facts);
        if memory.unsure {
            // What was sent may stand there by now. Where the watch does not show it yet, this write is refused.
            let standing = self.object.status.as_ref().map_or(&[][..], |status| &status.conditions);
            conditions::date(&mut decision.status.conditions, standing, facts.now);
        }
        if !status::write(self.context, self.object, &self.old, &decision.status, memory).await? {
            self.context.forget(&self.reference);
            return Ok(Action::await_change());
        }
        // Only now is it told: whatever fails before this line is done again.
        events::publish(self.context, self.object, &self.old, &decision.status).await;
        if let Some(slot) = decision.skipped.filter(|slot| memory.skipped.replace(*slot) != Some(*slot)) {
            self.context.metrics.slots_skipped.inc();
            info!(%slot, "a slot is skipped, because a sync run is still going");
        }
        memory.note_run(&decision.status);
        memory.written = Some(decision.status);
        memory.knowledge = knowledge;
        if heard {
            memory.asking = None;
        }
        if matches!(facts.run, RunState::Ended(_)) {
            memory.run = None;
        }
        match (decision.start, found, destination) {
            (Some(trigger), Ok(known), Some(destination)) => self.sync(memory, trigger, known, destination),
            (None, Ok(known), Some(destination)) if Self::is_hinted(memory, &facts) => {
                self.follow_hints(memory, &known, destination);
            }
            _ => {}
        }
        let waiting = Waiting {
            interval: self.object.spec.verify_interval.into(),
            requested_at: self.requested_at.as_ref(),
            show_at: memory.run.as_ref().map(|run| run.show_at),
            now: self.now,
        };
        Ok(Action::requeue(wait(&facts, &memory.knowledge, waiting)))
    }

    /// Whether somebody has pushed, and nobody looks at it.
    fn is_hinted(memory: &Memory, facts: &Facts) -> bool {
        facts.transport == Transport::Working
            && memory.run.is_none()
            && memory.following.is_none()
            && !memory.hints.is_empty()
    }

    /// Whether the object cannot go before its rows.
    pub(super) fn holds_rows(&self) -> bool {
        self.object.spec.deletion_policy == DeletionPolicy::Delete
    }
}
