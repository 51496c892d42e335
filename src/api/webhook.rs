//! What a user writes of Bitbucket's webhooks.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::spec::DNS_SUBDOMAIN;

/// How Bitbucket says that somebody has pushed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// A key of a Secret in the same namespace with the text that is entered in Bitbucket as the webhook's secret.
    pub secret_ref: WebhookSecretReference,
}

/// A reference to the secret of a webhook.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
    /// The key in it.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_key() -> String {
    "secret".to_owned()
}
