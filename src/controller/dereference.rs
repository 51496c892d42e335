//! From the object to what is needed to ask Bitbucket: URL, credentials, the way, and what they were made of.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::decision::Inputs;
use crate::api::status::RefusedSecret;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Credentials, Way};
use crate::kubernetes::Error;
use crate::secrets::{InvalidTarget, Route, Source, Target, Unusable, credentials, destination, get, server, way};
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

/// Reads the Secrets, live.
pub async fn dereference(
    source: Source<'_>,
    object: &BitbucketConnection,
) -> Result<Result<Dereferenced, Unusable>, Error> {
    let url = match server(source.trust, object) {
        Ok(url) => url,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let secret = match get(source, object, "secretRef", &object.spec.secret_ref).await? {
        Ok(secret) => secret,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let route = match way(source, object, url).await? {
        Ok(route) => route,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let target = destination(source, object).await?;
    Ok(understand(source.trust, object, route, &secret, target).map_err(|message| (Reason::InvalidSecret, message)))
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
