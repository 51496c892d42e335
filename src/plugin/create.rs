//! `create`: a connection and its Secret, once the credentials are known to be good.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, ClusterArgs, FIELD_MANAGER, told};
use super::manifests::{Manifests, Wanted};
use super::shown::say;
use crate::bitbucket::{BaseUrl, Credentials};
use crate::cli::{Access, CONCURRENCY, Failure, WayArgs, exit_code, read};
use crate::kubernetes::{Error, within};
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
        way: args.way.clone(),
        schedule: args.schedule.clone(),
    };
    let access = args.way.clone().access(url, credentials, CONCURRENCY, CancellationToken::new())?;
    let manifests = Manifests::of(&wanted).map_err(Failure::Usage)?;
    if args.skip_verification {
        eprintln!("The credentials are not verified here; the operator does it.");
    } else if let Some(refused) = verified(&access).await {
        return Ok(refused);
    }
    let Some(target) = target else {
        say(manifests.yaml()?)?;
        return Ok(ExitCode::SUCCESS);
    };
    store(&target, &manifests).await?;
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

/// Stores all, or nothing: what could be refused is tried before.
async fn store(cluster: &Cluster, manifests: &Manifests) -> Result<(), Failure> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let connections = cluster.connections();
    let params = |dry_run| PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    for secret in &manifests.secrets {
        within(secrets.create(&params(true), secret)).await.map_err(|error| told(&error))?;
    }
    within(connections.create(&params(true), &manifests.connection)).await.map_err(|error| told(&error))?;
    let mut made: Vec<Secret> = Vec::new();
    let storing = async {
        for secret in &manifests.secrets {
            made.push(within(secrets.create(&params(false), secret)).await?);
        }
        within(connections.create(&params(false), &manifests.connection)).await
    };
    let Err(error) = storing.await else { return Ok(()) };
    if !matches!(error, Error::Kube(kube::Error::Api(_))) {
        eprintln!("warning: nobody knows whether all was stored; look with `kubectl get bbc,secret`");
        return Err(told(&error));
    }
    for secret in made {
        let name = secret.name_any();
        // What somebody else has made of it meanwhile is theirs.
        let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
        let own = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        if let Err(error) = within(secrets.delete(&name, &own)).await {
            eprintln!("warning: the Secret {name} was made and could not be deleted again: {error}");
        }
    }
    Err(told(&error))
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
