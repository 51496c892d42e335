//! The first half of a reconcile: looks at the tasks and the database, and does at once what cannot wait for the
//! decision. What follows from what is seen is decided in `decision/observe.rs`.

use super::context::{Memory, PROGRESS_INTERVAL, Underway};
use super::decision::{Asking, DestinationState, Found, Learned, RunState, Seen, Step, now, observe, workable};
use super::dereference::{Dereferenced, Unusable};
use super::pass::Pass;
use crate::destination::Destination;

impl Pass<'_> {
    /// Gathers the facts, and the database where it is open. None, if a task must end first, which then wakes
    /// this object.
    pub(super) async fn gather(
        &self,
        memory: &mut Memory,
        found: &Result<Dereferenced, Unusable>,
    ) -> Option<(Learned, Option<Destination>)> {
        self.stop_what_is_outdated(memory, found);
        memory.rate.set(self.requests_per_second());
        let run = self.look_at_run(memory);
        let seen = Seen {
            spec: &self.object.spec,
            generation: self.object.metadata.generation,
            old: &self.old,
            requested_at: self.requested_at.as_ref(),
            found: match found {
                Ok(known) => Ok(Found { inputs: &known.inputs, secret: &known.secret }),
                Err((reason, message)) => Err((*reason, message)),
            },
            asking: memory
                .asking
                .as_ref()
                .map(|asking| Asking { outcome: asking.task.result(), requested_at: asking.requested_at.as_ref() }),
            run,
            now: self.now,
            clock: now(),
        };
        let mut learned = match (observe(&mut memory.knowledge, seen), found) {
            (Step::Decide(learned), _) => *learned,
            (Step::Ask, Ok(known)) => {
                self.ask(memory, known);
                return None;
            }
            (Step::Ask | Step::Wait, _) => return None,
        };
        if let (true, Ok(known)) = (learned.close_gate, found) {
            self.close_gate(memory, known);
        }
        let destination = self.destination(&mut learned).await;
        Some((learned, destination))
    }

    /// Other inputs, and suspension, end what is under way.
    fn stop_what_is_outdated(&self, memory: &mut Memory, found: &Result<Dereferenced, Unusable>) {
        let inputs = workable(&self.object.spec, found.as_ref().ok().map(|known| &known.inputs));
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

    /// The database, where something could be stored.
    async fn destination(&self, learned: &mut Learned) -> Option<Destination> {
        if learned.close_destination() {
            self.context.destinations.close().await;
        }
        if !learned.needs_destination() {
            return None;
        }
        match self.context.destinations.get().await {
            Ok(destination) => {
                learned.destination(DestinationState::Open);
                Some(destination)
            }
            Err(state) => {
                learned.destination(state);
                None
            }
        }
    }
}
