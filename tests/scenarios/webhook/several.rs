//! With several operators any of them takes a call, and the one that leads does what is to be done.

use std::net::SocketAddr;

use bitbucket_simulator::{Simulator, histories};
use reqwest::{Client, StatusCode};
use serde_json::json;

use super::{HOOK, KEY, pushed, signed};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::postgres::server;
use crate::support::until;
use crate::support::visitor::door;

fn receiver(stage: &Stage, number: usize) -> Option<SocketAddr> {
    door(stage, number, "webhooks are received")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_tells_the_one_that_leads() {
    let mut stage = Stage::with_rights("webhook-several", &["--set", "database.secretRef.name=commits"]).await;
    let database = server().await.database().await;
    stage.set_postgres(database.text());
    stage.variables.extend([
        ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
        ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", stage.namespace.clone()),
        ("BITBUCKET_CONNECTOR_WEBHOOK_LISTEN", "127.0.0.1:0".to_owned()),
    ]);
    let path = stage.folder.path().join("api.git");
    let git = histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: hook}}\nstringData: {{secret: {KEY}}}\n---\n"
    ));
    stage.apply(&connection("a", &simulator.url(), "s", HOOK));
    stage.start_operator();
    stage.until_ready("a", "True", "Synced").await;
    stage.start_operator();
    until("the other one stands by", async || stage.log_of(1).contains("standing by") && receiver(&stage, 1).is_some())
        .await;
    let admin = database.admin().await;
    let one = |sql: &'static str| async { admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) };
    let id = one("SELECT source_id FROM bitbucket_server_repositories").await;
    let address = receiver(&stage, 1).unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    let send = async |name: &str, key: &str| {
        let body = pushed(id, "refs/heads/main", &json!(null));
        let url = format!("http://{address}/webhooks/{}/{name}", stage.namespace);
        let request =
            http.post(url).header("X-Event-Key", "repo:refs_changed").header("X-Hub-Signature", signed(&body, key));
        request.body(body).send().await.unwrap().status()
    };
    assert_eq!(send("a", "other").await, StatusCode::UNAUTHORIZED);
    assert_eq!(send("nothing", KEY).await, StatusCode::UNAUTHORIZED);
    git.grow("main", 3).unwrap();
    // The wrong signature has had the key read; it is read again after two seconds.
    until("it is known", async || send("a", KEY).await == StatusCode::ACCEPTED).await;
    until("the commits are stored", async || {
        one("SELECT count(*) FROM bitbucket_server_repository_default_branch_commits").await == 8
    })
    .await;
    until("nothing waits any more", async || one("SELECT count(*) FROM bitbucket_hints").await == 0).await;
    assert!(!stage.log_of(1).contains("this operator leads"));
}
