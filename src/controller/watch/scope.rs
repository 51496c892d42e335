//! The controller of one namespace, or of all.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{self, Lookup, ObjectRef};
use kube::runtime::watcher;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::SecretWatch;
use super::anew::NoBackoff;
use super::streams::{connections, connections_of, secrets_of};
use super::waiting::Waiting;
use crate::controller::context::Context;
use crate::controller::reconcile::reconcile;
use crate::kubernetes::{Error, Guarded, WATCH_TIMEOUT_SECONDS};

/// A larger page stays in memory as long as the store.
const WATCH_PAGE: u32 = 50;
/// Reconciles under way at the end are waited for so long: the API server may be silent, and each of their steps may be the last.
const DRAIN: Duration = Duration::from_secs(4);

/// One namespace, or all, and what is known of it.
pub(super) struct Scope {
    pub namespace: Option<String>,
    pub secrets: SecretWatch,
    pub wakes: UnboundedReceiver<ObjectRef<Guarded>>,
    pub reader: reflector::Store<Guarded>,
    pub writer: reflector::store::Writer<Guarded>,
    pub waiting: Arc<Waiting>,
    pub concurrency: usize,
}

impl Scope {
    /// Runs until told to stop.
    pub async fn run(self, context: Arc<Context>, stop: CancellationToken) {
        let Self { namespace, secrets, mut wakes, reader, writer, waiting, concurrency } = self;
        let config = || watcher::Config::default().timeout(WATCH_TIMEOUT_SECONDS).page_size(WATCH_PAGE);
        let objects = connections(&context, namespace.as_deref(), config(), reader.clone(), writer, waiting);
        let of_secret = {
            let reader = reader.clone();
            move |secret: PartialObjectMeta<Secret>| connections_of(&reader, &secret)
        };
        let listed = reader.clone();
        let limit = u16::try_from(concurrency).unwrap_or(u16::MAX);
        let controller = Controller::for_stream(objects, reader)
            .trigger_backoff(NoBackoff)
            .with_config(controller::Config::default().concurrency(limit));
        let controller = match secrets {
            SecretWatch::Metadata => {
                let secrets = secrets_of(&context, namespace, config());
                controller.watches_stream(secrets.touched_objects(), of_secret)
            }
            SecretWatch::Off => controller,
        };
        let running = controller
            .reconcile_on(futures::stream::poll_fn(move |cx| wakes.poll_recv(cx)))
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(reconcile, retry, Arc::clone(&context))
            .for_each(|result| {
                report(&context, result);
                std::future::ready(())
            });
        let over = async {
            stop.cancelled().await;
            // kube's controller ends when its reconciles have, but never while it waits for the first list.
            if listed.wait_until_ready().now_or_never().is_some() {
                tokio::time::sleep(DRAIN).await;
            }
        };
        tokio::select! {
            () = running => {}
            () = over => {}
        }
    }
}

/// Whatever else fails is tried again by `reconcile` itself.
fn retry(_: Arc<Guarded>, _: &Error, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(5))
}

fn report(context: &Context, result: Result<(ObjectRef<Guarded>, Action), controller::Error<Error, watcher::Error>>) {
    match result {
        Ok((object, action)) => debug!(connection = connection(&object), ?action, "reconciled"),
        Err(controller::Error::ObjectNotFound(object)) => {
            let gone = ObjectRef::new(&object.name).within(object.namespace.as_deref().unwrap_or_default());
            context.forget(&gone);
        }
        Err(controller::Error::ReconcilerFailed(error, object)) => {
            debug!(connection = connection(&object), %error, "tried again");
        }
        // Each watch has told of it.
        Err(controller::Error::QueueError(_)) => {}
        Err(error) => warn!(%error, "tried again"),
    }
}

/// As spans name it: by that a line is known to be of one connection and of no other.
fn connection<K: Lookup>(object: &ObjectRef<K>) -> String {
    format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name)
}
