//! One pass over one object, which `gather`, `reconcile` and `launch` are the steps of.

use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use super::context::Context;
use super::tasks::Wake;
use crate::api::BitbucketConnection;
use crate::api::status::BitbucketConnectionStatus;
use crate::kubernetes::Guarded;

/// What one reconcile has in hand.
pub(super) struct Pass<'a> {
    pub context: &'a Context,
    pub object: &'a BitbucketConnection,
    pub reference: ObjectRef<Guarded>,
    /// As logs name it, `NAMESPACE/NAME`.
    pub connection: &'a str,
    pub old: BitbucketConnectionStatus,
    pub requested_at: Option<String>,
    pub now: Instant,
}

impl Pass<'_> {
    /// What wakes the object when a task ends.
    pub(super) fn wake(&self) -> Wake {
        Wake { object: self.reference.clone(), sender: self.context.wake.clone() }
    }
}
