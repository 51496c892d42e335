//! `status`: how connections stand.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use super::cluster::{ClusterArgs, told};
use super::describe::{detail, table};
use super::shown::say;
use crate::api::BitbucketConnection;
use crate::cli::Failure;
use crate::kubernetes::{Guarded, within};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection, to be shown in detail [default: all, in a table]
    name: Option<String>,
    /// Those of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,
}

/// Prints it.
pub(super) async fn run(cluster: &ClusterArgs, args: Args) -> Result<ExitCode, Failure> {
    let cluster = cluster.connect().await?;
    if let Some(name) = args.name {
        let object = within(cluster.connections().get(&name)).await.map_err(|error| told(&error))?;
        say(detail(&object, Timestamp::now()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let objects: Api<Guarded> = if args.all_namespaces {
        Api::all(cluster.client.clone())
    } else {
        Api::namespaced(cluster.client.clone(), &cluster.namespace)
    };
    let mut page = ListParams::default().limit(500);
    let mut found: Vec<BitbucketConnection> = Vec::new();
    loop {
        let list = within(objects.list(&page)).await.map_err(|error| told(&error))?;
        for object in list.items {
            match object.0 {
                Ok(object) => found.push(object),
                Err(invalid) => eprintln!(
                    "warning: {} cannot be understood: {}",
                    invalid.metadata.name.unwrap_or_default(),
                    invalid.error
                ),
            }
        }
        let Some(next) = list.metadata.continue_.filter(|next| !next.is_empty()) else { break };
        page = page.continue_token(&next);
    }
    if found.is_empty() {
        let place = if args.all_namespaces {
            "in any namespace".to_owned()
        } else {
            format!("in namespace {}", cluster.namespace)
        };
        eprintln!("There is no BitbucketConnection {place}. `kubectl bitbucket create` makes one.");
    } else {
        say(table(&found, args.all_namespaces, Timestamp::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}
