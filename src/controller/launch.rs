//! Starting the sync run of a reconcile, and looking after it.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::Memory;
use super::dereference::Dereferenced;
use super::facts::RunState;
use super::reconcile::Pass;
use super::runs::RunHandle;
use crate::api::status::Trigger;
use crate::bitbucket::{Patience, RETRY_WAITS};
use crate::destination::{ConnectionKey, Destination};
use crate::sync::{Filter, Run};

/// Progress is shown at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

impl Pass<'_> {
    /// What the run does, and its end, which is told once.
    pub(super) fn look_at_run(&self, memory: &mut Memory) -> RunState {
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

    /// Starts a run that was claimed.
    pub(super) fn start(&self, memory: &mut Memory, trigger: Trigger, known: Dereferenced, destination: Destination) {
        let client = match self.client(&known, Patience { stop: CancellationToken::new(), waits: RETRY_WAITS }) {
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
        };
        info!(?trigger, "sync run started");
        memory.run_inputs = Some(known.inputs);
        memory.progress_at = Some(self.now + PROGRESS_INTERVAL);
        let span = tracing::Span::current();
        memory.run = Some(RunHandle::start(run, span, self.reference.clone(), self.context.wake.clone()));
    }
}
