//! A page to look at: how connections stand, what is stored, and the few things that people do about it.
//!
//! It is served on a loopback address only, and everything is done as whoever brings a token of Kubernetes: `kubectl bitbucket open`
//! brings the user's own.

mod actions;
mod assets;
mod chart;
mod connection;
mod create;
mod list;
mod paging;
mod problem;
mod request;
mod server;
mod standing;
mod stored;
mod weeks;

pub use self::server::Server;

/// In the footer.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
