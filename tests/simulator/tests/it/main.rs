//! The simulator from outside: through HTTP and its library, against real git repositories.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "everything here is a test")]

mod access;
mod authentication;
mod commits;
mod control;
mod envelopes;
mod faults;
mod histories;
mod listings;
mod log;
mod program;
mod replay;
mod repositories;
mod support;
