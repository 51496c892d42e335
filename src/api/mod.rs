//! The custom resource: spec, status, conditions, reasons. No I/O.

pub mod conditions;
pub mod crd;
pub mod destination;
pub mod owner;
pub mod reason;
pub mod spec;
pub mod status;
pub mod times;
pub mod webhook;

pub use reason::Reason;
pub use spec::{BitbucketConnection, BitbucketConnectionSpec};
pub use status::BitbucketConnectionStatus;

/// The API group, also the prefix of annotations and the field manager's home.
pub const GROUP: &str = "bitbucket-connector.dev";

/// Any new value of this annotation verifies and syncs at once; the handled value is echoed in
/// `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "bitbucket-connector.dev/requestedAt";

/// The finalizer of a connection whose rows are removed before it goes.
pub const FINALIZER: &str = "bitbucket-connector.dev/rows";
