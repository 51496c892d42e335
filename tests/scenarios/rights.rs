//! With the rights that the chart gives, and no others. Each stage of these tests has just them, and fails if one is
//! missing; here it is that none is too much, and what happens without them.

mod missing;

use bitbucket_simulator::{Simulator, histories};

use crate::support::front::{Act, Call, Front};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::{rights, until};

/// Where an operator looks after connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Namespace,
    Cluster,
}

impl Scope {
    /// The chart's.
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &[],
            Self::Cluster => &rights::EVERYWHERE,
        }
    }

    /// A stage with the rights that the chart gives with these flags, and the way to the API server. It shows nothing of other tests' namespaces.
    async fn stage(self, theme: &str, flags: &[&str]) -> (Stage, Front) {
        let mut stage = Stage::with_rights(theme, flags).await;
        let (front, own) = (Front::new(&stage.config).await, stage.namespace.clone());
        if self == Self::Cluster {
            stage.namespaces.clear();
            front.on(move |call| if call.is_of_all() { Act::Within(own.clone()) } else { Act::Pass });
        }
        (stage, front)
    }
}

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap()
}

/// Takes part in everything that the operator asks the API server for, once.
async fn nothing_is_granted_that_is_not_used(scope: Scope, mode: &'static str) {
    let secrets = format!("watch.secrets={mode}");
    let flags = [&["--set", &secrets], scope.flags()].concat();
    let (mut stage, front) = scope.stage("rights", &flags).await;
    stage.variables.push(("BITBUCKET_CONNECTOR_WATCH_SECRETS", mode.to_owned()));
    stage.start_operator_through(&front);
    let simulator = bitbucket(&stage).await;
    stage.apply(&connection("a", &simulator.url(), "s", ", deletionPolicy: Delete"));
    stage.until_ready("a", "False", "SecretNotFound").await;
    stage.apply(&secret("s", "reader", "hunter2"));
    ask(&stage, "1");
    stage.until_ready("a", "True", "Synced").await;
    let granted = rights::granted(&rights::manifests(stage.cluster, &stage.namespace, &flags));
    until("every right is used", async || granted == rights::called(&stage.audit).0).await;
    assert_eq!(front.calls().iter().any(Call::is_of_all), scope == Scope::Cluster);
}

/// Where Secrets are not watched, their changes are noticed when somebody asks.
fn ask(stage: &Stage, what: &str) {
    let annotation = format!("bitbucket-connector.dev/requestedAt={what}");
    stage.kubectl(&["annotate", "--overwrite", "bbc", "--all", &annotation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_that_is_not_used_with_secrets_watched() {
    nothing_is_granted_that_is_not_used(Scope::Namespace, "metadata").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_that_is_not_used_with_secrets_only_read() {
    nothing_is_granted_that_is_not_used(Scope::Namespace, "off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_in_all_namespaces_that_is_not_used_with_secrets_watched() {
    nothing_is_granted_that_is_not_used(Scope::Cluster, "metadata").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_in_all_namespaces_that_is_not_used_with_secrets_only_read() {
    nothing_is_granted_that_is_not_used(Scope::Cluster, "off").await;
}
