//! The operator: watches connections and Secrets, and keeps each connection's status true.
//!
//! The only room that writes to Kubernetes as the operator; `datacloud` and `plugin` do as whoever calls them.

mod context;
pub mod decision;
mod deletion;
mod dereference;
mod destinations;
mod gather;
mod known;
mod launch;
mod lease;
mod metrics;
mod pass;
mod reconcile;
mod state;
mod tasks;
mod watch;
mod write;

pub use self::context::{Context, Memories};
pub use self::destinations::{Destinations, Handle};
pub use self::known::Connections;
pub use self::lease::{Elector, LeaseOptions};
pub use self::metrics::Metrics;
pub use self::state::Inspector;
pub use self::watch::{Deaf, SecretWatch, Watch, run};
