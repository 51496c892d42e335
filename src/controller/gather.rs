//! The first half of a reconcile: looks at the tasks and the database, and does at once what cannot wait for the
//! decision. What follows from what is seen is decided in `decision/observe.rs`.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::info;

use super::context::{Memory, PROGRESS_INTERVAL, Underway};
use super::decision::{Asking, DestinationState, Found, Learned, RunState, Seen, Step, observe, workable};
use super::dereference::Dereferenced;
use super::pass::Pass;
use crate::destination::Destination;
use crate::secrets::Unusable;

impl Pass<'_> {
    /// Gathers the facts, and the database where it is open. None, if a task must end first, which then wakes
    /// this object.
    pub(super) async fn gather(
        &self,
        memory: &mut Memory,
        found: &Result<Dereferenced, Unusable>,
    ) -> Option<(Learned, Option<Destination>)> {
        self.stop_what_is_outdated(memory, found);
        memory.rate.set(self.object.spec.limits.per_second());
        let (run, run_since) = (self.look_at_run(memory), memory.run.as_ref().map(|run| run.since));
        let account = found.as_ref().ok().map(|known| self.context.clients.account(&known.url, &known.credentials));
        if let (Some(account), Ok(known)) = (&account, found)
            && self.old.resting_secret.as_ref() == Some(&known.secret)
        {
            account.remember_rest();
        }
        let seen = Seen {
            spec: &self.object.spec,
            generation: self.object.metadata.generation,
            old: &self.old,
            requested_at: self.requested_at.as_ref(),
            found: match found {
                Ok(known) => Ok(Found {
                    inputs: &known.inputs,
                    secret: &known.secret,
                    proven: account.as_ref().is_some_and(|account| account.is_proven()),
                    resting: account.as_ref().is_some_and(|account| account.is_doubted()),
                }),
                Err((reason, message)) => Err((*reason, message)),
            },
            asking: memory
                .asking
                .as_ref()
                .map(|asking| Asking { outcome: asking.task.result(), requested_at: asking.requested_at.as_ref() }),
            run,
            run_since,
            now: self.now,
            clock: clock(),
        };
        let mut learned = match (observe(&mut memory.knowledge, seen), found) {
            (Step::Decide(learned), _) => *learned,
            (Step::Ask(past), Ok(known)) => {
                self.ask(memory, known, past);
                return None;
            }
            (Step::Ask(_) | Step::Wait, _) => return None,
        };
        if let Some(account) = account.filter(|_| learned.close_gate) {
            // Others may use the same password.
            account.remember();
        }
        let destination = self.destination(memory, &mut learned, found).await;
        Some((learned, destination))
    }

    /// Other inputs, and suspension, end what is under way.
    fn stop_what_is_outdated(&self, memory: &mut Memory, found: &Result<Dereferenced, Unusable>) {
        let inputs = workable(&self.object.spec, found.as_ref().ok().map(|known| &known.inputs));
        memory.asking.take_if(|asking| !inputs.is_some_and(|inputs| asking.inputs.same_question(inputs)));
        memory.following.take_if(|following| {
            !following.task.is_under_way() || !inputs.is_some_and(|inputs| following.inputs == *inputs)
        });
        if inputs.is_none() || memory.knowledge.run_inputs() != inputs {
            memory.run.iter().for_each(|run| run.task.stop());
        }
    }

    fn look_at_run(&self, memory: &mut Memory) -> RunState {
        let Some(Underway { task, progress, show_at, .. }) = &mut memory.run else { return RunState::None };
        if let Some(result) = task.result() {
            return RunState::Ended(result);
        }
        let due = self.now >= *show_at;
        if due {
            *show_at = self.now + PROGRESS_INTERVAL;
        }
        RunState::Underway(due.then(|| progress.read()))
    }

    /// The database, where something could be stored.
    async fn destination(
        &self,
        memory: &mut Memory,
        learned: &mut Learned,
        found: &Result<Dereferenced, Unusable>,
    ) -> Option<Destination> {
        if let Some(run) = memory.run.as_ref().filter(|_| learned.close_destination()) {
            run.destination.close();
        }
        let target = found.as_ref().ok().map(|known| known.target.as_ref());
        if let Some(target) = target {
            memory.destination = target.ok().map(|target| self.context.destinations.handle(target));
            if let Some(handle) = memory.destination.as_ref().filter(|_| self.holds_rows()) {
                memory.stored = Some((self.object.spec.destination.clone(), Arc::clone(handle)));
            }
        }
        if !learned.needs_destination() {
            return None;
        }
        let opened = match (target?, &memory.destination) {
            (Ok(_), Some(handle)) => {
                handle.get().await.map_err(|error| DestinationState::of(&error, &self.object.spec))
            }
            (Err(invalid), _) => Err(DestinationState::Invalid(invalid.message.clone())),
            (Ok(_), None) => return None,
        };
        let state = opened.as_ref().err().cloned().unwrap_or(DestinationState::Open);
        learned.destination(state);
        let opened = opened.ok()?;
        if learned.needs_rows() {
            // A fault shows in the run, or in the next look.
            let checked_at = opened.checked_at(self.context.key(self.object)).await;
            if checked_at.is_ok_and(|checked_at| learned.rows(checked_at)) {
                info!("the database does not hold the last sync run that the status tells of: all is read again");
            }
        }
        Some(opened)
    }
}

/// Seconds are the finest that a status holds.
fn clock() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
