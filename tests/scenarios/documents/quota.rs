//! What docs/security.md gives against many connections: a quota that the API server keeps.

use super::root;
use crate::support::manifests::connection;
use crate::support::operator::Stage;
use crate::support::page::blocks;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_bounds_the_connections_of_a_namespace() {
    let stage = Stage::without_operator("quota").await;
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let quota = blocks(&page, "yaml").into_iter().find(|manifest| manifest.contains("kind: ResourceQuota")).unwrap();
    let quota = quota.replace("\"10\"", "\"0\"");
    stage.apply(&quota);
    let used = ["get", "quota", "-o", "jsonpath={.items[*].status.used}"];
    until("connections are counted", async || {
        let counted = stage.kubectl(&used).contains("bitbucketconnections");
        // Kubernetes looks for new kinds twice a minute, and counts them for quotas that are made or changed later.
        if !counted {
            stage.kubectl(&["delete", "quota", "bitbucket-connections"]);
            stage.apply(&quota);
        }
        counted
    })
    .await;
    let manifest = connection("a", "https://bitbucket.example.com", "s", "");
    until("a connection is one too many", async || {
        let applied = stage.cluster.kubectl(&["-n", &stage.namespace, "apply", "-f", "-"], &manifest);
        if applied.ok {
            stage.kubectl(&["delete", "bbc", "a"]);
        }
        applied.err.contains("exceeded quota")
    })
    .await;
}
