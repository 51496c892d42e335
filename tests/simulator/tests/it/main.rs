//! The simulator from outside: through HTTP and its library, against real git repositories.

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
mod repositories;
mod support;
