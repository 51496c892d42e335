//! The one writer of a status: compares, then writes all of it.

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tracing::debug;

use super::context::Context;
use super::error::{Error, within};
use crate::api::BitbucketConnection;
use crate::api::status::BitbucketConnectionStatus;

/// Who owns the status in `managedFields`.
pub const FIELD_MANAGER: &str = "bitbucket-connector";

/// Writes `new` where it differs from `old`, and the object's version into `written`. False, if the object is gone. A conflict,
/// as with another object of the same name or with what another operator has written since, is an error: by the next try the
/// watch shows what is there.
pub async fn write(
    context: &Context,
    object: &BitbucketConnection,
    old: &BitbucketConnectionStatus,
    new: &BitbucketConnectionStatus,
    written: &mut Option<String>,
) -> Result<bool, Error> {
    if old == new {
        return Ok(true);
    }
    if !context.lead.holds() {
        return Err(Error::NoLead);
    }
    let patch = json!({
        "apiVersion": BitbucketConnection::api_version(&()),
        "kind": BitbucketConnection::kind(&()),
        // With the uid the write meets this object and not another one of the same name, and with the version as it was
        // looked at.
        "metadata": {
            "name": object.name_any(),
            "uid": object.uid(),
            "resourceVersion": newest(object.resource_version(), written.take()),
        },
        "status": new,
    });
    let objects: Api<BitbucketConnection> =
        Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    // Forced: nobody else owns this status.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match within(objects.patch_status(&object.name_any(), &params, &Patch::Apply(patch))).await {
        Ok(object) => {
            *written = object.resource_version();
            Ok(true)
        }
        Err(Error::Kube(kube::Error::Api(status))) if status.is_not_found() => {
            debug!("the object is gone");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The later one of the watch's version and the one that was written: the watch may be behind. They can be compared since
/// Kubernetes 1.35 by its word (KEP 5504), and before by how it was.
pub(super) fn newest(watched: Option<String>, written: Option<String>) -> Option<String> {
    let number = |version: &Option<String>| version.as_ref().and_then(|version| version.parse::<u64>().ok());
    if number(&written) > number(&watched) { written } else { watched }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_version_counts_and_what_cannot_be_compared_is_the_watchs() {
        let newest = |a: &str, b: Option<&str>| newest(Some(a.to_owned()), b.map(str::to_owned)).unwrap();
        assert_eq!(newest("9", Some("10")), "10");
        assert_eq!(newest("11", Some("10")), "11");
        assert_eq!(newest("11", None), "11");
        assert_eq!(newest("11", Some("odd")), "11");
    }
}
