//! The process itself: signals, logs, TLS, and the pages for whoever looks after it.

pub mod admin;
pub mod lead;
pub mod port;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod traces;
