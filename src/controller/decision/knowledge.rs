//! What a process knows of a connection between reconciles, and what follows from it: whether Bitbucket is asked
//! now, and when again. Pure: events in, questions out. A reconcile works on a copy, which takes the old one's
//! place only when the status is written, so that nothing learned is lost to a failed write.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff;
use super::facts::{DestinationState, Transport};
use super::inputs::Inputs;
use crate::api::Reason;
use crate::sync::{RunError, Summary};
use crate::verification::{Outcome, Verdict};

/// Verdicts about an identity are asked for again this seldom: each try may count at the server.
const IDENTITY_INTERVAL: Duration = Duration::from_hours(1);

/// What is known. Lost with the process: everything here can be learned again.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    uid: String,
    standing: Standing,
    asked: Option<Asked>,
    faults: Faults,
    run_inputs: Option<Inputs>,
    run_wanted: bool,
    destination: Option<(DestinationState, Instant)>,
    destination_faults: u32,
}

/// What the verdict in the status was made of.
#[derive(Clone, Debug, Default)]
enum Standing {
    /// Not known: this process has only just begun with the object.
    #[default]
    New,
    /// There was none: the credentials could not be used.
    Lost,
    /// These.
    Of(Box<Inputs>),
}

/// What Bitbucket was last asked with, whatever came of it.
#[derive(Clone, Debug)]
struct Asked {
    inputs: Inputs,
    /// When to ask with them again; None: never by itself.
    again: Option<Instant>,
    /// Whether the password was judged wrong.
    refused: bool,
}

/// Transport faults in a row.
#[derive(Clone, Debug, Default)]
struct Faults {
    since: Option<Instant>,
    count: u32,
}

impl Knowledge {
    /// Nothing is known of the object with this uid.
    pub fn new(uid: &str) -> Self {
        Self { uid: uid.to_owned(), ..Self::default() }
    }

    /// The object's uid.
    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether Bitbucket is to be asked now. `refused` is whether the status says that this Secret was judged
    /// wrong, `requested` whether a person asks for it.
    pub fn ask(&self, inputs: &Inputs, refused: bool, requested: bool, now: Instant) -> bool {
        requested
            || match &self.asked {
                Some(asked) if asked.inputs == *inputs => asked.again.is_some_and(|again| now >= again),
                // A wrong password is not made right by another filter.
                Some(asked) => !(asked.refused && asked.inputs.same_credentials(inputs)),
                // After a restart a Secret that was refused before is not sent again.
                None => !refused,
            }
    }

    /// Whether these credentials were judged wrong, so that the refusal holds for this Secret as it is now.
    pub fn refuses(&self, inputs: &Inputs) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.refused && asked.inputs.same_credentials(inputs))
    }

    /// These credentials are still those that were judged wrong.
    pub fn refusal_holds(&mut self, inputs: &Inputs) {
        self.asked = Some(Asked { inputs: inputs.clone(), again: None, refused: true });
        self.standing = Standing::Of(Box::new(inputs.clone()));
    }

    /// Bitbucket was asked.
    pub fn answered(&mut self, inputs: &Inputs, outcome: &Outcome, interval: Duration, now: Instant) {
        let mut refused = false;
        let again = match outcome {
            Outcome::Fault { retry_after, .. } => {
                self.faults.since.get_or_insert(now);
                self.faults.count = self.faults.count.saturating_add(1);
                let wait = backoff::wait(self.faults.count, &self.uid);
                Some(retry_after.map_or(wait, |wanted| wanted.max(wait)))
            }
            Outcome::Verdict(verdict) => {
                self.standing = Standing::Of(Box::new(inputs.clone()));
                self.faults = Faults::default();
                match verdict {
                    Verdict::Refused(negative) if negative.wrong_password => {
                        refused = true;
                        None
                    }
                    Verdict::Refused(negative) if negative.reason == Reason::InvalidCredentials => {
                        Some(interval.max(IDENTITY_INTERVAL))
                    }
                    _ => Some(interval),
                }
            }
        };
        let again = again.map(|wait| now + backoff::jittered(wait, &self.uid));
        self.asked = Some(Asked { inputs: inputs.clone(), again, refused });
    }

    /// The credentials cannot be used: nothing is left of what was known of them.
    pub fn unusable(&mut self) {
        self.standing = Standing::Lost;
        self.asked = None;
        self.faults = Faults::default();
    }

    /// A run of these inputs begins.
    pub fn run_started(&mut self, inputs: Inputs) {
        self.run_inputs = Some(inputs);
        self.run_wanted = false;
    }

    /// The run has ended. A good one has proven the credentials: they need no other proof for an interval.
    pub fn run_ended(&mut self, result: &Result<Summary, RunError>, interval: Duration, now: Instant) {
        match result {
            Ok(_) => {
                self.destination_faults = 0;
                let again = Some(now + backoff::jittered(interval, &self.uid));
                match &mut self.asked {
                    Some(asked) if Some(&asked.inputs) == self.run_inputs.as_ref() => asked.again = again,
                    _ => {}
                }
            }
            Err(RunError::Destination(_)) => {}
            Err(_) => self.destination_faults = 0,
        }
    }

    /// A person wants a run, as soon as one can be made.
    pub fn want_run(&mut self) {
        self.run_wanted = true;
    }

    /// Whether a person wants a run.
    pub const fn run_wanted(&self) -> bool {
        self.run_wanted
    }

    /// The database failed: it is left alone for a while.
    pub fn destination_failed(&mut self, state: DestinationState, interval: Duration, now: Instant) {
        self.destination_faults = self.destination_faults.saturating_add(1);
        let wait = match state {
            DestinationState::Invalid(_) => interval,
            _ => backoff::wait(self.destination_faults, &self.uid),
        };
        self.destination = Some((state, now + wait));
    }

    /// The database's fault, as long as it is left alone.
    pub fn destination(&mut self, now: Instant) -> Option<DestinationState> {
        self.destination.take_if(|(_, until)| now >= *until);
        self.destination.as_ref().map(|(state, _)| state.clone())
    }

    /// Whether the verdict in the status was made of other inputs. `observed` is whether the status speaks of
    /// the present generation, which is all that tells in a new process.
    pub fn changed(&self, inputs: &Inputs, observed: bool) -> bool {
        match &self.standing {
            Standing::Of(of) => **of != *inputs,
            Standing::Lost => true,
            Standing::New => !observed,
        }
    }

    /// Whether the last run was made of other inputs.
    pub fn run_outdated(&mut self, inputs: &Inputs, observed: bool) -> bool {
        if self.run_inputs.is_none() && observed {
            // The last process made its run of this spec.
            self.run_inputs = Some(inputs.clone());
        }
        self.run_inputs.as_ref() != Some(inputs)
    }

    /// What the last run, or the one under way, was made of.
    pub const fn run_inputs(&self) -> Option<&Inputs> {
        self.run_inputs.as_ref()
    }

    /// The way to Bitbucket, as far as the last tries tell.
    pub fn transport(&self, interval: Duration, now: Instant) -> Transport {
        match self.faults.since {
            None => Transport::Working,
            Some(since) if now.duration_since(since) > interval * 2 => Transport::FaultyTooLong,
            Some(_) => Transport::Faulty,
        }
    }

    /// When something here is due by itself. During a run nothing is: its answers count as proof.
    pub fn next(&self, run_underway: bool, now: Instant) -> Option<Duration> {
        let ask = self.asked.as_ref().and_then(|asked| asked.again).filter(|_| !run_underway);
        let destination = self.destination.as_ref().map(|(_, until)| *until);
        ask.into_iter().chain(destination).map(|at| at.saturating_duration_since(now)).min()
    }
}
