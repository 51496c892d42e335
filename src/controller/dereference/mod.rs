//! From the object to what is needed to ask Bitbucket: URL, credentials, the way, and what they were made of.

mod secret;
#[cfg(test)]
mod secret_properties;
mod target;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};

pub use self::target::Target;
use self::target::{InvalidTarget, missing};
use crate::api::spec::LocalReference;
use crate::api::status::RefusedSecret;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Credentials, Way};
use crate::controller::context::Context;
use crate::controller::decision::Inputs;
use crate::controller::error::{Error, within};
use crate::trust::{Hosts, Trust};

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

/// Reads the Secrets, live.
pub async fn dereference(
    context: &Context,
    object: &BitbucketConnection,
) -> Result<Result<Dereferenced, Unusable>, Error> {
    let spec = &object.spec;
    let url = match BaseUrl::parse(&spec.url) {
        Ok(url) => url,
        Err(error) => return Ok(Err((Reason::InvalidUrl, format!("spec.url: {error}.")))),
    };
    if let Err(message) = allowed(&context.trust.hosts, &url) {
        return Ok(Err((Reason::InvalidUrl, message)));
    }
    let read = async |field, reference| get(context, object, field, reference).await;
    let credentials = match read("secretRef", &spec.secret_ref).await? {
        Ok(secret) => secret,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let mut others = [None, None];
    let references =
        [("certSecretRef", spec.cert_secret_ref.as_ref()), ("proxySecretRef", spec.proxy_secret_ref.as_ref())];
    for (secret, (field, reference)) in others.iter_mut().zip(references) {
        if let Some(reference) = reference {
            match read(field, reference).await? {
                Ok(found) => *secret = Some(found),
                Err(unusable) => return Ok(Err(unusable)),
            }
        }
    }
    let [certificates, proxy] = &others;
    let target = destination(context, object).await?;
    Ok(understand(&context.trust, object, url, &credentials, certificates.as_ref(), proxy.as_ref(), target)
        .map_err(|message| (Reason::InvalidSecret, message)))
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

async fn get(
    context: &Context,
    object: &BitbucketConnection,
    field: &str,
    LocalReference { name }: &LocalReference,
) -> Result<Result<Secret, Unusable>, Error> {
    Ok(find(context, object, name).await?.ok_or_else(|| {
        let message = format!("There is no Secret {name} in this namespace. Create it, or correct spec.{field}.name.");
        (Reason::SecretNotFound, message)
    }))
}

async fn find(context: &Context, object: &BitbucketConnection, name: &str) -> Result<Option<Secret>, Error> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    within(secrets.get_opt(name)).await
}

/// Where the rows go.
pub async fn destination(
    context: &Context,
    object: &BitbucketConnection,
) -> Result<Result<Target, InvalidTarget>, Error> {
    let Some(reference) = &object.spec.destination else { return Ok(Ok(Target::OWN)) };
    let name = &reference.secret_ref.name;
    let Some(secret) = find(context, object, name).await? else { return Ok(Err(missing("secretRef", name))) };
    let mut certificates = None;
    if let Some(LocalReference { name }) = &reference.cert_secret_ref {
        certificates = find(context, object, name).await?;
        if certificates.is_none() {
            return Ok(Err(missing("certSecretRef", name)));
        }
    }
    Ok(target::target(reference, &secret, certificates.as_ref(), &context.trust.hosts))
}

fn understand(
    trust: &Trust,
    object: &BitbucketConnection,
    url: BaseUrl,
    credentials: &Secret,
    certificates: Option<&Secret>,
    proxy: Option<&Secret>,
    target: Result<Target, InvalidTarget>,
) -> Result<Dereferenced, String> {
    let mut way = Way::new(object.spec.timeout.into());
    if let Some(certificates) = certificates {
        way.authorities = secret::authorities(certificates)?;
    }
    way.proxy = proxy.map(|proxy| secret::proxy(proxy, &trust.hosts)).transpose()?;
    let uid = credentials.uid().unwrap_or_default();
    let resource_version = credentials.resource_version().unwrap_or_default();
    let used = RefusedSecret { uid: uid.clone(), resource_version, url: url.to_string() };
    let credentials = secret::credentials(credentials, &url, trust.require_secret_url)?;
    let import = object.spec.import.clone();
    let key = target.as_ref().map_or_else(|invalid| invalid.key, |target| target.key);
    let inputs = Inputs::new(url.clone(), uid, &credentials, digest([certificates, proxy]), import, key);
    Ok(Dereferenced { url, credentials, way, secret: used, target, inputs })
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
