//! Where Bitbucket is and how to get there; who asks is another question.

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

use super::credentials::{authorities, proxy};
use super::{Manifests, Source, Unusable, get};
use crate::api::spec::LocalReference;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Way};
use crate::kubernetes::Error;
use crate::trust::{Hosts, Trust};

/// The way to a Bitbucket.
#[derive(Debug)]
pub struct Route {
    /// Where it is.
    pub url: BaseUrl,
    /// How to get there.
    pub way: Way,
    /// Equal where the data of the Secrets is that it was made of.
    pub digest: [u8; 32],
}

/// Reads the Secrets that say how to get to the connection's Bitbucket.
pub async fn route(source: Source<'_>, object: &BitbucketConnection) -> Result<Result<Route, Unusable>, Error> {
    match server(source.trust, object) {
        Ok(url) => way(source, object, url).await,
        Err(unusable) => Ok(Err(unusable)),
    }
}

/// The Bitbucket of the spec, if it may be connected to.
pub fn server(trust: &Trust, object: &BitbucketConnection) -> Result<BaseUrl, Unusable> {
    let url = BaseUrl::parse(&object.spec.url).map_err(|error| (Reason::InvalidUrl, format!("spec.url: {error}.")))?;
    allowed(&trust.hosts, &url).map_err(|message| (Reason::InvalidUrl, message))?;
    Ok(url)
}

/// How to get there.
pub async fn way(
    source: Source<'_>,
    object: &BitbucketConnection,
    url: BaseUrl,
) -> Result<Result<Route, Unusable>, Error> {
    let mut secrets = [None, None];
    let references = [
        ("certSecretRef", object.spec.cert_secret_ref.as_ref()),
        ("proxySecretRef", object.spec.proxy_secret_ref.as_ref()),
    ];
    for (secret, (field, reference)) in secrets.iter_mut().zip(references) {
        if let Some(reference) = reference {
            match get(source, object, field, reference).await? {
                Ok(found) => *secret = Some(found),
                Err(unusable) => return Ok(Err(unusable)),
            }
        }
    }
    let [certificates, proxy] = &secrets;
    let way = Way::new(object.spec.timeout.into());
    Ok(understand(&source.trust.hosts, url, way, certificates.as_ref(), proxy.as_ref())
        .map_err(|message| (Reason::InvalidSecret, message)))
}

/// The same for a connection that is not stored yet, with its Secrets.
pub fn way_of(trust: &Trust, manifests: &Manifests) -> Result<Route, Unusable> {
    let object = &manifests.connection;
    let url = server(trust, object)?;
    let find = |reference: &Option<LocalReference>| {
        let name = &reference.as_ref()?.name;
        manifests.secrets.iter().find(|secret| secret.metadata.name.as_ref() == Some(name))
    };
    let (certificates, proxy) = (find(&object.spec.cert_secret_ref), find(&object.spec.proxy_secret_ref));
    understand(&trust.hosts, url, Way::new(object.spec.timeout.into()), certificates, proxy)
        .map_err(|message| (Reason::InvalidSecret, message))
}

fn understand(
    hosts: &Hosts,
    url: BaseUrl,
    mut way: Way,
    certificates: Option<&Secret>,
    proxy_secret: Option<&Secret>,
) -> Result<Route, String> {
    if let Some(certificates) = certificates {
        way.authorities = authorities(certificates)?;
    }
    way.proxy = proxy_secret.map(|secret| proxy(secret, hosts)).transpose()?;
    Ok(Route { url, way, digest: digest([certificates, proxy_secret]) })
}

/// Whether credentials may be sent there. The error is the sentence for the user.
fn allowed(hosts: &Hosts, url: &BaseUrl) -> Result<(), String> {
    if !hosts.allow(url.host()) {
        Err("spec.url: its host is none of those that the operator connects to (--allowed-hosts). Correct the url, or ask who installed the operator to allow this host.".to_owned())
    } else if hosts.are_named() && url.is_plain() {
        Err("spec.url: the operator sends no credentials by plain http (--allowed-hosts is set). Write the url with https://.".to_owned())
    } else {
        Ok(())
    }
}

/// Equal where the data of the Secrets is.
fn digest(secrets: [Option<&Secret>; 2]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for secret in secrets {
        digest.update([u8::from(secret.is_some())]);
        for (key, value) in secret.and_then(|secret| secret.data.as_ref()).into_iter().flatten() {
            for part in [key.as_bytes(), &value.0] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
    }
    digest.finalize().into()
}
