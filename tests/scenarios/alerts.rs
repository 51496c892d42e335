//! Each alert of the chart, in a real Prometheus: it fires when what it is for is so, and falls silent when it is over.

use axum::http::StatusCode;
use bitbucket_simulator::{Action, Fault, Hold, Simulator, histories};

use crate::support::front::{Act, Front};
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::postgres::{own_server, server};
use crate::support::prometheus::Prometheus;
use crate::support::replica::address;
use crate::support::until;

const EVERY_MINUTE: &str = ", schedule: \"* * * * *\"";

struct Scene {
    stage: Stage,
    simulator: Simulator,
    prometheus: Prometheus,
}

impl Scene {
    async fn new(theme: &str, flags: &[&str]) -> Self {
        let stage = Stage::with_rights(theme, flags).await;
        let path = stage.folder.path().join("api.git");
        histories::linear(&path, 20).unwrap();
        let bitbucket = Simulator::builder().user("reader", "hunter2").user("careful", "hunter2");
        let simulator = bitbucket.repository("PLAT/api", path).start().await.unwrap();
        Self { stage, simulator, prometheus: Prometheus::start().await }
    }

    /// With an operator that has synced one connection, and no alert.
    async fn quiet(theme: &str, more: &str) -> Self {
        let mut scene = Self::new(theme, &[]).await;
        scene.stage.start_operator();
        scene.scrape(&[0]).await;
        scene.connect(more).await;
        scene
    }

    async fn connect(&self, more: &str) {
        self.stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &self.simulator.url(), "s", more)));
        self.stage.until_ready("a", "True", "Synced").await;
        let synced = r#"bitbucket_connector_connection_conditions{type="Ready",status="True",reason="Synced"} == 1"#;
        until("Prometheus knows it", async || !self.prometheus.query(synced).await.is_empty()).await;
        self.prometheus.is_silent().await;
    }

    /// Lets Prometheus scrape the operators that were started after so many others.
    async fn scrape(&self, numbers: &[usize]) {
        let mut addresses = Vec::new();
        for number in numbers {
            let started = async || self.stage.log_of(*number).contains("bitbucket-connector started");
            until("the operator's start", started).await;
            addresses.push(address(&self.stage.log_of(*number)));
        }
        self.prometheus.scrape(&addresses);
    }

    fn ask(&self, request: &str) {
        let annotation = format!("bitbucket-connector.dev/requestedAt={request}");
        self.stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
    }
}

fn refused() -> Act {
    Act::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "no leader")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_waits_for_a_person() {
    let Scene { stage, simulator, prometheus } = Scene::quiet("alert-refused", "").await;
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", "")));
    prometheus.fires("BitbucketConnectionRefused").await;
    let reasons = prometheus.query("ALERTS{alertname=\"BitbucketConnectionRefused\"}").await;
    assert_eq!(reasons[0]["metric"]["reason"], "invalid_credentials");
    stage.apply(&secret("w", "careful", "hunter2"));
    prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitbucket_that_cannot_be_reached() {
    let Scene { stage, simulator, prometheus } = Scene::quiet("alert-unreachable", "").await;
    simulator.set_listening(false).await;
    stage.apply(&connection("new", &simulator.url(), "s", ""));
    prometheus.fires("BitbucketConnectionUnreachable").await;
    simulator.set_listening(true).await;
    prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_and_slots_that_wait_for_it() {
    let mut scene = Scene::new("alert-database", &[]).await;
    let (server, process) = own_server().await;
    scene.stage.set_postgres(server.database().await.text());
    scene.stage.start_operator();
    scene.scrape(&[0]).await;
    scene.connect(EVERY_MINUTE).await;
    process.kill();
    scene.ask("now");
    scene.prometheus.fires("BitbucketDestinationUnavailable").await;
    scene.prometheus.fires("BitbucketSyncOverdue").await;
    assert!(tokio::task::spawn_blocking(|| process.run()).await.unwrap(), "the server starts again");
    scene.prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_left_behind() {
    let scene = Scene::quiet("alert-incomplete", "").await;
    let broken = Fault::on_path("/branches/default", Action::status(StatusCode::INTERNAL_SERVER_ERROR));
    scene.simulator.faults().push(broken);
    scene.ask("one");
    scene.prometheus.fires("BitbucketSyncIncomplete").await;
    scene.simulator.faults().clear();
    scene.ask("two");
    scene.prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_longer_than_the_schedule_leaves_it() {
    let scene = Scene::quiet("alert-skipped", &format!("{EVERY_MINUTE}, timeout: 5m")).await;
    let hold = Hold::new();
    scene.simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())));
    scene.prometheus.fires("BitbucketSlotsSkipped").await;
    hold.release();
    scene.simulator.faults().clear();
    scene.prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up() {
    let scene = Scene::quiet("alert-limited", "").await;
    scene.simulator.faults().push(Fault::on_path("/repos", Action::status(StatusCode::TOO_MANY_REQUESTS)));
    scene.ask("one");
    scene.prometheus.fires("BitbucketRateLimited").await;
    scene.simulator.faults().clear();
    scene.prometheus.is_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_does_not_do_what_it_is_asked_for() {
    let mut scene = Scene::new("alert-api-server", &[]).await;
    let front = Front::new(&scene.stage.config).await;
    scene.stage.start_operator_through(&front);
    scene.scrape(&[0]).await;
    scene.connect("").await;
    front.on(|call| if call.kind.starts_with("PATCH") { refused() } else { Act::Pass });
    scene.ask("now");
    scene.prometheus.fires("BitbucketConnectorAPIServerFails").await;
    front.pass();
    scene.prometheus.is_silent().await;
}

/// One that was written before the CustomResourceDefinition knew better.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_cannot_be_understood() {
    let mut scene = Scene::new("alert-unreadable", &[]).await;
    let front = Front::new(&scene.stage.config).await;
    let strange = |answer: &str| answer.replace("\"suspend\":false", "\"suspend\":\"no\"");
    front.on(move |call| if call.kind == "GET bitbucketconnections" { Act::Change(strange) } else { Act::Pass });
    scene.stage.start_operator_through(&front);
    scene.scrape(&[0]).await;
    scene.stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &scene.simulator.url(), "s", "")));
    scene.prometheus.fires("BitbucketConnectionUnreadable").await;
    scene.stage.kubectl(&["delete", "bbc", "a"]);
    scene.prometheus.is_silent().await;
}

/// Nobody, one, and two that do not know of each other.
#[tokio::test(flavor = "multi_thread")]
async fn operators_that_are_too_few_or_too_many() {
    let mut scene = Scene::new("alert-leaders", &["--set", "database.secretRef.name=commits"]).await;
    scene.prometheus.fires("BitbucketConnectorAbsent").await;
    let database = server().await.database().await;
    scene.stage.set_postgres(database.text());
    scene.stage.variables.extend([
        ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
        ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", scene.stage.namespace.clone()),
    ]);
    let front = Front::new(&scene.stage.config).await;
    front.on(|call| if call.kind.contains(" leases") { refused() } else { Act::Pass });
    scene.stage.start_operator_through(&front);
    scene.scrape(&[0]).await;
    scene.prometheus.fires("BitbucketConnectorNobodyLeads").await;
    front.pass();
    scene.prometheus.is_silent().await;

    scene.stage.variables.retain(|(name, _)| !name.contains("LEASE") && !name.contains("LEADER"));
    scene.stage.start_operator();
    scene.scrape(&[0, 1]).await;
    scene.prometheus.fires("BitbucketConnectorSeveralLead").await;
    scene.stage.kill_operator();
    scene.prometheus.is_silent().await;
}
