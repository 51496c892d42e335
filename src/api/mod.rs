//! The custom resource: spec, status, conditions, reasons. No I/O.

pub mod conditions;
pub mod crd;
pub mod destination;
pub mod limits;
pub mod owner;
pub mod reason;
pub mod spec;
pub mod status;
pub mod times;
pub mod webhook;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
pub use reason::Reason;
pub use spec::{BitbucketConnection, BitbucketConnectionSpec};
pub use status::BitbucketConnectionStatus;
use status::RefusedSecret;

/// The API group, also the prefix of annotations.
pub const GROUP: &str = "bitbucket-connector.dev";

/// Any new value of this annotation verifies and syncs at once; the handled value is echoed in
/// `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "bitbucket-connector.dev/requestedAt";

/// The finalizer of a connection whose rows are removed before it goes.
pub const FINALIZER: &str = "bitbucket-connector.dev/rows";

/// The password that was judged wrong and what was said of it, if it is still the one that is used as far as the status tells: the
/// Secret may have changed since.
pub fn refused(object: &BitbucketConnection) -> Option<(&RefusedSecret, &Condition)> {
    let status = object.status.as_ref()?;
    let refused = status.refused_secret.as_ref().filter(|refused| refused.url == object.spec.url)?;
    let verified = conditions::find(&status.conditions, conditions::VERIFIED)?;
    (verified.reason == Reason::InvalidCredentials.as_str()).then_some((refused, verified))
}
