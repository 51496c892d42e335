//! With several operators any of them takes a call, and the one that leads does what is to be done.

use std::net::SocketAddr;

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Simulator, histories};
use reqwest::{Client, StatusCode};
use serde_json::json;

use super::{HOOK, KEY, pushed, signed};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::postgres::{Database, server};
use crate::support::until;
use crate::support::visitor::door;

/// One that leads, and one that stands by.
struct Pair {
    stage: Stage,
    database: Database,
    admin: tokio_postgres::Client,
    git: GitRepository,
    /// The repository's, at Bitbucket.
    id: i64,
    /// Of the one that stands by.
    address: SocketAddr,
    _simulator: Simulator,
}

fn receiver(stage: &Stage, number: usize) -> Option<SocketAddr> {
    door(stage, number, "webhooks are received")
}

impl Pair {
    async fn start(theme: &str) -> Self {
        let mut stage = Stage::with_rights(theme, &["--set", "database.secretRef.name=commits"]).await;
        let database = server().await.database().await;
        stage.set_postgres(database.text());
        stage.variables.extend([
            ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
            ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", stage.namespace.clone()),
            ("BITBUCKET_CONNECTOR_WEBHOOK_LISTEN", "127.0.0.1:0".to_owned()),
        ]);
        let path = stage.folder.path().join("api.git");
        let git = histories::linear(&path, 5).unwrap();
        let simulator =
            Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
        stage.apply(&secret("s", "reader", "hunter2"));
        stage.apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: hook}}\nstringData: {{secret: {KEY}}}\n---\n"
        ));
        stage.apply(&connection("a", &simulator.url(), "s", HOOK));
        stage.start_operator();
        stage.until_ready("a", "True", "Synced").await;
        stage.start_operator();
        until("the other one stands by", async || {
            stage.log_of(1).contains("standing by") && receiver(&stage, 1).is_some()
        })
        .await;
        let admin = database.admin().await;
        let row = admin.query_one("SELECT source_id FROM bitbucket_server_repositories", &[]).await.unwrap();
        let address = receiver(&stage, 1).unwrap();
        Self { stage, database, admin, git, id: row.get(0), address, _simulator: simulator }
    }

    async fn count(&self, table: &str) -> i64 {
        self.admin.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
    }

    /// A push that the one that stands by is told.
    async fn send(&self, name: &str, key: &str) -> StatusCode {
        let body = pushed(self.id, "refs/heads/main", &json!(null));
        let url = format!("http://{}/webhooks/{}/{name}", self.address, self.stage.namespace);
        let request = Client::builder().no_proxy().build().unwrap().post(url);
        let request = request.header("X-Event-Key", "repo:refs_changed").header("X-Hub-Signature", signed(&body, key));
        request.body(body).send().await.unwrap().status()
    }

    async fn until_stored(&self, commits: i64) {
        until("the commits are stored", async || {
            self.count("bitbucket_server_repository_default_branch_commits").await == commits
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_tells_the_one_that_leads() {
    let pair = Pair::start("webhook-several").await;
    assert_eq!(pair.send("a", "other").await, StatusCode::UNAUTHORIZED);
    assert_eq!(pair.send("nothing", KEY).await, StatusCode::UNAUTHORIZED);
    pair.git.grow("main", 3).unwrap();
    // The wrong signature has had the key read; it is read again after two seconds.
    until("it is known", async || pair.send("a", KEY).await == StatusCode::ACCEPTED).await;
    pair.until_stored(8).await;
    until("nothing waits any more", async || pair.count("bitbucket_hints").await == 0).await;
    assert!(!pair.stage.log_of(1).contains("this operator leads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_not_accepted() {
    let pair = Pair::start("webhook-untold").await;
    let name = &pair.database.name;
    let alter = async |change: &str| {
        pair.admin.batch_execute(&format!("ALTER DATABASE {name} {change}")).await.unwrap();
    };
    alter("SET default_transaction_read_only = on").await;
    assert_eq!(pair.send("a", KEY).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(pair.stage.log_of(1).contains("cannot be told what was pushed"));
    // Whoever cannot sign does not learn that.
    assert_eq!(pair.send("nothing", KEY).await, StatusCode::UNAUTHORIZED);
    assert_eq!(pair.count("bitbucket_hints").await, 0);
    alter("RESET default_transaction_read_only").await;
    pair.git.grow("main", 3).unwrap();
    assert_eq!(pair.send("a", KEY).await, StatusCode::ACCEPTED);
    pair.until_stored(8).await;
}
