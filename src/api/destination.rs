//! What a user writes of a database of their own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::spec::{DNS_SUBDOMAIN, LocalReference};

/// The database that the connection's rows go to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationReference {
    /// The Secret in the same namespace with the URI of a PostgreSQL database, which begins with `postgres://` or
    /// `postgresql://`. CloudNativePG's Secret `CLUSTER-app` can be named as it is.
    pub secret_ref: KeyReference,

    /// A Secret in the same namespace whose key `ca.crt` holds, in PEM form, the certificates of the authority that signed
    /// the server's certificate, such as CloudNativePG's `CLUSTER-ca`. With it TLS is demanded, and the server must prove
    /// that it is the host that the URI names; `sslmode=verify-ca` in the URI leaves out the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,

    /// The schema that holds the tables. It is made where it is missing and the role may do that.
    #[serde(default = "default_schema")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('pg_') && self != 'information_schema'").message("schemas whose names begin with pg_, and information_schema, are PostgreSQL's own"))]
    pub schema: String,
}

impl DestinationReference {
    /// The names of the Secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let authority = self.cert_secret_ref.as_ref().map(|reference| reference.name.as_str());
        std::iter::once(self.secret_ref.name.as_str()).chain(authority)
    }
}

/// A reference to a key of a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
    /// The key in it.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_key() -> String {
    "uri".to_owned()
}

fn default_schema() -> String {
    "bitbucket".to_owned()
}
