//! The process: does what `gather`, `reconcile` and `launch` do around the pure functions, with tasks that end
//! when the test says so.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::cluster::{Cluster, Found};
use super::events::{Answer, End};
use crate::api::Reason;
use crate::controller::decision::decide::Decision;
use crate::controller::decision::*;

const SHOWN_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Process {
    pub knowledge: Knowledge,
    pub asking: Option<Question>,
    pub run: Option<Run>,
}

/// A verification.
#[derive(Clone, Debug)]
pub struct Question {
    inputs: Inputs,
    pub requested_at: Option<String>,
    pub answer: Option<Answer>,
}

/// A sync run.
#[derive(Clone, Debug)]
pub struct Run {
    inputs: Inputs,
    pub end: Option<End>,
    pub stopped: bool,
    show_at: Instant,
}

/// The clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    pub now: Instant,
    pub clock: Timestamp,
}

/// What a look at the object comes to.
pub enum Turn {
    Asks,
    Waits,
    Decides(Box<Decided>),
}

pub struct Decided {
    learned: Learned,
    pub decision: Decision,
    pub looked_at_database: bool,
}

/// An answer that the process hears.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub answer: Answer,
}

impl Process {
    pub fn new() -> Self {
        Self { knowledge: Knowledge::new("uid"), asking: None, run: None }
    }

    /// The answer that there is for these inputs.
    pub fn heard(&self, found: &Result<Found, (Reason, String)>) -> Option<Heard> {
        let inputs = &found.as_ref().ok()?.inputs;
        let of_run = self.run.as_ref().filter(|run| run.inputs.same_question(inputs)).and_then(|run| run.end?.answer());
        let of_question = || self.asking.as_ref().filter(|asking| asking.inputs.same_question(inputs))?.answer;
        of_run.or_else(of_question).map(|answer| Heard { answer })
    }

    /// Whether a run of these inputs has ended well.
    pub fn proven(&self, found: &Result<Found, (Reason, String)>) -> bool {
        let run = self.run.as_ref().filter(|run| matches!(run.end, Some(End::Good | End::LeftBehind)));
        run.zip(found.as_ref().ok()).is_some_and(|(run, found)| run.inputs.same_question(&found.inputs))
    }

    pub fn run_underway(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.end.is_none())
    }

    /// Whether the run under way is of these inputs.
    pub fn run_of(&self, inputs: &Inputs) -> bool {
        self.run.as_ref().is_some_and(|run| run.end.is_none() && run.inputs == *inputs)
    }

    /// One look, up to the write.
    pub fn look(
        &mut self,
        cluster: &Cluster,
        requested_at: Option<&String>,
        found: &Result<Found, (Reason, String)>,
        database: &DestinationState,
        clocks: Clocks,
    ) -> Turn {
        let inputs = workable(&cluster.spec, found.as_ref().ok().map(|found| &found.inputs));
        self.asking.take_if(|asking| !inputs.is_some_and(|inputs| asking.inputs.same_question(inputs)));
        if inputs.is_none() || self.knowledge.run_inputs() != inputs {
            self.run.iter_mut().for_each(|run| run.stopped = true);
        }
        let run = match &mut self.run {
            None => RunState::None,
            Some(Run { end: Some(end), .. }) => RunState::Ended(end.result()),
            Some(Run { show_at, .. }) => {
                let due = clocks.now >= *show_at;
                *show_at = if due { clocks.now + SHOWN_EVERY } else { *show_at };
                RunState::Underway(due.then_some((1, 2, 3)))
            }
        };
        let seen = Seen {
            spec: &cluster.spec,
            generation: Some(cluster.generation),
            old: &cluster.status,
            requested_at,
            found: match found {
                Ok(found) => {
                    let (inputs, secret) = (&found.inputs, &found.secret);
                    Ok(super::super::super::Found { inputs, secret, proven: false, resting: false })
                }
                Err((reason, message)) => Err((*reason, message)),
            },
            asking: self.asking.as_ref().map(|asking| Asking {
                outcome: asking.answer.map(Answer::outcome),
                requested_at: asking.requested_at.as_ref(),
            }),
            run,
            run_since: None,
            now: clocks.now,
            clock: clocks.clock,
        };
        let mut learned = match (observe(&mut self.knowledge, seen), found) {
            (Step::Decide(learned), _) => *learned,
            (Step::Ask(_), Ok(found)) => {
                let inputs = found.inputs.clone();
                self.asking = Some(Question { inputs, requested_at: requested_at.cloned(), answer: None });
                return Turn::Asks;
            }
            _ => return Turn::Waits,
        };
        let looked_at_database = learned.needs_destination();
        if looked_at_database {
            learned.destination(database.clone());
        }
        let decision = decide(&learned.facts);
        Turn::Decides(Box::new(Decided { learned, decision, looked_at_database }))
    }

    /// What follows the write of a status, and how long until the next look.
    pub fn written(
        &mut self,
        decided: Decided,
        requested_at: Option<&String>,
        found: &Result<Found, (Reason, String)>,
        interval: Duration,
        now: Instant,
    ) -> Duration {
        let Learned { facts, knowledge, heard, .. } = decided.learned;
        self.knowledge = knowledge;
        if heard {
            self.asking = None;
        }
        if matches!(facts.run, RunState::Ended(_)) {
            self.run = None;
        }
        if let (Some(_), Ok(found), DestinationState::Open) = (decided.decision.start, found, &facts.destination) {
            self.knowledge.run_started(found.inputs.clone());
            let show_at = now + SHOWN_EVERY;
            self.run = Some(Run { inputs: found.inputs.clone(), end: None, stopped: false, show_at });
        }
        let show_at = self.run.as_ref().map(|run| run.show_at);
        wait(&facts, &self.knowledge, Waiting { interval, requested_at, show_at, now })
    }
}
