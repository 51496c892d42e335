//! What the connector takes, beside the least that anybody can take and beside what others take. `docs/performance.md` says
//! what is measured and how; `make bench` does it.

#![expect(clippy::cast_precision_loss, reason = "of all figures the first few digits are read")]

mod bitbucket;
mod chart;
mod connector;
mod document;
mod flags;
mod floor;
mod histories;
mod measure;
mod peers;
mod report;
mod scenes;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use flags::Flags;

/// Whatever went wrong, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// Says on standard error how far it is.
macro_rules! say {
    ($($word:tt)*) => { eprintln!("== {}", format_args!($($word)*)) };
}
pub(crate) use say;

/// Measures the connector: time, processor, memory and requests
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    inner: Option<Inner>,
    #[command(flatten)]
    flags: Flags,
}

/// What it runs of itself, as processes that can be measured.
#[derive(Debug, Subcommand)]
enum Inner {
    #[command(hide = true)]
    Measure(measure::Args),
    #[command(hide = true)]
    Floor(floor::Args),
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(Inner::Measure(args)) = &cli.inner {
        return measure::run(args);
    }
    // Built together with the operator, reqwest has TLS without a provider, and makes no client before there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(Inner::Floor(args)) = cli.inner {
            return floor::run(args).await;
        }
        tokio::select! {
            done = scenes::run(cli.flags) => done,
            // What was started is ended, and what was made is removed.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}
