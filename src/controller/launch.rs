//! Starting the tasks of a connection: verifications and sync runs.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::{error_span, info, warn};

use super::context::PROGRESS_INTERVAL;
use super::context::{Asking, Following, Memory, Underway};
use super::dereference::Dereferenced;
use super::metrics::Counted;
use super::pass::Pass;
use super::tasks::Task;
use crate::api::Reason;
use crate::api::status::Trigger;
use crate::bitbucket::{Client, InvalidWay, Options, Patience, RETRY_WAITS, Rate};
use crate::destination::Destination;
use crate::sync::{Filter, Progress, Run, RunError};
use crate::verification::{Outcome, Past, no_way, verify};

impl Pass<'_> {
    /// Asks Bitbucket whether the credentials are good.
    pub(super) fn ask(&self, memory: &mut Memory, known: &Dereferenced, past: Past) {
        let stop = self.context.stop.child_token();
        let (stopped, patience) = (stop.clone(), Patience { stop: stop.clone(), waits: &[] });
        let client = self.client(known, &memory.rate, patience, self.requested_at.clone());
        if let Ok(client) = &client {
            memory.bitbucket = Some(client.clone());
        }
        let filter = Filter::from(&self.object.spec.import);
        if past == Past::Verified {
            self.context.clients.account(&known.url, &known.credentials).vouch();
        }
        let metrics = self.context.metrics.clone();
        let work = async move {
            let outcome = match client {
                Ok(client) => verify(&client, &filter, past).await,
                Err(error) => no_way(error),
            };
            // Whoever is told to stop has found out nothing.
            if !stopped.is_cancelled() {
                metrics.verified(outcome.reason());
            }
            outcome
        };
        let broken = Outcome::Fault {
            reason: Reason::UnexpectedAnswer,
            message: "The verification broke off. See the operator's log; it is tried again.".to_owned(),
            retry_after: None,
        };
        let span = error_span!(parent: None, "verification", connection = self.connection);
        memory.asking = Some(Asking {
            task: Task::start(span, work, broken, stop, self.wake()),
            inputs: known.inputs.clone(),
            secret: known.secret.clone(),
            requested_at: self.requested_at.clone(),
        });
    }

    /// Starts a run that was claimed.
    pub(super) fn sync(&self, memory: &mut Memory, trigger: Trigger, known: Dereferenced, destination: Destination) {
        let stop = self.context.stop.child_token();
        let patience = Patience { stop: stop.clone(), waits: RETRY_WAITS };
        let client = match self.client(&known, &memory.rate, patience, None) {
            Ok(client) => client,
            Err(error) => return warn!(%error, "no client for the sync run"),
        };
        let Some(handle) = memory.destination.clone() else { return };
        let metrics = self.context.metrics.clone();
        let progress = Arc::new(Progress::counted(metrics.commits_added.clone(), metrics.commits_removed.clone()));
        let run = Run {
            client,
            destination,
            key: self.context.key(self.object),
            filter: Filter::from(&self.object.spec.import),
            concurrency: self.object.spec.limits.at_a_time(),
            progress: Arc::clone(&progress),
            hints: memory.hints.clone(),
        };
        memory.knowledge.run_started(known.inputs);
        let (following, walking) = (memory.following.take(), Arc::clone(&memory.walking));
        let (turns, waiting, lead) = (Arc::clone(&self.context.turns), stop.clone(), self.context.lead.clone());
        let work = async move {
            // Whoever has waited longest is next.
            if turns.available_permits() == 0 {
                info!(?trigger, "sync run waits until another one has ended (--max-concurrent-syncs)");
            }
            let turn = {
                let _waiting = Counted::new(&metrics.runs_waiting);
                waiting.run_until_cancelled(turns.acquire_owned()).await
            };
            let Some(Ok(_turn)) = turn else { return Err(RunError::Stopped) };
            // Told to end, after the repository that it is at.
            drop(following);
            let Some(_alone) = waiting.run_until_cancelled(walking.lock_owned()).await else {
                return Err(RunError::Stopped);
            };
            info!(?trigger, "sync run started");
            let _under_way = Counted::new(&metrics.runs_under_way);
            let counted = metrics.run_began();
            let result = run.run().await;
            // Whoever does not lead any more is refused by the database too.
            counted.ended(if lead.holds() { &result } else { &Err(RunError::Stopped) });
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
            result
        };
        let claim = memory.written.as_ref().and_then(|status| status.sync.as_ref());
        let run = claim.map(|sync| sync.start_time.0.to_string());
        let span = error_span!(parent: None, "run", connection = self.connection, run);
        let task = Task::start(span, work, Err(RunError::Broken), stop, self.wake());
        memory.run = Some(Underway {
            task,
            destination: handle,
            progress,
            since: Timestamp::now(),
            show_at: self.now + PROGRESS_INTERVAL,
        });
    }

    /// Looks at the repositories that somebody has pushed to, where no run does. This is no run: the status stays.
    pub(super) fn follow_hints(&self, memory: &mut Memory, known: &Dereferenced, destination: Destination) {
        let stop = self.context.stop.child_token();
        let stopped = stop.clone();
        let patience = Patience { stop: stop.clone(), waits: RETRY_WAITS };
        let client = match self.client(known, &memory.rate, patience, None) {
            Ok(client) => client,
            Err(error) => return warn!(%error, "no client for what was pushed"),
        };
        let metrics = &self.context.metrics;
        let run = Run {
            client,
            destination,
            key: self.context.key(self.object),
            filter: Filter::from(&self.object.spec.import),
            concurrency: 1,
            progress: Arc::new(Progress::counted(metrics.commits_added.clone(), metrics.commits_removed.clone())),
            hints: memory.hints.clone(),
        };
        let walking = Arc::clone(&memory.walking);
        let work = async move {
            let _alone = walking.lock_owned().await;
            match run.follow_hints(&stopped).await {
                Ok(()) | Err(RunError::Stopped) => {}
                Err(error) => {
                    run.hints.clear();
                    warn!(%error, "what was pushed waits for the next run");
                }
            }
        };
        let span = error_span!(parent: None, "hints", connection = self.connection);
        let task = Task::start(span, work, (), stop, self.wake());
        memory.following = Some(Following { task, inputs: known.inputs.clone() });
    }

    /// A client for the connection's account, with the connection's limits.
    fn client(
        &self,
        known: &Dereferenced,
        rate: &Rate,
        patience: Patience,
        reopen: Option<String>,
    ) -> Result<Client, InvalidWay> {
        let options = Options { concurrency: self.object.spec.limits.at_a_time(), patience, reopen };
        let client = self.context.clients.client(known.url.clone(), known.credentials.clone(), &known.way, options)?;
        Ok(client.paced(rate.clone()))
    }
}
