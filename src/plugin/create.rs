//! `create`: a connection and its Secret, once the credentials are known to be good.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::cluster::{ClusterArgs, FIELD_MANAGER, told};
use super::shown::say;
use crate::api::limits::Limits;
use crate::bitbucket::{BaseUrl, Credentials};
use crate::cli::{Access, Failure, WayArgs, exit_code, read};
use crate::secrets::{Manifests, Stored, Wanted, store};
use crate::sync::Filter;
use crate::verification::{Outcome, Past, Verdict, verify};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The new connection, and its Secret
    name: String,
    /// Base URL of the Bitbucket Data Center, with its context path [default: it is asked for]
    #[arg(long)]
    url: Option<String>,
    /// The service account's name [default: it is asked for]
    #[arg(long, conflicts_with = "token_file")]
    username: Option<String>,
    /// File with the account's password [default: it is asked for]
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    password_file: Option<PathBuf>,
    /// File with an HTTP access token, in place of a name and a password
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    way: WayArgs,
    /// When to sync, as a CronJob has it [default: hourly]
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// Store it although this machine cannot verify it, because Bitbucket is only reached from the cluster: the operator does
    #[arg(long)]
    skip_verification: bool,
    /// Print the objects, which hold the credentials, and store nothing
    #[arg(long)]
    dry_run: bool,
}

/// Asks, verifies, stores.
pub(super) async fn run(cluster: &ClusterArgs, args: Args) -> Result<ExitCode, Failure> {
    // What is wrong with it is better known before somebody has typed a password.
    let target = if args.dry_run { None } else { Some(cluster.connect().await?) };
    let url = match &args.url {
        Some(url) => url.clone(),
        None => asked("URL of the Bitbucket, such as https://bitbucket.example.com: ", "--url")?,
    };
    let url = BaseUrl::parse(&url).map_err(|error| Failure::Usage(format!("--url: {error}")))?;
    let credentials = credentials(&args)?;
    let wanted = Wanted {
        name: args.name.clone(),
        namespace: cluster.namespace.clone(),
        url: url.clone(),
        credentials: credentials.clone(),
        ca: certificates(&args.way)?,
        proxy: args.way.proxy.clone(),
        import: args.way.import(),
        schedule: args.schedule.clone(),
    };
    let access = args.way.clone().access(url, credentials, Limits::default().at_a_time(), CancellationToken::new())?;
    let manifests = Manifests::of(&wanted).map_err(Failure::Usage)?;
    if args.skip_verification {
        eprintln!("The credentials are not verified here; the operator does it.");
    } else if let Some(refused) = verified(&access).await {
        return Ok(refused);
    }
    let Some(target) = target else {
        say(manifests.yaml().map_err(Failure::Other)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    stored(store(&target.client, &target.namespace, FIELD_MANAGER, &manifests).await)?;
    let name = args.name;
    say(format!("{}/{name} is created; `kubectl bitbucket status {name}` shows how it stands.\n", target.namespace))?;
    Ok(ExitCode::SUCCESS)
}

/// Says what comes of the verification; an exit code, where nothing is to be stored.
async fn verified(access: &Access) -> Option<ExitCode> {
    eprintln!("verifying the credentials");
    let outcome = verify(&access.client, &Filter::from(&access.import), Past::Unknown).await;
    let (reason, message, more) = match outcome {
        Outcome::Verdict(Verdict::Verified { message, .. }) => {
            eprintln!("{message}");
            return None;
        }
        Outcome::Verdict(Verdict::Refused(negative)) => (negative.reason, negative.message, ""),
        Outcome::Fault { reason, message, .. } => {
            (reason, message, " If Bitbucket is only reached from the cluster: --skip-verification.")
        }
    };
    eprintln!("error: {}: {message} Nothing is stored.{more}", reason.as_str());
    Some(exit_code(reason))
}

/// Says what was left half done.
fn stored(stored: Stored) -> Result<(), Failure> {
    match stored {
        Stored::All => Ok(()),
        Stored::Nothing { error, left } => {
            for (name, error) in left {
                eprintln!("warning: the Secret {name} was made and could not be deleted again: {error}");
            }
            Err(told(&error))
        }
        Stored::Unknown(error) => {
            eprintln!("warning: nobody knows whether all was stored; look with `kubectl get bbc,secret`");
            Err(told(&error))
        }
    }
}

/// The file's text; that it holds certificates is found out where they are used.
fn certificates(way: &WayArgs) -> Result<Option<String>, Failure> {
    let Some(file) = &way.ca_file else { return Ok(None) };
    let read = std::fs::read_to_string(file);
    read.map(Some).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

fn credentials(args: &Args) -> Result<Credentials, Failure> {
    if let Some(file) = &args.token_file {
        return Ok(Credentials::Token(read(file)?));
    }
    let username = match &args.username {
        Some(username) => username.clone(),
        None => asked("User name of the service account: ", "--username")?,
    };
    let password = if let Some(file) = &args.password_file {
        read(file)?
    } else {
        interactive("--password-file")?;
        rpassword::prompt_password("Password (it is not shown): ")?.into()
    };
    Ok(Credentials::Basic { username, password })
}

/// A line that a person types.
fn asked(question: &str, flag: &str) -> Result<String, Failure> {
    interactive(flag)?;
    let mut error = std::io::stderr();
    write!(error, "{question}")?;
    error.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Nobody can be asked where there is no terminal.
fn interactive(flag: &str) -> Result<(), Failure> {
    let there = std::io::stdin().is_terminal();
    there
        .then_some(())
        .ok_or_else(|| Failure::Usage(format!("{flag} is missing, and there is no terminal to ask for it")))
}
