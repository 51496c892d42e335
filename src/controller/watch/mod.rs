//! What wakes a reconcile: the object's spec, annotation or finalizers, its Secret, the end of its run, and time.

mod anew;
mod hearing;
mod scope;
mod streams;
mod waiting;

use std::sync::Arc;

use futures::future::join_all;
use kube::runtime::reflector::{self, ObjectRef};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::hearing::Deaf;
use self::scope::Scope;
use self::waiting::Waiting;
use super::context::Context;
use crate::kubernetes::Guarded;

/// Reconciles at a time. They wait for the API server at the most: Bitbucket is asked by tasks of their own.
const CONCURRENCY: usize = 16;

/// How the operator learns that a Secret has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SecretWatch {
    /// The metadata of Secrets is watched, so that a change is heard of at once.
    #[default]
    Metadata,
    /// Secrets are only read, whenever a connection is looked at: at the latest after its spec.verifyInterval.
    Off,
}

/// What to watch.
#[derive(Debug)]
pub struct Watch {
    /// The namespaces; none are all.
    pub namespaces: Vec<String>,
    /// How Secrets are watched.
    pub secrets: SecretWatch,
    /// The other end of `Context::wake`.
    pub wakes: UnboundedReceiver<ObjectRef<Guarded>>,
    /// Told what is waited for, until all objects are known.
    pub ready: watch::Sender<Vec<String>>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Runs until told to stop; reconciles under way are waited for. Namespaces that are named have a watch each: without a
/// right in one of them, the others go on.
pub async fn run(context: Arc<Context>, watch: Watch) {
    let Watch { namespaces, secrets, wakes, ready, stop } = watch;
    let scopes: Vec<_> = if namespaces.is_empty() { vec![None] } else { namespaces.into_iter().map(Some).collect() };
    let concurrency = (CONCURRENCY / scopes.len()).max(1);
    let (mut routes, mut known, mut waited, mut stores, mut controllers) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for namespace in scopes {
        let (wake, wakes) = mpsc::unbounded_channel();
        let (reader, writer) = reflector::store();
        let waiting = Arc::new(Waiting::new(namespace.as_deref(), &ready));
        waited.push(waiting.what());
        stores.push(reader.clone());
        known.push(known_once(reader.clone(), Arc::clone(&waiting)));
        let scope = Scope { namespace: namespace.clone(), secrets, wakes, reader, writer, waiting, concurrency };
        controllers.push(scope.run(Arc::clone(&context), stop.clone()));
        routes.push((namespace, wake));
    }
    ready.send_replace(waited);
    context.connections.watch(stores);
    let route = route(wakes, &routes);
    tokio::select! {
        _ = async { tokio::join!(join_all(controllers), join_all(known)) } => {}
        () = route => {}
    }
    // Somebody else looks after them.
    context.connections.watch(Vec::new());
}

/// Nothing is waited for when a list has come.
async fn known_once(reader: reflector::Store<Guarded>, waiting: Arc<Waiting>) {
    if reader.wait_until_ready().await.is_ok() {
        waiting.over();
    }
}

/// Hands each wake to the watch of its namespace, for ever.
async fn route(
    mut wakes: UnboundedReceiver<ObjectRef<Guarded>>,
    routes: &[(Option<String>, UnboundedSender<ObjectRef<Guarded>>)],
) {
    while let Some(object) = wakes.recv().await {
        for (_, wake) in routes.iter().filter(|(namespace, _)| namespace.is_none() || *namespace == object.namespace) {
            // Whoever does not listen any more is about to end.
            let _ = wake.send(object.clone());
        }
    }
    std::future::pending::<()>().await;
}
