//! The Data Cloud API: the credentials and import filters of connections, in the form in which DX has them
//! (<https://docs.getdx.com/datacloudapi/overview>).

mod answer;
mod arguments;
mod ids;
mod methods;
mod server;
mod throttle;
mod tls;

pub use self::server::Server;
pub use self::tls::Files;
