//! `verify` and `sync`: asking the operator, and waiting for what comes of it.

use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Error as WatchError, watch_object};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::cluster::{Cluster, ClusterArgs, FIELD_MANAGER, told};
use super::follow::{Follow, Goal, Step};
use super::shown::{Shown, say};
use crate::api::conditions::{self, READY, Truth};
use crate::api::{BitbucketConnection, REQUESTED_AT, Reason};
use crate::cli::{Failure, LEFT_BEHIND, duration, exit_code};
use crate::kubernetes::within;

/// What may be wrong where nothing happens.
const NOBODY: &str = "No operator has answered yet: is one running (`kubectl get pods -A -l app.kubernetes.io/name=bitbucket-connector`), and does it look after this namespace?";
/// An operator that is there has answered by then.
const USUALLY: Duration = Duration::from_secs(15);
/// How long a verdict is waited for where nobody says so.
const VERDICT: Duration = Duration::from_mins(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection
    name: String,
    /// How long to wait, such as 10m; what was asked for goes on [default: 5m for a verdict, else as long as it takes]
    #[arg(long, value_parser = duration)]
    timeout: Option<Duration>,
    /// Have a password sent again that was judged wrong and has not changed in the Secret, because it was corrected in Bitbucket
    #[arg(long)]
    again: bool,
}

/// Asks, and waits.
pub(super) async fn run(cluster: &ClusterArgs, args: Args, goal: Goal) -> Result<ExitCode, Failure> {
    let cluster = cluster.connect().await?;
    let Args { name, timeout, again } = args;
    if !again && let Some(refused) = refused(&cluster, &name).await? {
        say(format!("invalid_credentials: {refused}\n"))?;
        return Ok(exit_code(Reason::InvalidCredentials));
    }
    let most = timeout.or_else(|| (goal == Goal::Verdict).then_some(VERDICT));
    let object = ask(&cluster, &name).await?;
    let end = Instant::now() + most.unwrap_or(Duration::from_hours(24 * 365));
    let waiting = timeout_at(end, wait(&cluster, &name, Follow::new(goal, &object, Timestamp::now())));
    let (reason, message, ready) = waiting.await.map_err(|_| too_long(most.unwrap_or_default()))??;
    say(format!("{}: {message}\n", reason.as_str()))?;
    if goal == Goal::Verdict && reason == Reason::Verified && ready {
        eprintln!("A sync run follows; `kubectl bitbucket status {name}` shows how it stands.");
    }
    Ok(match reason {
        Reason::Synced => ExitCode::SUCCESS,
        Reason::SyncIncomplete => ExitCode::from(LEFT_BEHIND),
        reason => exit_code(reason),
    })
}

fn too_long(most: Duration) -> Failure {
    let text =
        "What was asked for goes on, and `kubectl bitbucket status` shows how it stands; --timeout waits longer.";
    Failure::Other(format!("nothing has come of it within {} s. {text}", most.as_secs()))
}

/// Each request to verify would send it once more, and Bitbucket locks an account after some that are wrong. One that was changed since
/// is another one.
async fn refused(cluster: &Cluster, name: &str) -> Result<Option<String>, Failure> {
    let object = within(cluster.connections().get(name)).await.map_err(|error| told(&error))?;
    let Some((refused, wrong)) = crate::api::refused(&object) else { return Ok(None) };
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let secret = &object.spec.secret_ref.name;
    // Who may not read it goes by what the status says.
    let now = within(secrets.get_metadata_opt(secret)).await.ok().flatten();
    let version = now.and_then(|now| now.resource_version());
    if version.is_some_and(|version| version != refused.resource_version) {
        return Ok(None);
    }
    Ok(Some(format!(
        "{} It is not sent again as long as it is the same: correct it in Secret {secret}, which is noticed at once. If it was corrected in Bitbucket instead, --again sends it once more.",
        wrong.message
    )))
}

/// Puts the request into the object.
async fn ask(cluster: &Cluster, name: &str) -> Result<BitbucketConnection, Failure> {
    let now = Timestamp::now().to_string();
    let patch = json!({"metadata": {"annotations": {REQUESTED_AT: now}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    within(cluster.connections().patch(name, &params, &Patch::Merge(patch))).await.map_err(|error| told(&error))
}

/// The reason, the sentence, and whether nothing is in the way of a run.
async fn wait(cluster: &Cluster, name: &str, mut follow: Follow) -> Result<(Reason, String, bool), Failure> {
    let mut shown = Shown::new();
    let mut looks = std::pin::pin!(watch_object(cluster.connections(), name).default_backoff());
    let mut patience = Some(Instant::now() + USUALLY);
    loop {
        let look = if let Some(until) = patience {
            let Ok(look) = timeout_at(until, looks.next()).await else {
                patience = None;
                shown.line(NOBODY);
                continue;
            };
            look
        } else {
            looks.next().await
        };
        match look {
            Some(Ok(object)) => {
                let status = object.as_ref().and_then(|object| object.status.as_ref());
                // Somebody is at work, and will come to it.
                patience = patience.filter(|_| status.is_none_or(|status| status.progress.is_none()));
                match follow.look(object.as_ref()) {
                    Step::End(reason, message) => {
                        let ready = status.and_then(|status| conditions::state(&status.conditions, READY));
                        return Ok((reason, message, ready.is_some_and(|ready| ready.truth != Truth::False)));
                    }
                    Step::Wait(text) => {
                        patience = patience.filter(|_| !follow.is_answered());
                        shown.set(text);
                    }
                }
            }
            Some(Err(error)) => match refusal(&error) {
                Some(message) => return Err(Failure::Other(message)),
                // Tried again.
                None => shown.set(format!("the API server: {error}")),
            },
            None => return Err(Failure::Other("the API server says no more".to_owned())),
        }
    }
}

/// What a person must do something about.
fn refusal(error: &WatchError) -> Option<String> {
    let (WatchError::InitialListFailed(error) | WatchError::WatchStartFailed(error)) = error else { return None };
    let kube::Error::Api(status) = error else { return None };
    matches!(status.code, 401 | 403).then(|| format!("the API server refuses to show it: {}", status.message))
}
