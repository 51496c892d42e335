//! What the API server tells of connections and Secrets, and whom that concerns.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::utils::{Predicate, PredicateConfig};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, predicates};
use kube::{Api, Client, Resource, ResourceExt};

use super::anew::watched;
use super::hearing::{Hearing, Subject};
use super::waiting::Waiting;
use crate::api::REQUESTED_AT;
use crate::controller::context::Context;
use crate::controller::decision::stable_hash;
use crate::kubernetes::Guarded;

/// The connections, into the store, and out of it those whose spec, deletion or annotation is new. A status
/// that was written, above all by this operator, wakes nobody.
pub(super) fn connections(
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
pub(super) fn secrets_of(
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
    object.annotations().get(REQUESTED_AT).map(|value| stable_hash(value))
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
pub(super) fn connections_of(
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
