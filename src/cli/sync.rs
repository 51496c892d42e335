//! `bitbucket-connector sync`: one sync run, without a cluster.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use indicatif::HumanCount;
use serde::Serialize;

use super::account::{Access, Account};
use super::database::DatabaseArgs;
use super::{Failure, LEFT_BEHIND, exit_code, progress};
use crate::api::limits::{CONCURRENCIES, CONCURRENCY, Limits, PER_SECOND};
use crate::bitbucket::Rate;
use crate::destination::{ConnectionKey, Destination};
use crate::runtime::shutdown;
use crate::sync::{Filter, Hints, Run, RunError, Summary};
use crate::verification::{Outcome, Past, Verdict, is_bitbucket, outcome_of, verify};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Name of the connection in the database: runs of one name keep one set of rows [default: the url's host]
    #[arg(long)]
    name: Option<String>,
    /// Requests a second [default: the account's own budget where the server states one, else any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(PER_SECOND))]
    requests_per_second: Option<i32>,
    /// Requests, and so repositories, at a time; with a password never more than 4
    #[arg(long, default_value_t = CONCURRENCY, value_parser = clap::value_parser!(i32).range(CONCURRENCIES))]
    concurrency: i32,
    /// How the result is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// One line with one object at the end, for scripts
    Json,
}

/// What became of the run, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    repositories: Repositories,
    commits_added: u64,
    commits_removed: u64,
    commits: u64,
    requests: u64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Repositories {
    total: u64,
    synced: u64,
    empty: u64,
    inaccessible: usize,
    failed: usize,
}

/// Runs once, and says by its exit code what came of it. What is stored stays, however it ends.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { account, database, name, requests_per_second, concurrency, output } = args;
    let database = database.url()?;
    let limits = Limits { requests_per_second, concurrency };
    let stop = shutdown::on_signal()?;
    let Access { client, import, .. } = account.access(limits.at_a_time(), stop)?;
    let client = client.paced(Rate::new(limits.per_second()));
    let began = Instant::now();
    let filter = Filter::from(&import);
    if let Err(outcome) = is_bitbucket(&client).await {
        return verdict(outcome, client.stop().is_cancelled());
    }
    let run = Run {
        client: client.clone(),
        destination: Destination::open(&database).await?,
        key: ConnectionKey {
            cluster: String::new(),
            namespace: String::new(),
            name: name.unwrap_or_else(|| client.base().host().to_owned()),
            uid: String::new(),
        },
        filter: filter.clone(),
        concurrency: limits.at_a_time(),
        progress: Arc::default(),
        hints: Hints::default(),
    };
    let summary = match progress::shown(&run.progress, run.run()).await {
        Ok(summary) => summary,
        Err(RunError::Stopped) => return Err(Failure::Interrupted),
        Err(RunError::Identity(error) | RunError::Listing(error) | RunError::Outage(error)) => {
            return verdict(outcome_of(error), false);
        }
        Err(error @ (RunError::Destination(_) | RunError::Broken)) => return Err(error.into()),
    };
    let seconds = began.elapsed().as_secs_f64();
    print(output, &Report::new(&summary, client.requests(), seconds))?;
    complain(&summary);
    if !summary.failed.is_empty() {
        return Ok(ExitCode::from(LEFT_BEHIND));
    }
    if !summary.proves_access() {
        // Nothing to import: which of the reasons it is, only the verification tells.
        return verdict(verify(&client, &filter, Past::Verified).await, client.stop().is_cancelled());
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints why there is nothing to tell about repositories.
fn verdict(outcome: Outcome, stopped: bool) -> Result<ExitCode, Failure> {
    if stopped {
        return Err(Failure::Interrupted);
    }
    let (reason, message) = match outcome {
        Outcome::Verdict(Verdict::Verified { .. }) => return Ok(ExitCode::SUCCESS),
        Outcome::Verdict(Verdict::Refused(negative)) => (negative.reason, negative.message),
        Outcome::Fault { reason, message, .. } => (reason, message),
    };
    eprintln!("error: {}: {message}", reason.as_str());
    Ok(exit_code(reason))
}

/// Names what was left behind, and what could not be read.
fn complain(summary: &Summary) {
    for (repository, reason, message) in &summary.failed {
        eprintln!("left behind: {repository}: {reason}: {message}");
    }
    for repository in &summary.inaccessible {
        eprintln!("not readable for this account: {repository}");
    }
}

impl Report {
    fn new(summary: &Summary, requests: u64, seconds: f64) -> Self {
        Self {
            repositories: Repositories {
                total: summary.total(),
                synced: summary.synced,
                empty: summary.empty,
                inaccessible: summary.inaccessible.len(),
                failed: summary.failed.len(),
            },
            commits_added: summary.added,
            commits_removed: summary.removed,
            commits: summary.commits,
            requests,
            seconds: (seconds * 1000.0).round() / 1000.0,
        }
    }
}

fn print(output: Output, report: &Report) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if output == Output::Json {
        serde_json::to_writer(&mut out, report)?;
        return Ok(writeln!(out)?);
    }
    let Report { repositories, commits_added, commits_removed, commits, requests, seconds } = report;
    let Repositories { total, synced, empty, inaccessible, failed } = repositories;
    writeln!(
        out,
        "{} repositories: {synced} synced, {empty} empty, {inaccessible} inaccessible, {failed} left behind",
        HumanCount(*total)
    )?;
    writeln!(
        out,
        "{} commits: {} added, {} removed; {} requests in {seconds:.1} s",
        HumanCount(*commits),
        HumanCount(*commits_added),
        HumanCount(*commits_removed),
        HumanCount(*requests)
    )?;
    Ok(())
}
