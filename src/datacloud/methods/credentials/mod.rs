//! `credentials.*`: the Secret that a connection names in `spec.secretRef`.

mod read;
mod wanted;
mod write;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

pub use self::read::{info, list};
pub use self::write::{create, delete, update};
use super::{Connection, TYPE};
use crate::callers::Refusal;
use crate::datacloud::ids::id;
use crate::kubernetes::within;

/// Annotation of the Secret: the credential's label.
const LABEL: &str = "bitbucket-connector.dev/label";
/// Annotation of the Secret: the credential's expiration date.
const EXPIRATION_DATE: &str = "bitbucket-connector.dev/expiration-date";

impl Connection {
    /// The connection's one credential, if it is there.
    async fn secret(&self) -> Result<Option<Secret>, Refusal> {
        let secrets = self.caller.secrets(&self.object);
        Ok(within(secrets.get_opt(&self.object.spec.secret_ref.name)).await?)
    }

    /// The credential with this id.
    async fn credential(&self, wanted: Option<u64>) -> Result<Secret, Refusal> {
        let secret = self.secret().await?.ok_or(Refusal::CredentialNotFound)?;
        let same = secret.uid().is_some_and(|uid| Some(id(&uid)) == wanted);
        if same { Ok(secret) } else { Err(Refusal::CredentialNotFound) }
    }
}
