//! Work that outlives a reconcile: verifications, sync runs and removals of rows. Reconciles stay short, look at the work through
//! a handle, and are woken when it ends.

use std::sync::{Arc, OnceLock};

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, error};

use crate::kubernetes::Guarded;

/// Where the end of a task is told.
#[derive(Clone, Debug)]
pub struct Wake {
    /// The object whose reconcile is woken.
    pub object: ObjectRef<Guarded>,
    /// To the controller.
    pub sender: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

/// A task under way, or ended. Dropping it asks the task to stop.
#[derive(Debug)]
pub struct Task<T> {
    result: Arc<OnceLock<T>>,
    stop: CancellationToken,
}

impl<T: Clone + Send + Sync + 'static> Task<T> {
    /// Starts `work`, which heeds `stop`, in `span`. `broken` is its result if it panics.
    pub fn start(
        span: Span,
        work: impl Future<Output = T> + Send + 'static,
        broken: T,
        stop: CancellationToken,
        wake: Wake,
    ) -> Self {
        let result = Arc::new(OnceLock::new());
        let cell = Arc::clone(&result);
        let work = tokio::spawn(work.instrument(span.clone()));
        let watch = async move {
            let ended = work.await.unwrap_or_else(|join| {
                error!(%join, "a task broke off");
                broken
            });
            // Woken only when there is something to see. Nobody listens only when the operator is ending.
            let _ = cell.set(ended);
            let _ = wake.sender.send(wake.object);
        };
        tokio::spawn(watch.instrument(span));
        Self { result, stop }
    }

    /// Asks the task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether it is still under way.
    pub fn is_under_way(&self) -> bool {
        self.result.get().is_none()
    }

    /// How it ended; None while it is under way. It may be asked for until the task is dropped.
    pub fn result(&self) -> Option<T> {
        self.result.get().cloned()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
