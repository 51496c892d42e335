//! What a process knows of a connection between reconciles, and what follows from it: whether Bitbucket is asked
//! now, and when again. Pure: events in, questions out. A reconcile works on a copy, which takes the old one's
//! place only when the status is written, so that nothing learned is lost to a failed write.

mod asked;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use self::asked::{Asked, Faults, Refusal};
use super::backoff;
use super::facts::{DestinationState, Transport};
use super::inputs::{Inputs, Place};
use super::outage::Outage;
use crate::api::Reason;
use crate::secrets::TargetKey;
use crate::sync::{RunError, Summary};
use crate::verification::{Outcome, Verdict};

/// Verdicts about an identity are asked for again this seldom: each try may count at the server.
const IDENTITY_INTERVAL: Duration = Duration::from_hours(1);

/// What the status tells a new process of the last one.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    /// It speaks of the present generation.
    pub observed: bool,
    /// Its verdict is an answer to credentials that could be used.
    pub answered: bool,
    /// A run may have been due that could not be made.
    pub held_up: bool,
}

/// What is known. Lost with the process: everything here can be learned again.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    uid: String,
    standing: Standing,
    /// Where the verdict in the status is of, whether or not the credentials could be used.
    place: Option<Place>,
    asked: Option<Asked>,
    faults: Option<Faults>,
    run_inputs: Option<Inputs>,
    run_wanted: bool,
    /// The database that holds what the status tells of.
    rows_in: Option<TargetKey>,
    outage: Option<Outage>,
}

/// What the verdict in the status was made of.
#[derive(Clone, Debug, Default)]
enum Standing {
    /// Not known: this process has only just begun with the object.
    #[default]
    New,
    /// There is none, or one of credentials that could not be used.
    Lost,
    /// These. The import filter does not count: the verdict is one about credentials.
    Of(Box<Inputs>),
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

    /// Meets the inputs, or finds none. A process that has only just begun takes the status for one of these inputs,
    /// where that is what it speaks of. From then on it sees what changes.
    pub fn meet(&mut self, inputs: Option<&Inputs>, inherited: Inherited) {
        let Inherited { observed, answered, held_up } = inherited;
        if matches!(self.standing, Standing::New) {
            let standing = inputs.filter(|_| observed && answered).map(|inputs| Box::new(inputs.clone()));
            self.standing = standing.map_or(Standing::Lost, Standing::Of);
            // Otherwise the last process made its run of this spec.
            self.run_inputs = inputs.filter(|_| observed && !held_up).cloned();
        }
    }

    /// The status says that this password was judged wrong, which counts where this process has not asked yet.
    pub fn remember_refusal(&mut self, inputs: &Inputs) {
        let remembered = || Asked { inputs: inputs.clone(), again: None, refusal: Refusal::Remembered };
        self.asked.get_or_insert_with(remembered);
    }

    /// Whether the refusal is one that only the status tells of, so that nobody has closed the gate yet.
    pub fn only_remembers(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.refusal == Refusal::Remembered)
    }

    /// Whether Bitbucket is to be asked now. `requested` is whether a person asks for it.
    pub fn ask(&self, inputs: &Inputs, requested: bool, now: Instant) -> bool {
        requested
            || match &self.asked {
                Some(asked) if asked.inputs.same_question(inputs) => asked.again.is_some_and(|again| now >= again),
                // A wrong password is not made right by another filter.
                Some(asked) => !(asked.refused() && asked.inputs.same_credentials(inputs)),
                None => true,
            }
    }

    /// Whether these credentials were judged wrong, so that the refusal holds for this Secret as it is now.
    pub fn refuses(&self, inputs: &Inputs) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.refused() && asked.inputs.same_credentials(inputs))
    }

    /// These credentials are still those that were judged wrong.
    pub fn refusal_holds(&mut self, inputs: &Inputs) {
        self.asked = Some(Asked { inputs: inputs.clone(), again: None, refusal: Refusal::Judged });
        self.standing = Standing::Of(Box::new(inputs.clone()));
    }

    /// Bitbucket was asked.
    pub fn answered(&mut self, inputs: &Inputs, outcome: &Outcome, interval: Duration, now: Instant) {
        let mut refusal = Refusal::No;
        let again = match outcome {
            Outcome::Fault { reason, message, retry_after } => {
                // What others met tells nothing of these, nor of how long to leave this server alone.
                let same = self.asked.as_ref().is_some_and(|asked| asked.inputs.same_access(inputs));
                let before = self.faults.as_ref().filter(|_| same);
                let (since, count) = before.map_or((now, 0), |faults| (faults.since, faults.count));
                let (count, message) = (count.saturating_add(1), message.clone());
                self.faults = Some(Faults { since, count, reason: *reason, message });
                if self.changed(inputs, true) {
                    self.standing = Standing::Lost;
                }
                let wait = backoff::jittered(backoff::wait(count, &self.uid), &self.uid);
                Some(retry_after.map_or(wait, |wanted| wait.max(backoff::at_least(wanted, &self.uid))))
            }
            Outcome::Verdict(verdict) => {
                self.standing = Standing::Of(Box::new(inputs.clone()));
                self.faults = None;
                match verdict {
                    Verdict::Refused(negative) if negative.wrong_password => {
                        refusal = Refusal::Judged;
                        None
                    }
                    Verdict::Refused(negative) if negative.reason == Reason::InvalidCredentials => {
                        Some(backoff::jittered(interval.max(IDENTITY_INTERVAL), &self.uid))
                    }
                    _ => Some(backoff::jittered(interval, &self.uid)),
                }
            }
        };
        self.asked = Some(Asked { inputs: inputs.clone(), again: again.map(|wait| now + wait), refusal });
    }

    /// There is no verdict any more, so that the next one is asked for at once. A refusal stays: what made the
    /// verdict go need not have made the password right.
    pub fn forget(&mut self) {
        self.standing = Standing::Lost;
        self.asked.take_if(|asked| !asked.refused());
        self.faults = None;
    }

    /// The fault that the last try met, if it met one: it stands until the next.
    pub fn fault(&self) -> Option<Outcome> {
        let Faults { reason, message, .. } = self.faults.as_ref()?;
        Some(Outcome::Fault { reason: *reason, message: message.clone(), retry_after: None })
    }

    /// A run of these inputs begins.
    pub fn run_started(&mut self, inputs: Inputs) {
        self.rows_in = Some(inputs.target());
        self.run_inputs = Some(inputs);
        self.run_wanted = false;
    }

    /// The run has ended. A good one has proven the credentials: they need no other proof for an interval.
    pub fn run_ended(&mut self, result: &Result<Summary, RunError>, interval: Duration, now: Instant) {
        if !matches!(result, Err(RunError::Destination(_))) {
            self.outage.iter_mut().for_each(Outage::passed);
        }
        let Ok(summary) = result else { return };
        // One that could import nothing proves nothing: why that is, a verification tells at once.
        let wait = if summary.proves_access() { interval } else { Duration::ZERO };
        let again = Some(now + backoff::jittered(wait, &self.uid));
        let run = self.run_inputs.as_ref();
        // A password that was judged wrong since then stays wrong.
        let same = |asked: &Asked| !asked.refused() && run.is_some_and(|run| asked.inputs.same_question(run));
        self.asked.iter_mut().filter(|asked| same(asked)).for_each(|asked| asked.again = again);
    }

    /// Whether somebody has looked whether this database holds what the status tells of.
    pub fn has_looked_into(&self, target: TargetKey) -> bool {
        self.rows_in == Some(target)
    }

    /// Somebody has. Where the rows are `lost`, a run is owed.
    pub fn looked_into(&mut self, target: TargetKey, lost: bool) {
        self.rows_in = Some(target);
        self.run_inputs.take_if(|_| lost);
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
    pub fn destination_failed(&mut self, of: TargetKey, state: DestinationState, interval: Duration, now: Instant) {
        let pace = (interval, self.uid.as_str());
        self.outage = Some(Outage::failed(self.outage.as_ref(), of, state, pace, now));
    }

    /// The database's fault, as long as it is left alone. None: nobody knows which database.
    pub fn destination(&mut self, of: Option<TargetKey>, now: Instant) -> Option<DestinationState> {
        self.outage.take_if(|outage| of.is_some_and(|of| outage.is_of_another(of)));
        self.outage.as_mut()?.rest(now)
    }

    /// Whether the verdict in the status was made of other credentials, or of another way. `observed` is whether
    /// the status speaks of the present generation, which is all that tells in a new process.
    pub fn changed(&self, inputs: &Inputs, observed: bool) -> bool {
        match &self.standing {
            Standing::Of(of) => !of.same_access(inputs),
            Standing::Lost => true,
            Standing::New => !observed,
        }
    }

    /// The same where there are no inputs: what the spec names is all that can be compared.
    pub fn moved(&self, place: &Place, observed: bool) -> bool {
        self.place.as_ref().map_or(!observed, |of| of != place)
    }

    /// What is decided now is of this place.
    pub fn decided_at(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Whether the last run was made of other inputs.
    pub fn run_outdated(&self, inputs: &Inputs) -> bool {
        self.run_inputs.as_ref() != Some(inputs)
    }

    /// What the last run, or the one under way, was made of.
    pub const fn run_inputs(&self) -> Option<&Inputs> {
        self.run_inputs.as_ref()
    }

    /// The way to Bitbucket, as far as the last tries tell.
    pub fn transport(&self, interval: Duration, now: Instant) -> Transport {
        match &self.faults {
            None => Transport::Working,
            Some(faults) if now.duration_since(faults.since) > interval * 2 => Transport::FaultyTooLong,
            Some(_) => Transport::Faulty,
        }
    }

    /// When something here is due by itself. During a run nothing is: its answers count as proof.
    pub fn next(&self, run_underway: bool, now: Instant) -> Option<Duration> {
        let ask = self.asked.as_ref().and_then(|asked| asked.again).filter(|_| !run_underway);
        let destination = self.outage.as_ref().and_then(Outage::until);
        ask.into_iter().chain(destination).map(|at| at.saturating_duration_since(now)).min()
    }
}
