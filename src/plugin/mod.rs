//! `kubectl bitbucket`: what people do with connections, as themselves.
//!
//! Everything here is done with the caller's own kubeconfig; nothing of the operator is needed but that it runs.

mod cluster;
mod completion;
mod create;
mod describe;
mod follow;
mod open;
mod poke;
mod redact;
mod report;
mod shown;
mod status;
mod suspend;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::cluster::ClusterArgs;
use crate::cli::{Failure, ended};
use crate::runtime::shutdown;

/// Looks after the connections of a bitbucket-connector.
#[derive(Debug, Parser)]
#[command(name = "kubectl-bitbucket", bin_name = "kubectl bitbucket", version, disable_help_subcommand = true)]
pub struct Plugin {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How connections stand, or one of them in detail
    Status(status::Args),
    /// Let the operator verify a connection now, and wait for the verdict
    Verify(poke::Args),
    /// Let the operator sync a connection now, and wait for the end
    Sync(poke::Args),
    /// Stop all requests of a connection to Bitbucket, until it is resumed
    Suspend(suspend::Args),
    /// Let a suspended connection go on
    Resume(suspend::Args),
    /// Verify credentials, and store them with a new connection if they are good
    Create(Box<create::Args>),
    /// Open the operator's page in a browser, as yourself, until Ctrl-C
    Open(open::Args),
    /// Print what somebody needs who helps, without names and secrets
    Report(report::Args),
    /// Print how completion is set up for kubectl
    Completion,
    /// Print what could come next, for kubectl's own completion
    #[command(name = "__complete", hide = true, trailing_var_arg = true)]
    Complete {
        /// The words so far, of which the last one may be half written
        #[arg(allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

impl Plugin {
    /// Runs the subcommand.
    pub async fn run(self) -> ExitCode {
        let Self { cluster, command } = self;
        // Nothing else ends it.
        let unending = matches!(command, Command::Open(_));
        let work = async {
            match command {
                Command::Status(args) => status::run(&cluster, args).await,
                Command::Verify(args) => poke::run(&cluster, args, follow::Goal::Verdict).await,
                Command::Sync(args) => poke::run(&cluster, args, follow::Goal::Sync).await,
                Command::Suspend(args) => suspend::run(&cluster, args, true).await,
                Command::Resume(args) => suspend::run(&cluster, args, false).await,
                Command::Create(args) => create::run(&cluster, *args).await,
                Command::Open(args) => open::run(&cluster, args).await,
                Command::Report(args) => report::run(&cluster, args).await,
                Command::Completion => completion::set_up(),
                Command::Complete { words } => completion::complete(&words).await,
            }
        };
        // What was asked for goes on; only the waiting ends.
        let interrupted = if unending { Ok(ExitCode::SUCCESS) } else { Err(Failure::Interrupted) };
        ended(Box::pin(shutdown::unless_interrupted(work)).await.unwrap_or(interrupted))
    }
}
