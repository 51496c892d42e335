//! `suspend` and `resume`.

use std::process::ExitCode;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::cluster::{ClusterArgs, FIELD_MANAGER, told};
use super::shown::say;
use crate::api::owner::owner;
use crate::cli::{Failure, ended};
use crate::kubernetes::within;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connections
    #[arg(required = true)]
    names: Vec<String>,
}

/// Sets `spec.suspend`.
pub(super) async fn run(cluster: &ClusterArgs, args: Args, suspend: bool) -> Result<ExitCode, Failure> {
    let connections = cluster.connect().await?.connections();
    let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let mut worst = ExitCode::SUCCESS;
    for name in args.names {
        let done = async {
            let before = within(connections.get(&name)).await?;
            if before.spec.suspend == suspend {
                return Ok(format!("{name} is {} already\n", word(suspend)));
            }
            if let Some(owner) = owner(&before.metadata, &["spec", "suspend"]) {
                eprintln!("warning: spec.suspend is written by {owner}, which may undo this. Change it there too.");
            }
            within(connections.patch(&name, &params, &patch)).await?;
            Ok(format!("{name} is {}\n", word(suspend)))
        };
        match done.await {
            Ok(text) => say(text)?,
            // The others are not kept from it.
            Err(error) => worst = ended(Err(told(&error))),
        }
    }
    Ok(worst)
}

const fn word(suspend: bool) -> &'static str {
    if suspend { "suspended" } else { "resumed" }
}
