//! What wakes a reconcile: the object's spec, annotation or finalizers, its Secret, the end of its run, and time.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::{Predicate, PredicateConfig};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, predicates};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Guarded;
use super::anew::{NoBackoff, watched};
use super::context::Context;
use super::error::Error;
use super::hearing::{Hearing, Subject};
use super::reconcile::reconcile;
use super::waiting::Waiting;
use crate::api::REQUESTED_AT;

/// Load balancers cut idle connections after four minutes; a watch must end by itself before.
pub const WATCH_TIMEOUT_SECONDS: u32 = 200;
/// A larger page stays in memory as long as the store.
const WATCH_PAGE: u32 = 50;
/// Reconciles at a time. They wait for the API server at the most: Bitbucket is asked by tasks of their own.
const CONCURRENCY: usize = 16;

/// Reconciles under way at the end are waited for so long: the API server may be silent, and each of their steps may be the last.
const DRAIN: Duration = Duration::from_secs(4);

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
    context.metrics.connections.watch(stores);
    let route = route(wakes, &routes);
    tokio::select! {
        _ = async { tokio::join!(join_all(controllers), join_all(known)) } => {}
        () = route => {}
    }
    // Somebody else looks after them.
    context.metrics.connections.watch(Vec::new());
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

/// One namespace, or all, and what is known of it.
struct Scope {
    namespace: Option<String>,
    secrets: SecretWatch,
    wakes: UnboundedReceiver<ObjectRef<Guarded>>,
    reader: reflector::Store<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    waiting: Arc<Waiting>,
    concurrency: usize,
}

impl Scope {
    async fn run(self, context: Arc<Context>, stop: CancellationToken) {
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

/// The connections, into the store, and out of it those whose spec, deletion or annotation is new. A status
/// that was written, above all by this operator, wakes nobody.
fn connections(
    context: &Arc<Context>,
    namespace: Option<&str>,
    config: watcher::Config,
    reader: reflector::Store<Guarded>,
    writer: reflector::store::Writer<Guarded>,
    waiting: Arc<Waiting>,
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send + use<> {
    let objects: Api<Guarded> = api(&context.client, namespace);
    let context = Arc::clone(context);
    let mut hearing = Hearing::new(Subject::Connections, namespace);
    watched(objects, config)
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| {
            if let Some(standing) = hearing.hear(event) {
                waiting.note(standing);
            }
            if let Ok(Event::Delete(object)) = event {
                context.forget(&ObjectRef::from_obj(object));
            }
        })
        .flat_map(move |event| futures::stream::iter(known(event, &reader)))
        .predicate_filter(
            predicates::generation.combine(requested_at).combine(predicates::finalizers),
            PredicateConfig::default(),
        )
}

/// The metadata of Secrets.
fn secrets_of(
    context: &Arc<Context>,
    namespace: Option<String>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<PartialObjectMeta<Secret>>, watcher::Error>> + Send + use<> {
    let secrets = api(&context.client, namespace.as_deref());
    let context = Arc::clone(context);
    let mut hearing = Hearing::new(Subject::Secrets, namespace.as_deref());
    watched(secrets, config).inspect(move |event| {
        if let Some(standing) = hearing.hear(event) {
            context.deaf.note(namespace.as_deref(), standing);
        }
    })
}

/// The objects to look at after an event. Those of a list are in the store only when its last page has come.
fn known(
    event: Result<Event<Guarded>, watcher::Error>,
    reader: &reflector::Store<Guarded>,
) -> impl Iterator<Item = Result<Guarded, watcher::Error>> + use<> {
    let (one, all) = match event {
        Ok(Event::Apply(object)) => (Some(Ok(object)), Vec::new()),
        Ok(Event::InitDone) => (None, reader.state()),
        Ok(Event::Init | Event::InitApply(_) | Event::Delete(_)) => (None, Vec::new()),
        Err(error) => (Some(Err(error)), Vec::new()),
    };
    one.into_iter().chain(all.into_iter().map(|object| Ok(object.as_ref().clone())))
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
    let (namespace, name) = (&secret.meta().namespace, secret.name_any());
    // Each Secret meets each connection when all are listed.
    let references = |object: &Guarded| {
        object.meta().namespace == *namespace
            && object.0.as_ref().is_ok_and(|object| object.spec.secrets().any(|secret| secret == name))
    };
    connections
        .state_filter(|object| references(object))
        .iter()
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

/// Whatever else fails is tried again by `reconcile` itself.
fn retry(_: Arc<Guarded>, _: &Error, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(5))
}

fn report(context: &Context, result: Result<(ObjectRef<Guarded>, Action), controller::Error<Error, watcher::Error>>) {
    match result {
        Ok((object, action)) => debug!(%object, ?action, "reconciled"),
        Err(controller::Error::ObjectNotFound(object)) => {
            let gone = ObjectRef::new(&object.name).within(object.namespace.as_deref().unwrap_or_default());
            context.forget(&gone);
        }
        Err(controller::Error::ReconcilerFailed(error, object)) => debug!(%object, %error, "tried again"),
        // Each watch has told of it.
        Err(controller::Error::QueueError(_)) => {}
        Err(error) => warn!(%error, "tried again"),
    }
}
