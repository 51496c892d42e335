//! Webhooks of a real operator: a push that is said is looked at at once, and whoever cannot sign learns and does nothing.

mod fork;
mod lost;
mod page;
mod several;

use std::net::SocketAddr;
use std::path::PathBuf;

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, Hold, NewRepository, Simulator, histories};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::until;
use crate::support::visitor::open_door;

/// What is entered in Bitbucket.
pub const KEY: &str = "hook-hunter2";
const HOOK: &str = ", schedule: \"0 0 29 2 *\", webhook: {secretRef: {name: hook}}";

struct Scene {
    stage: Stage,
    simulator: Simulator,
    git: GitRepository,
    address: SocketAddr,
    http: Client,
}

impl Scene {
    async fn start(theme: &str) -> Self {
        Self::on(Stage::without_operator(theme).await).await
    }

    /// On a stage that has no operator yet.
    async fn on(mut stage: Stage) -> Self {
        stage.variables.push(("BITBUCKET_CONNECTOR_WEBHOOK_LISTEN", "127.0.0.1:0".to_owned()));
        stage.start_operator();
        let path = stage.folder.path().join("api.git");
        let git = histories::linear(&path, 5).unwrap();
        let simulator =
            Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
        stage.apply(&secret("s", "reader", "hunter2"));
        stage.apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: hook}}\nstringData: {{secret: \"{KEY}\\n\"}}\n---\n"
        ));
        let address = open_door(&stage, 0, "webhooks are received").await;
        Self { stage, simulator, git, address, http: Client::builder().no_proxy().build().unwrap() }
    }

    async fn repository(&self) -> i64 {
        let rows = self.stage.query("SELECT source_id FROM bitbucket_server_repositories WHERE slug = 'api'").await;
        rows.rows[0][0].as_i64().unwrap()
    }

    async fn commits(&self) -> usize {
        let sql = "SELECT sha FROM bitbucket_server_repository_default_branch_commits";
        self.stage.query(sql).await.rows.len()
    }

    /// As Bitbucket sends it.
    async fn send(&self, name: &str, event: &str, body: &str, signature: Option<String>) -> (StatusCode, String) {
        let url = format!("http://{}/webhooks/{}/{name}", self.address, self.stage.namespace);
        let mut request =
            self.http.post(url).header("X-Event-Key", event).header("X-Request-Id", "1").body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature", signature);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// A push to this ref, signed.
    async fn push(&self, name: &str, branch: &str) -> StatusCode {
        let body = pushed(self.repository().await, branch, &json!("2026-05-24T14:11:04.000Z"));
        self.send(name, "repo:refs_changed", &body, Some(signed(&body, KEY))).await.0
    }
}

/// The body of a push.
pub fn pushed(id: i64, branch: &str, date: &Value) -> String {
    json!({
        "eventKey": "repo:refs_changed", "date": date,
        "actor": {"name": "jdoe", "emailAddress": "jdoe@example.com", "active": true, "id": 2, "slug": "jdoe", "type": "NORMAL"},
        "repository": {"slug": "api", "id": id, "name": "api", "project": {"key": "PLAT", "id": 1, "name": "Platform"}},
        "changes": [{"ref": {"id": branch, "displayId": "main", "type": "BRANCH"}, "refId": branch,
            "fromHash": "0".repeat(40), "toHash": "1".repeat(40), "type": "UPDATE"}]
    })
    .to_string()
}

/// What Bitbucket signs it with.
pub fn signed(body: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |header, byte| format!("{header}{byte:02x}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_stored_without_a_run() {
    let scene = Scene::start("webhook").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    let before = scene.stage.until_ready("a", "True", "Synced").await;
    for date in [json!("2025-05-18T16:57:51+0000"), json!(1_747_587_471_000_i64)] {
        let count = scene.commits().await;
        scene.git.grow("main", 3).unwrap();
        scene.simulator.clear_requests();
        let body = pushed(scene.repository().await, "refs/heads/main", &date);
        let (status, text) = scene.send("a", "repo:refs_changed", &body, Some(signed(&body, KEY))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{text}");
        until("the commits are stored", async || scene.commits().await == count + 3).await;
        // By plain http the server is looked at first. Then the head, whether the name still means it, and the commits behind the
        // head; nothing is listed.
        let asked: Vec<String> = scene.simulator.requests().iter().map(|seen| seen.path.clone()).collect();
        let expected = ["/application-properties", "/repos/api/branches/default", "/repos/api", "/repos/api/commits"];
        let ends = |(path, end): (&String, &str)| path.ends_with(end);
        assert!(asked.len() == expected.len() && asked.iter().zip(expected).all(ends), "{asked:?}");
    }
    let after = scene.stage.objects.get("a").await.unwrap();
    assert_eq!(after.status, before.status, "it is no run");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_nothing_that_is_stored_costs_nothing() {
    let scene = Scene::start("webhook-other").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.simulator.clear_requests();
    assert_eq!(scene.push("a", "refs/heads/feature").await, StatusCode::ACCEPTED);
    let unknown = pushed(9_999, "refs/heads/main", &json!(null));
    assert_eq!(
        scene.send("a", "repo:refs_changed", &unknown, Some(signed(&unknown, KEY))).await.0,
        StatusCode::ACCEPTED
    );
    until("both are looked at", async || {
        scene.stage.log().matches("nothing is stored of what was pushed to").count() == 2
    })
    .await;
    assert_eq!(scene.simulator.requests_to("/repos/").len(), 0);
    let comment = "{}";
    assert_eq!(scene.send("a", "repo:comment:added", comment, Some(signed(comment, KEY))).await.0, StatusCode::OK);
    // What is said later is looked at later.
    scene.git.grow("main", 1).unwrap();
    let count = scene.commits().await;
    until("a second has passed since the hint before", async || {
        scene.push("a", "refs/heads/main").await;
        scene.commits().await == count + 1
    })
    .await;
    let listed = scene.simulator.requests().iter().any(|seen| seen.path.ends_with("/repos"));
    assert!(!listed, "nothing is listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_sign_learns_nothing_and_does_nothing() {
    let scene = Scene::start("webhook-unsigned").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.apply(&connection("without", &scene.simulator.url(), "s", ", schedule: \"0 0 29 2 *\""));
    scene.stage.apply(&connection(
        "keyless",
        &scene.simulator.url(),
        "s",
        ", schedule: \"0 0 29 2 *\", webhook: {secretRef: {name: none}}",
    ));
    for name in ["a", "without", "keyless"] {
        scene.stage.until_ready(name, "True", "Synced").await;
    }
    scene.git.grow("main", 1).unwrap();
    scene.simulator.clear_requests();
    let body = pushed(scene.repository().await, "refs/heads/main", &json!(null));
    let mut answers = Vec::new();
    for (name, signature) in [
        ("a", None),
        ("a", Some(signed(&body, "other"))),
        ("a", Some(signed(&body, ""))),
        ("a", Some("sha256=".to_owned())),
        ("a", Some(signed("{}", KEY))),
        ("without", Some(signed(&body, KEY))),
        ("without", Some(signed(&body, ""))),
        ("keyless", Some(signed(&body, KEY))),
        ("keyless", Some(signed(&body, ""))),
        ("nothing", Some(signed(&body, KEY))),
        ("nothing", Some(signed(&body, ""))),
    ] {
        answers.push(scene.send(name, "repo:refs_changed", &body, signature).await);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == StatusCode::UNAUTHORIZED), "{answers:?}");
    let ping = r#"{"test":true}"#;
    let pings = [
        scene.send("a", "diagnostics:ping", ping, None).await,
        scene.send("nothing", "diagnostics:ping", ping, None).await,
    ];
    assert!(pings[0] == pings[1] && pings[0].0 == StatusCode::OK, "{pings:?}");
    let nonsense = "{\"repository\":7}";
    assert_eq!(
        scene.send("a", "repo:refs_changed", nonsense, Some(signed(nonsense, KEY))).await.0,
        StatusCode::BAD_REQUEST
    );
    // Refused while it still comes: whoever goes on sending may find the connection closed before the answer is read.
    let large = " ".repeat(10 << 20);
    let url = format!("http://{}/webhooks/{}/a", scene.address, scene.stage.namespace);
    let request = scene.http.post(url).header("X-Event-Key", "repo:refs_changed");
    match request.header("X-Hub-Signature", signed(&large, KEY)).body(large).send().await {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE),
        Err(error) => assert!(error.is_request(), "{error}"),
    }
    assert_eq!(scene.send("a", "diagnostics:ping", ping, None).await.0, StatusCode::OK, "it is there all the same");
    assert_eq!(scene.simulator.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_push_asks_once_a_second() {
    let scene = Scene::start("webhook-flood").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.until_ready("a", "True", "Synced").await;
    let body = pushed(scene.repository().await, "refs/heads/main", &json!(null));
    let signature = signed(&body, KEY);
    scene.simulator.clear_requests();
    let began = std::time::Instant::now();
    for _ in 0..40 {
        let calls = (0..10).map(|_| scene.send("a", "repo:refs_changed", &body, Some(signature.clone())));
        futures::future::join_all(calls).await;
    }
    let (looks, most) = (scene.simulator.requests_to("/branches/default").len() as u64, began.elapsed().as_secs() + 2);
    assert!((1..=most).contains(&looks), "{looks} in {most} s");
    // The Secret was read for few of them.
    let reads = scene.stage.audit.entries().filter(|entry| entry["objectRef"]["name"] == "hook").count();
    assert!((1..10).contains(&reads), "{reads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_during_a_run_is_stored_within_it() {
    let scene = Scene::start("webhook-run").await;
    let slow: PathBuf = scene.stage.folder.path().join("slow.git");
    histories::linear(&slow, 2).unwrap();
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.until_ready("a", "True", "Synced").await;
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path("/repos/slow/branches/default", Action::Hold(hold.clone())));
    scene.simulator.add_repository(NewRepository::at("PLAT/slow", slow)).unwrap();
    scene.stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=1"]);
    until("the run waits for the slow one", async || hold.arrived() > 0).await;
    let count = scene.commits().await;
    scene.git.grow("main", 4).unwrap();
    assert_eq!(scene.push("a", "refs/heads/main").await, StatusCode::ACCEPTED);
    until("the commits are stored", async || scene.commits().await == count + 4).await;
    let during = scene.stage.objects.get("a").await.unwrap().status.unwrap().sync.unwrap();
    assert!(during.completion_time.is_none(), "the run has not ended");
    hold.release();
    scene.simulator.faults().clear();
    let ended = |object: &bitbucket_connector::api::BitbucketConnection| {
        object
            .status
            .as_ref()
            .and_then(|status| status.sync.as_ref())
            .is_some_and(|sync| sync.start_time == during.start_time && sync.completion_time.is_some())
    };
    let object = scene.stage.until("a", "the run has ended", ended).await;
    let sync = object.status.unwrap().sync.unwrap();
    let repositories = sync.repositories.unwrap();
    assert_eq!((repositories.total, repositories.synced, sync.commits), (2, 2, Some(11)), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_changed_is_good_soon() {
    let scene = Scene::start("webhook-key").await;
    scene.stage.apply(&connection("a", &scene.simulator.url(), "s", HOOK));
    scene.stage.until_ready("a", "True", "Synced").await;
    assert_eq!(scene.push("a", "refs/heads/main").await, StatusCode::ACCEPTED);
    scene
        .stage
        .apply("apiVersion: v1\nkind: Secret\nmetadata: {name: hook}\nstringData: {secret: hook-hunter2-new}\n---\n");
    let body = pushed(scene.repository().await, "refs/heads/main", &json!(null));
    let new = signed(&body, "hook-hunter2-new");
    until("the new key is known", async || {
        scene.send("a", "repo:refs_changed", &body, Some(new.clone())).await.0 == StatusCode::ACCEPTED
    })
    .await;
    assert_eq!(scene.push("a", "refs/heads/main").await, StatusCode::UNAUTHORIZED, "the old one is good no more");
}
