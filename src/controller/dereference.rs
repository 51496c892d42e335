//! From the object to what is needed to ask Bitbucket: URL, credentials, and what they were made of.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use super::context::Context;
use super::error::{Error, within};
use super::secret::credentials;
use crate::api::spec::ImportFilter;
use crate::api::status::RefusedSecret;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Credentials};

/// What a verdict and a run depend on: where one of these changes, both are made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    url: BaseUrl,
    secret_uid: String,
    fingerprint: [u8; 32],
    import: ImportFilter,
}

/// What the object refers to.
#[derive(Debug)]
pub struct Dereferenced {
    /// Where Bitbucket is.
    pub url: BaseUrl,
    /// Who asks.
    pub credentials: Credentials,
    /// Which Secret that was.
    pub secret: RefusedSecret,
    /// What a verdict and a run depend on.
    pub inputs: Inputs,
}

/// Reads the Secret, live. The inner error is a reason and the sentence for the user.
pub async fn dereference(
    context: &Context,
    object: &BitbucketConnection,
) -> Result<Result<Dereferenced, (Reason, String)>, Error> {
    let spec = &object.spec;
    let url = match BaseUrl::parse(&spec.url) {
        Ok(url) => url,
        Err(error) => return Ok(Err((Reason::InvalidUrl, format!("spec.url: {error}.")))),
    };
    let namespace = object.namespace().unwrap_or_default();
    let name = &spec.secret_ref.name;
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let Some(secret) = within(secrets.get_opt(name)).await? else {
        let message =
            format!("There is no Secret {name} in namespace {namespace}. Create it, or correct spec.secretRef.name.");
        return Ok(Err((Reason::SecretNotFound, message)));
    };
    Ok(match credentials(&secret, &url) {
        Ok(credentials) => {
            let uid = secret.uid().unwrap_or_default();
            Ok(Dereferenced {
                inputs: Inputs {
                    url: url.clone(),
                    secret_uid: uid.clone(),
                    fingerprint: credentials.fingerprint(),
                    import: spec.import.clone(),
                },
                secret: RefusedSecret {
                    uid,
                    resource_version: secret.resource_version().unwrap_or_default(),
                    url: url.to_string(),
                },
                url,
                credentials,
            })
        }
        Err(message) => Err((Reason::InvalidSecret, message)),
    })
}
