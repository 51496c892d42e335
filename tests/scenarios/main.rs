//! Behaviour, through public doors: one file a theme. Real git, a real API server, a Bitbucket from
//! documentation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alerts;
mod apiserver;
mod bad_input;
mod client;
mod clock;
mod command;
mod command_sync;
mod connection;
mod crd;
mod crowd;
mod deletion;
mod destination;
mod figures;
mod idle;
mod interrupted;
mod kill;
mod leadership;
mod limits;
mod lockout;
mod logs;
mod long_answer;
mod memory;
mod metrics;
mod model;
mod outage;
mod postgres;
mod postgres_command;
mod postgres_faults;
mod postgres_hosts;
mod postgres_tls;
mod queries;
mod removal;
mod rights;
mod robust;
mod rows;
mod scale;
mod secrets;
mod several;
mod support;
mod trust;
mod verdicts;
mod walk;
mod ways;
