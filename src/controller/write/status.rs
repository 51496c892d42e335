//! The one writer of a status: compares, then writes all of it.

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tracing::debug;

use super::version::newest;
use crate::api::BitbucketConnection;
use crate::api::status::BitbucketConnectionStatus;
use crate::controller::context::{Context, Memory};
use crate::controller::metrics::Written;
use crate::kubernetes::{Error, leading};

/// Who owns the status in `managedFields`.
pub const FIELD_MANAGER: &str = "bitbucket-connector";

/// Writes `new` where it differs from `old`, and remembers the object's version. False, if the object is gone. A conflict,
/// as with another object of the same name or with what another operator has written since, is an error: by the next try the
/// watch shows what is there.
pub async fn write(
    context: &Context,
    object: &BitbucketConnection,
    old: &BitbucketConnectionStatus,
    new: &BitbucketConnectionStatus,
    memory: &mut Memory,
) -> Result<bool, Error> {
    if old == new && !memory.unsure {
        memory.version = newest(object.resource_version(), memory.version.take());
        return Ok(true);
    }
    let patch = json!({
        "apiVersion": BitbucketConnection::api_version(&()),
        "kind": BitbucketConnection::kind(&()),
        // With the uid the write meets this object and not another one of the same name, and with the version as it was
        // looked at.
        "metadata": {
            "name": object.name_any(),
            "uid": object.uid(),
            "resourceVersion": newest(object.resource_version(), memory.version.take()),
        },
        "status": new,
    });
    let objects: Api<BitbucketConnection> =
        Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    // Forced: nobody else owns this status.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    // It may be done although no answer comes: then `old` is not what is there.
    memory.unsure = true;
    let (name, patch) = (object.name_any(), Patch::Apply(patch));
    let written = leading(&context.lead, objects.patch_status(&name, &params, &patch)).await;
    context.metrics.written(match &written {
        Ok(_) => Written::Applied,
        Err(Error::Kube(kube::Error::Api(status))) if status.is_conflict() => Written::Conflict,
        Err(_) => Written::Failed,
    });
    match written {
        Ok(object) => {
            memory.version = object.resource_version();
            memory.unsure = false;
            Ok(true)
        }
        Err(Error::Kube(kube::Error::Api(status))) if status.is_not_found() => {
            debug!("the object is gone");
            Ok(false)
        }
        Err(error) => {
            if matches!(&error, Error::Kube(kube::Error::Api(status)) if status.is_conflict()) {
                // Somebody else has written, and may have found out more: what the watch shows then is gone on from, and not what
                // this process wrote before. Where it shows that not yet, the next write is refused too.
                memory.written = None;
            }
            Err(error)
        }
    }
}
