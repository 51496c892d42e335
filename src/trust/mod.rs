//! Whom to trust: where an operator may connect to, and with which credentials, on behalf of whoever may write a
//! BitbucketConnection. Pure; no I/O.

mod addresses;
mod certificate;
mod hosts;

pub use self::addresses::{Addresses, Network};
pub use self::certificate::{Flaw, cause};
pub use self::hosts::{HostPattern, Hosts};

/// What whoever installed the operator allows to those who may write a BitbucketConnection.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Where credentials may be sent.
    pub hosts: Hosts,
    /// Whether each Secret must say in its key `url` which server it is for.
    pub require_secret_url: bool,
}
