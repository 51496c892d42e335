//! From the object to what is needed to ask Bitbucket: URL, credentials, the way, and what they were made of.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};

use super::context::Context;
use super::error::{Error, within};
use super::secret;
use crate::api::spec::{ImportFilter, LocalReference};
use crate::api::status::RefusedSecret;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Credentials, Way};

/// What a verdict and a run depend on: where one of these changes, both are made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    url: BaseUrl,
    secret_uid: String,
    fingerprint: [u8; 32],
    way: [u8; 32],
    import: ImportFilter,
}

impl Inputs {
    /// Whether the same credentials of the same Secret go to the same place.
    pub fn same_credentials(&self, other: &Self) -> bool {
        let key = |inputs: &Self| (inputs.url.clone(), inputs.secret_uid.clone(), inputs.fingerprint);
        key(self) == key(other)
    }
}

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
    Ok(understand(object, url, &credentials, certificates.as_ref(), proxy.as_ref())
        .map_err(|message| (Reason::InvalidSecret, message)))
}

async fn get(
    context: &Context,
    object: &BitbucketConnection,
    field: &str,
    LocalReference { name }: &LocalReference,
) -> Result<Result<Secret, Unusable>, Error> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    Ok(within(secrets.get_opt(name)).await?.ok_or_else(|| {
        let message = format!("There is no Secret {name} in this namespace. Create it, or correct spec.{field}.name.");
        (Reason::SecretNotFound, message)
    }))
}

fn understand(
    object: &BitbucketConnection,
    url: BaseUrl,
    credentials: &Secret,
    certificates: Option<&Secret>,
    proxy: Option<&Secret>,
) -> Result<Dereferenced, String> {
    let mut way = Way::new(object.spec.timeout.into());
    if let Some(certificates) = certificates {
        way.authorities = secret::authorities(certificates)?;
    }
    way.proxy = proxy.map(secret::proxy).transpose()?;
    let uid = credentials.uid().unwrap_or_default();
    let resource_version = credentials.resource_version().unwrap_or_default();
    let used = RefusedSecret { uid: uid.clone(), resource_version, url: url.to_string() };
    let credentials = secret::credentials(credentials, &url)?;
    let inputs = Inputs {
        url: url.clone(),
        secret_uid: uid,
        fingerprint: credentials.fingerprint(),
        way: digest([certificates, proxy]),
        import: object.spec.import.clone(),
    };
    Ok(Dereferenced { url, credentials, way, secret: used, inputs })
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

#[cfg(test)]
impl Inputs {
    /// Inputs that differ from others in the filter or in the password.
    pub fn example(project: &str, password: &str) -> Self {
        use crate::api::spec::{ImportMode, PersonalProjects};
        let url = BaseUrl::parse("https://git.example.com").unwrap();
        let credentials = Credentials::Basic { username: "svc".to_owned(), password: password.into() };
        let import = ImportFilter {
            mode: ImportMode::Allowlist,
            projects: vec![project.to_owned()],
            repositories: Vec::new(),
            personal_projects: PersonalProjects::Exclude,
        };
        let fingerprint = credentials.fingerprint();
        Self { url, secret_uid: "u".to_owned(), fingerprint, way: digest([None, None]), import }
    }
}
