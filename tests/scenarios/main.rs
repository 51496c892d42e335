//! Behaviour, through public doors: one file a theme. Real git, a real API server, a Bitbucket from
//! documentation.

mod bad_input;
mod connection;
mod crd;
mod idle;
mod kill;
mod support;
mod walk;
