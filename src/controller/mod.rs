//! The operator: watches connections and Secrets, and keeps each connection's status true.
//!
//! The only room that talks to Kubernetes as the operator; `datacloud` and `plugin` do as whoever calls them.

mod connect;
mod context;
pub mod decision;
mod deletion;
mod dereference;
mod destinations;
mod error;
mod gather;
mod launch;
mod lease;
mod metrics;
mod pass;
mod reconcile;
mod state;
mod tasks;
mod watch;
mod write;

use kube::core::DeserializeGuard;

pub use self::connect::connect;
pub use self::context::{Context, Memories};
pub use self::dereference::{Source, credentials, route, value};
pub use self::destinations::{Destinations, Handle};
pub use self::error::{Error, within};
pub use self::lease::{Elector, LeaseOptions};
pub use self::metrics::Metrics;
pub use self::state::Inspector;
pub use self::watch::{Deaf, SecretWatch, Watch, run};
use crate::api::BitbucketConnection;

/// A connection, or why the object is none: one that cannot be understood must not blind the operator to the
/// others.
pub type Guarded = DeserializeGuard<BitbucketConnection>;
