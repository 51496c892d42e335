//! What wakes a reconcile: the object's spec or annotation, its Secret, the end of its run, and time.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, predicates};
use kube::{Api, Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Guarded;
use super::context::Context;
use super::error::Error;
use super::reconcile::reconcile;
use crate::api::REQUESTED_AT;

/// Load balancers cut idle connections after four minutes; a watch must end by itself before.
const WATCH_TIMEOUT_SECONDS: u32 = 200;
/// A larger page stays in memory as long as the store.
const WATCH_PAGE: u32 = 50;
/// Reconciles at a time. They wait for the API server at the most: Bitbucket is asked by tasks of their own.
const CONCURRENCY: u16 = 16;

/// What to watch.
#[derive(Debug)]
pub struct Watch {
    /// The namespace, or None for all.
    pub namespace: Option<String>,
    /// The other end of `Context::wake`.
    pub wakes: mpsc::UnboundedReceiver<ObjectRef<Guarded>>,
    /// Told true when all objects are known.
    pub ready: watch::Sender<bool>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Runs until told to stop; reconciles under way are waited for.
pub async fn run(context: Arc<Context>, watch: Watch) {
    let Watch { namespace, mut wakes, ready, stop } = watch;
    let config = || watcher::Config::default().timeout(WATCH_TIMEOUT_SECONDS).page_size(WATCH_PAGE);
    let (reader, writer) = reflector::store();
    let objects = connections(&context, namespace.as_deref(), config(), writer);
    let secrets: Api<PartialObjectMeta<Secret>> = api(&context.client, namespace.as_deref());
    let of_secret = {
        let reader = reader.clone();
        move |secret: PartialObjectMeta<Secret>| connections_of(&reader, &secret)
    };
    let known = {
        let reader = reader.clone();
        async move {
            if reader.wait_until_ready().await.is_ok() {
                let _ = ready.send(true);
            }
        }
    };
    let controller = Controller::for_stream(objects, reader)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .watches(secrets, config(), of_secret)
        .reconcile_on(futures::stream::poll_fn(move |cx| wakes.poll_recv(cx)))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, retry, Arc::clone(&context))
        .for_each(|result| {
            report(&context, result);
            std::future::ready(())
        });
    tokio::join!(controller, known);
}

/// The connections, into the store, and out of it those whose spec, deletion or annotation is new. A status
/// that was written, above all by this operator, wakes nobody.
fn connections(
    context: &Arc<Context>,
    namespace: Option<&str>,
    config: watcher::Config,
    writer: reflector::store::Writer<Guarded>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
    let objects: Api<Guarded> = api(&context.client, namespace);
    let context = Arc::clone(context);
    watcher(objects, config)
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| {
            if let Ok(Event::Delete(object)) = event {
                context.forget(&ObjectRef::from_obj(object));
            }
        })
        .applied_objects()
        .predicate_filter(
            kube::runtime::utils::Predicate::combine(predicates::generation, requested_at),
            kube::runtime::utils::PredicateConfig::default(),
        )
}

fn requested_at(object: &Guarded) -> Option<u64> {
    object.annotations().get(REQUESTED_AT).map(|value| super::decision::stable_hash(value))
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The connections that reference a Secret.
fn connections_of(
    connections: &reflector::Store<Guarded>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<Guarded>> {
    let (namespace, name) = (secret.namespace(), secret.name_any());
    let references = |object: &Guarded| {
        object.namespace() == namespace
            && object.0.as_ref().is_ok_and(|object| object.spec.secrets().any(|secret| secret == name))
    };
    connections
        .state_filter(|object| references(object))
        .iter()
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the controller asks for this signature")]
fn retry(object: Arc<Guarded>, error: &Error, _: Arc<Context>) -> Action {
    warn!(connection = %ObjectRef::from_obj(object.as_ref()), %error, "tried again in 5 s");
    Action::requeue(Duration::from_secs(5))
}

fn report(context: &Context, result: Result<(ObjectRef<Guarded>, Action), controller::Error<Error, watcher::Error>>) {
    match result {
        Ok((object, action)) => debug!(%object, ?action, "reconciled"),
        Err(controller::Error::ObjectNotFound(object)) => {
            let gone = ObjectRef::new(&object.name).within(object.namespace.as_deref().unwrap_or_default());
            context.forget(&gone);
        }
        // Said by `retry` already.
        Err(controller::Error::ReconcilerFailed(..)) => {}
        Err(error) => warn!(%error, "the watch is tried again"),
    }
}
