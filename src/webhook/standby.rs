//! Several operators, of which one leads: each takes calls, and the others tell that one by the database of all.

use std::sync::OnceLock;
use std::time::Duration;

use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::webhook::WebhookSecretReference;
use crate::controller::Inspector;
use crate::destination::{DatabaseUrl, Destination, Error, Told};
use crate::kubernetes::{Guarded, within};
use crate::sync::Hint;

/// How often the one that leads looks whether the others were told something.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The way from one operator to another.
pub struct Standby {
    /// To the API server: who stands by does not watch it.
    client: Client,
    database: DatabaseUrl,
    cluster: OnceLock<String>,
}

impl Standby {
    /// By the database of all operators.
    pub const fn new(client: Client, database: DatabaseUrl) -> Self {
        Self { client, database, cluster: OnceLock::new() }
    }

    /// To the API server, as the operator.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The cluster's name in the database.
    pub fn call_cluster(&self, name: &str) {
        self.cluster.get_or_init(|| name.to_owned());
    }

    /// The webhook of a connection, as it is now.
    pub async fn webhook(&self, object: &ObjectRef<Guarded>) -> Option<WebhookSecretReference> {
        let objects: Api<Guarded> = Api::namespaced(self.client.clone(), object.namespace.as_deref()?);
        let named = ListParams::default().fields(&format!("metadata.name={}", object.name));
        let found = within(objects.list(&named)).await.ok()?.items.pop()?.0.ok()?;
        Some(found.spec.webhook?.secret_ref)
    }

    /// Tells the operator that leads.
    pub async fn tell(&self, object: &ObjectRef<Guarded>, hint: Hint) -> Result<(), Error> {
        let told = Told {
            namespace: object.namespace.clone().unwrap_or_default(),
            name: object.name.clone(),
            source_id: hint.source_id,
            refs: hint.refs,
        };
        // Under another name nobody would ever take it.
        let unknown = || Error::Unavailable("the name of this cluster is not known yet".to_owned());
        Destination::tell(&self.database, self.cluster.get().ok_or_else(unknown)?, &told).await
    }

    /// While this operator leads, takes what the others were told, until told to stop.
    pub async fn collect(&self, inspector: &Inspector, stop: &CancellationToken) {
        // Kept, so that the database stays open between two looks.
        let mut kept = None;
        while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
            let Some(context) = inspector.context().filter(|context| context.lead.holds()) else {
                kept = None;
                continue;
            };
            let database = kept.insert(context.own_database());
            let taking = async { database.get().await?.take_told(&context.cluster).await };
            match taking.await {
                Ok(told) => {
                    for Told { namespace, name, source_id, refs } in told {
                        let object = ObjectRef::new(&name).within(&namespace);
                        context.hint(object, Hint { source_id, refs });
                    }
                }
                Err(error) => debug!(%error, "what other operators were told is looked for again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_operator_was_told_is_seen_within_a_second() {
        // What docs/webhooks.md says.
        assert!(LOOK_EVERY <= Duration::from_secs(1), "{LOOK_EVERY:?}");
    }
}
