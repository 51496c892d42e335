//! Whether and when Bitbucket is asked, and what is remembered of the answer.

use std::sync::Arc;

use super::backoff;
use super::context::{Memory, Standing};
use super::dereference::Dereferenced;
use super::facts::{Observation, RunState};
use super::reconcile::Pass;
use crate::bitbucket::{Client, InvalidWay, Options, Patience};
use crate::sync::Filter;
use crate::verification::{Outcome, Verdict, no_way, verify};

impl Pass<'_> {
    /// Asks Bitbucket, if it is time to.
    pub(super) async fn observe(&self, memory: &mut Memory, run: &RunState, known: &Dereferenced) -> Observation {
        if matches!(run, RunState::Underway(_)) {
            // The run's own answers prove the credentials. Other inputs end it.
            if memory.run_inputs.as_ref().is_some_and(|inputs| *inputs != known.inputs) {
                memory.stop();
            }
            return Observation::Kept;
        }
        let refused = self.old.refused_secret.as_ref() == Some(&known.secret);
        let due = match &memory.asked {
            Some(inputs) if *inputs == known.inputs => memory.verify_at.is_some_and(|at| self.now >= at),
            Some(_) => true,
            // After a restart a Secret that was refused before is not sent again.
            None => !refused,
        };
        if !due && self.requested_at.is_none() {
            if memory.asked.is_none() {
                memory.asked = Some(known.inputs.clone());
                memory.standing = Standing::Of(Box::new(known.inputs.clone()));
            }
            return Observation::Kept;
        }
        let outcome = match self.client(known, Patience::default()) {
            Ok(client) => {
                if let Some(request) = &self.requested_at {
                    client.account().reopen(request);
                }
                memory.account = Some(Arc::clone(client.account()));
                verify(&client, &Filter::from(&self.object.spec.import)).await
            }
            Err(error) => no_way(error),
        };
        Observation::Asked { outcome, secret: known.secret.clone() }
    }

    /// A client for the connection's account, with the connection's limits.
    pub(super) fn client(&self, known: &Dereferenced, patience: Patience) -> Result<Client, InvalidWay> {
        let options = Options { concurrency: self.concurrency(), patience };
        Client::new(&self.context.gates, known.url.clone(), known.credentials.clone(), &known.way, options)
    }

    /// Requests, and so repositories, at a time.
    pub(super) fn concurrency(&self) -> usize {
        usize::try_from(self.object.spec.limits.concurrency).unwrap_or(1).clamp(1, 16)
    }

    /// Whether the kept verdict is of other inputs than these.
    pub(super) fn changed(&self, memory: &Memory, known: &Dereferenced) -> bool {
        match &memory.standing {
            Standing::Of(inputs) => **inputs != known.inputs,
            Standing::Lost => true,
            // Before this process has asked, the generation is all that tells.
            Standing::New => self.old.observed_generation != self.object.metadata.generation,
        }
    }

    /// Notes what was learned, and when to ask again.
    pub(super) fn remember(&self, memory: &mut Memory, observation: &Observation, known: &Dereferenced) {
        let Observation::Asked { outcome, .. } = observation else { return };
        memory.asked = Some(known.inputs.clone());
        match outcome {
            Outcome::Fault { retry_after, .. } => {
                memory.faulty_since.get_or_insert(self.now);
                memory.failures = memory.failures.saturating_add(1);
                let wait = backoff::wait(memory.failures, &memory.uid);
                memory.verify_at = Some(self.now + retry_after.map_or(wait, |wanted| wanted.max(wait)));
            }
            Outcome::Verdict(verdict) => {
                memory.standing = Standing::Of(Box::new(known.inputs.clone()));
                memory.failures = 0;
                memory.faulty_since = None;
                let interval = backoff::jittered(self.object.spec.verify_interval.into(), &memory.uid);
                let wrong = matches!(verdict, Verdict::Refused(negative) if negative.wrong_password);
                memory.verify_at = (!wrong).then(|| self.now + interval);
            }
        }
    }
}
