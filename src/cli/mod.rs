//! The command line: one file a subcommand.

mod crd;
mod query;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Query a database, read-only
    Query(query::Args),
    /// Print the CustomResourceDefinition
    Crd,
}

/// Exit code of anything that has no code of its own.
const OTHER: u8 = 6;

impl Cli {
    /// Runs the subcommand.
    pub async fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => run::run(args).await,
            Command::Query(args) => query::run(args).await,
            Command::Crd => crd::run(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(OTHER)
            }
        }
    }
}

/// An error that is only told to a person.
type Failure = Box<dyn std::error::Error>;
