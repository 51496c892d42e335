//! How the API server is called, whoever calls it: the operator as itself, all others as whom they serve.

mod connect;
mod error;

use kube::core::DeserializeGuard;

pub use self::connect::{WATCH_TIMEOUT_SECONDS, connect};
pub use self::error::{Error, causes, leading, within};
use crate::api::BitbucketConnection;

/// A connection, or why the object is none: one that cannot be understood must not blind anybody to the others.
pub type Guarded = DeserializeGuard<BitbucketConnection>;
