//! From the object to what is needed to ask Bitbucket: URL, credentials, the way, and what they were made of.

mod route;
mod secret;
#[cfg(test)]
mod secret_properties;
mod target;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

pub use self::route::{Route, route};
pub use self::secret::{credentials, value};
pub use self::target::Target;
use self::target::{InvalidTarget, missing};
use crate::api::spec::LocalReference;
use crate::api::status::RefusedSecret;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Credentials, Way};
use crate::controller::decision::Inputs;
use crate::controller::error::{Error, within};
use crate::trust::Trust;

/// What the object refers to.
#[derive(Debug)]
pub struct Dereferenced {
    /// Where Bitbucket is.
    pub url: BaseUrl,
    /// Who asks.
    pub credentials: Credentials,
    /// How to get there.
    pub way: Way,
    /// Which Secret the credentials are from.
    pub secret: RefusedSecret,
    /// Where the rows go, or why that cannot be used: no matter of the verdict.
    pub target: Result<Target, InvalidTarget>,
    /// What a verdict and a run depend on.
    pub inputs: Inputs,
}

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

/// Reads the Secrets, live.
pub async fn dereference(
    source: Source<'_>,
    object: &BitbucketConnection,
) -> Result<Result<Dereferenced, Unusable>, Error> {
    let url = match route::server(source.trust, object) {
        Ok(url) => url,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let secret = match get(source, object, "secretRef", &object.spec.secret_ref).await? {
        Ok(secret) => secret,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let route = match route::way(source, object, url).await? {
        Ok(route) => route,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let target = destination(source, object).await?;
    Ok(understand(source.trust, object, route, &secret, target).map_err(|message| (Reason::InvalidSecret, message)))
}

async fn get(
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
    Ok(target::target(reference, &secret, certificates.as_ref(), &source.trust.hosts))
}

fn understand(
    trust: &Trust,
    object: &BitbucketConnection,
    route: Route,
    secret: &Secret,
    target: Result<Target, InvalidTarget>,
) -> Result<Dereferenced, String> {
    let Route { url, way, digest } = route;
    let uid = secret.uid().unwrap_or_default();
    let resource_version = secret.resource_version().unwrap_or_default();
    let used = RefusedSecret { uid: uid.clone(), resource_version, url: url.to_string() };
    let credentials = credentials(secret, &url, trust.require_secret_url)?;
    let import = object.spec.import.clone();
    let key = target.as_ref().map_or_else(|invalid| invalid.key, |target| target.key);
    let inputs = Inputs::new(url.clone(), uid, &credentials, digest, import, key);
    Ok(Dereferenced { url, credentials, way, secret: used, target, inputs })
}
