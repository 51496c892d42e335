//! The Data Cloud API: the credentials and import filters of connections, in the form in which DX has them
//! (<https://docs.getdx.com/datacloudapi/overview>).
//!
//! Everything is done as the caller, whose token is one of Kubernetes: what the API server does not let the caller do is not done.
//! The operator's own rights are not used, and it keeps nothing of a token.

mod answer;
mod arguments;
mod attempts;
mod caller;
mod candidate;
mod ids;
mod methods;
mod server;
mod throttle;
mod tls;

pub use self::attempts::Attempts;
pub use self::methods::Api;
pub use self::server::Server;
pub use self::tls::Files;
