//! The command `kubectl bitbucket`.

use std::process::ExitCode;

use bitbucket_connector::plugin::Plugin;
use bitbucket_connector::runtime::tls;
use clap::Parser;

fn main() -> std::io::Result<ExitCode> {
    tls::install();
    let plugin = Plugin::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(plugin.run()))
}
