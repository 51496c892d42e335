//! Sync runs as tasks of their own: reconciles stay short, look at a run through its handle, and are woken
//! when it ends.

use std::sync::Arc;

use futures::FutureExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, error};

use super::Guarded;
use crate::sync::{Progress, Run, RunError, Summary};

/// A run under way. Dropping the handle stops the run at its next page.
#[derive(Debug)]
pub struct RunHandle {
    task: JoinHandle<Result<Summary, RunError>>,
    stop: CancellationToken,
    progress: Arc<Progress>,
}

impl RunHandle {
    /// Starts a run; `wake` hears of `object` when it has ended.
    pub fn start(
        run: Run,
        span: Span,
        object: ObjectRef<Guarded>,
        wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
    ) -> Self {
        let (stop, progress) = (run.client.stop().clone(), Arc::clone(&run.progress));
        let work = async move {
            let result = run.run().await;
            // Nobody listens only when the operator is ending.
            let _ = wake.send(object);
            result
        };
        Self { task: tokio::spawn(work.instrument(span)), stop, progress }
    }

    /// Asks the run to end at its next page.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether the run was asked to end.
    pub fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Repositories done, repositories in all, commits stored.
    pub fn progress(&self) -> (u64, u64, u64) {
        self.progress.read()
    }

    /// How the run ended; None while it is under way.
    pub fn result(&mut self) -> Option<Result<Summary, RunError>> {
        let joined = (&mut self.task).now_or_never()?;
        Some(joined.unwrap_or_else(|join| {
            error!(%join, "a sync run broke off");
            Err(RunError::Broken)
        }))
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
