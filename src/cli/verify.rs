//! `bitbucket-connector verify`: the operator's verification, without a cluster.

use std::io::Write;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::account::{Access, Account};
use super::{Failure, exit_code};
use crate::api::Reason;
use crate::api::limits::Limits;
use crate::runtime::shutdown;
use crate::sync::{Filter, discover};
use crate::verification::{Identity, Outcome, Past, Verdict, verify};

/// How long nothing is said.
const STILL: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    account: Account,
    /// How the verdict is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// One object, for scripts
    Json,
}

/// The verdict, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    verified: bool,
    reason: &'static str,
    message: String,
    username: Option<String>,
    server_version: Option<String>,
    repositories: usize,
    curl: Vec<String>,
}

/// Verifies, prints, and says by its exit code what came of it.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { account, output } = args;
    let Access { client, import, curl } = account.access(Limits::default().at_a_time(), CancellationToken::new())?;
    let filter = Filter::from(&import);
    let (outcome, selected) = shutdown::unless_interrupted(async {
        let outcome = patiently(verify(&client, &filter, Past::Unknown), std::io::stderr()).await;
        let counts = matches!(&outcome, Outcome::Verdict(Verdict::Verified { .. }));
        let listed = if counts { discover(&client).await.unwrap_or_default().repositories } else { Vec::new() };
        let selected: Vec<_> = listed.into_iter().filter(|repository| filter.selects(repository)).collect();
        (outcome, selected)
    })
    .await
    .map_err(|_| Failure::Interrupted)?;
    let (reason, message, identity) = match outcome {
        Outcome::Verdict(Verdict::Verified { identity, message }) => (Reason::Verified, message, identity),
        Outcome::Verdict(Verdict::Refused(mut negative)) => {
            if negative.wrong_password {
                // Unlike the operator, it remembers nothing.
                negative.message.push_str(" This command sends it again each time that it is called.");
            }
            (negative.reason, negative.message, negative.identity)
        }
        Outcome::Fault { reason, message, .. } => (reason, message, Identity::default()),
    };
    let example = selected.first().map(|repository| (repository.project.key.as_str(), repository.slug.as_str()));
    let report = Report {
        verified: reason == Reason::Verified,
        reason: reason.as_str(),
        message,
        username: identity.username,
        server_version: identity.server_version,
        repositories: selected.len(),
        curl: curl.lines(client.base(), example),
    };
    print(output, &report)?;
    Ok(exit_code(reason))
}

/// Says now and then that it still waits: a request that meets a fault is tried four times.
async fn patiently<T>(asking: impl Future<Output = T>, mut out: impl Write) -> T {
    let mut asking = pin!(asking);
    loop {
        match tokio::time::timeout(STILL, asking.as_mut()).await {
            Ok(answer) => return answer,
            // Where nobody reads it, the verdict is still to come.
            Err(_) => drop(writeln!(out, "no answer yet; each request is tried four times")),
        }
    }
}

fn print(output: Output, report: &Report) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if output == Output::Json {
        serde_json::to_writer(&mut out, report)?;
        return Ok(writeln!(out)?);
    }
    writeln!(out, "{}: {}", report.reason, report.message)?;
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".to_owned());
    writeln!(out, "  account       {}", shown(&report.username))?;
    writeln!(out, "  Bitbucket     {}", shown(&report.server_version))?;
    if report.verified {
        writeln!(out, "  repositories  {}", report.repositories)?;
    }
    writeln!(out, "\nThe same by hand:")?;
    report.curl.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_so_every_five_seconds() {
        for (seconds, lines) in [(4, 0), (12, 2)] {
            let mut told = Vec::new();
            patiently(tokio::time::sleep(Duration::from_secs(seconds)), &mut told).await;
            assert_eq!(String::from_utf8(told).unwrap().matches("no answer yet").count(), lines);
        }
    }
}
