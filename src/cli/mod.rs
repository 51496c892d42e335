//! The command line: one file a subcommand, and one a family of flags that several share.

mod account;
mod admin;
mod crd;
mod database;
mod doors;
mod lease;
mod progress;
mod query;
mod run;
mod sync;
mod trust;
mod verify;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use self::account::{Access, WayArgs, duration, read};
use crate::api::Reason;

/// Copies the commits of Bitbucket Data Center default branches into SQL tables.
#[derive(Debug, Parser)]
#[command(name = "bitbucket-connector", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator
    Run(run::Args),
    /// Verify credentials as the operator does, without a cluster
    Verify(verify::Args),
    /// Make one sync run, without a cluster
    Sync(sync::Args),
    /// Query a database, read-only
    Query(query::Args),
    /// Print the CustomResourceDefinition
    Crd,
    /// Print what the operator in this container is at, as JSON
    State(admin::Operator),
    /// Print what the operator in this container logs, or change it until it ends
    LogLevel(admin::LogLevel),
}

/// Exit code of anything that has no code of its own.
const OTHER: u8 = 6;
/// Exit code of whatever is wrong before the first request.
const USAGE: u8 = 2;
/// Exit code of a sync run that has left repositories behind.
pub(crate) const LEFT_BEHIND: u8 = 7;
/// Exit code after SIGINT or SIGTERM.
const INTERRUPTED: u8 = 130;

/// The exit code that stands for a verdict.
pub(crate) fn exit_code(reason: Reason) -> ExitCode {
    ExitCode::from(match reason {
        Reason::Verified => 0,
        Reason::InvalidCredentials => 3,
        Reason::InvalidPermissions => 4,
        Reason::NoResources => 5,
        _ => OTHER,
    })
}

/// Why a command ends without a result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The call itself is wrong.
    Usage(String),
    /// A signal came.
    Interrupted,
    /// Anything else.
    Other(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(text) | Self::Other(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.to_string())
    }
}

impl Cli {
    /// Runs the subcommand.
    pub async fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Sync(args) => sync::run(args).await,
            Command::Query(args) => query::run(args).await,
            Command::Crd => crd::run(),
            Command::State(operator) => admin::state(operator).await,
            Command::LogLevel(args) => admin::log_level(args).await,
        };
        ended(result)
    }
}

/// Says why a command ends without a result, if it does.
pub(crate) fn ended(result: Result<ExitCode, Failure>) -> ExitCode {
    result.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(match failure {
            Failure::Usage(_) => USAGE,
            Failure::Interrupted => INTERRUPTED,
            Failure::Other(_) => OTHER,
        })
    })
}

/// An address of this machine that others do not reach.
pub(crate) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "an IP address and a port, as 127.0.0.1:8081".to_owned())?;
    let own = address.ip().is_loopback();
    own.then_some(address).ok_or_else(|| "not an address of the loopback interface, as 127.0.0.1 is".to_owned())
}
