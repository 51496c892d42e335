//! The command `bitbucket-connector`.

use std::process::ExitCode;
use std::time::Duration;

use bitbucket_connector::cli::Cli;
use bitbucket_connector::runtime::tls;
use clap::Parser;

/// A name that is still being looked up is not waited for: the resolver may take a minute, and cannot be stopped.
const END: Duration = Duration::from_millis(500);

fn main() -> std::io::Result<ExitCode> {
    tls::install();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(cli.run());
    runtime.shutdown_timeout(END);
    Ok(code)
}
