//! The finalizer: an object that has it cannot go before its rows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::status::FIELD_MANAGER;
use super::version::{is_older, newest};
use crate::api::{BitbucketConnection, FINALIZER};
use crate::controller::context::{Context, Memory};
use crate::kubernetes::{Error, leading};

/// Whether the object has it. The watch may still show how it was before it was written.
pub fn holds(metadata: &ObjectMeta, memory: &mut Memory) -> bool {
    let shown = metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
    // What is shown of a later time counts, whoever has written that.
    memory.holds.take_if(|(_, version)| !is_older(metadata.resource_version.as_deref(), version));
    memory.holds.as_ref().map_or(shown, |(held, _)| *held)
}

/// Puts it on or takes it off. False, if the object is gone.
pub async fn set(context: &Context, metadata: &ObjectMeta, memory: &mut Memory, hold: bool) -> Result<bool, Error> {
    if holds(metadata, memory) == hold {
        return Ok(true);
    }
    let others = metadata.finalizers.iter().flatten().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER);
    // Others' finalizers are written as they were looked at, or not at all.
    let patch = json!({"metadata": {
        "uid": metadata.uid,
        "resourceVersion": newest(metadata.resource_version.clone(), memory.version.take()),
        "finalizers": others.chain(hold.then_some(FINALIZER)).collect::<Vec<_>>(),
    }});
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let objects: Api<BitbucketConnection> = Api::namespaced(context.client.clone(), namespace);
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(patch);
    match leading(&context.lead, objects.patch_metadata(name, &parameters, &patch)).await {
        Ok(object) => {
            memory.version.clone_from(&object.metadata.resource_version);
            memory.holds = object.metadata.resource_version.map(|version| (hold, version));
            Ok(true)
        }
        Err(Error::Kube(kube::Error::Api(status))) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
