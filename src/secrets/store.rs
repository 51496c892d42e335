//! Storing the objects of a new connection: all of them, or none.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};

use super::Manifests;
use crate::api::BitbucketConnection;
use crate::kubernetes::{Error, within};

/// What became of them.
#[derive(Debug)]
pub enum Stored {
    /// All are there.
    All,
    /// None of them, but for the Secrets that could not be deleted again, and why.
    Nothing {
        /// What was refused.
        error: Error,
        /// What is there all the same.
        left: Vec<(String, Error)>,
    },
    /// An answer is missing.
    Unknown(Error),
}

/// Whether Kubernetes would take them, each for itself.
pub async fn try_store(client: &Client, namespace: &str, manager: &str, manifests: &Manifests) -> Result<(), Error> {
    let (secrets, connections) = apis(client, namespace);
    let params = params(manager, true);
    for secret in &manifests.secrets {
        within(secrets.create(&params, secret)).await?;
    }
    within(connections.create(&params, &manifests.connection)).await.map(drop)
}

/// Stores all, or nothing: what could be refused is tried before.
pub async fn store(client: &Client, namespace: &str, manager: &str, manifests: &Manifests) -> Stored {
    if let Err(error) = try_store(client, namespace, manager, manifests).await {
        return Stored::Nothing { error, left: Vec::new() };
    }
    let (secrets, connections) = apis(client, namespace);
    let params = params(manager, false);
    let mut made: Vec<Secret> = Vec::new();
    let storing = async {
        for secret in &manifests.secrets {
            made.push(within(secrets.create(&params, secret)).await?);
        }
        within(connections.create(&params, &manifests.connection)).await
    };
    let Err(error) = storing.await else { return Stored::All };
    // Beyond that it may be the answer that failed, and not what was asked for.
    if !matches!(&error, Error::Kube(kube::Error::Api(status)) if status.code < 500) {
        return Stored::Unknown(error);
    }
    let mut left = Vec::new();
    for secret in made {
        let name = secret.name_any();
        // What somebody else has made of it meanwhile is theirs.
        let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
        let own = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        if let Err(error) = within(secrets.delete(&name, &own)).await {
            left.push((name, error));
        }
    }
    Stored::Nothing { error, left }
}

fn apis(client: &Client, namespace: &str) -> (Api<Secret>, Api<BitbucketConnection>) {
    (Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace))
}

fn params(manager: &str, dry_run: bool) -> PostParams {
    PostParams { dry_run, field_manager: Some(manager.to_owned()) }
}
