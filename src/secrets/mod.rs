//! What Secrets say, and how they are written: credentials, the way to a Bitbucket, where rows go.

mod credentials;
mod keys;
mod manifests;
#[cfg(test)]
mod properties;
mod route;
mod store;
mod target;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

pub use self::credentials::{bare, credentials, in_use, value};
pub use self::keys::{CA, DX, PLAIN, PROXY_ADDRESS, URL, bytes, opaque, put};
pub use self::manifests::{Manifests, Wanted};
pub use self::route::{Route, route, server, way, way_of};
pub use self::store::{Stored, store, try_store};
pub use self::target::{InvalidTarget, Target, TargetKey};
use self::target::{missing, target};
use crate::api::spec::LocalReference;
use crate::api::{BitbucketConnection, Reason};
use crate::kubernetes::{Error, within};
use crate::trust::Trust;

/// A reason, and the sentence for the user.
pub type Unusable = (Reason, String);

/// Where Secrets are read, and what may be done with them.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// As whom the API server is asked.
    pub client: &'a Client,
    /// Where credentials may be sent.
    pub trust: &'a Trust,
}

/// Reads the Secret that `spec.`*field* refers to, live.
pub async fn get(
    source: Source<'_>,
    object: &BitbucketConnection,
    field: &str,
    LocalReference { name }: &LocalReference,
) -> Result<Result<Secret, Unusable>, Error> {
    Ok(find(source, object, name).await?.ok_or_else(|| {
        let message = format!("There is no Secret {name} in this namespace. Create it, or correct spec.{field}.name.");
        (Reason::SecretNotFound, message)
    }))
}

async fn find(source: Source<'_>, object: &BitbucketConnection, name: &str) -> Result<Option<Secret>, Error> {
    let secrets: Api<Secret> = Api::namespaced(source.client.clone(), &object.namespace().unwrap_or_default());
    within(secrets.get_opt(name)).await
}

/// Where the rows go.
pub async fn destination(
    source: Source<'_>,
    object: &BitbucketConnection,
) -> Result<Result<Target, InvalidTarget>, Error> {
    let Some(reference) = &object.spec.destination else { return Ok(Ok(Target::OWN)) };
    let name = &reference.secret_ref.name;
    let Some(secret) = find(source, object, name).await? else { return Ok(Err(missing("secretRef", name))) };
    let mut certificates = None;
    if let Some(LocalReference { name }) = &reference.cert_secret_ref {
        certificates = find(source, object, name).await?;
        if certificates.is_none() {
            return Ok(Err(missing("certSecretRef", name)));
        }
    }
    Ok(target(reference, &secret, certificates.as_ref(), &source.trust.hosts))
}
