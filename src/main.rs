//! The command `bitbucket-connector`.

use std::process::ExitCode;

use bitbucket_connector::cli::Cli;
use bitbucket_connector::runtime::tls;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    tls::install();
    Cli::parse().run().await
}
