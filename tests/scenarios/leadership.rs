//! Several operators on one database: one acts, and another takes over whatever happens to it.

mod figures;

use std::time::Duration;

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::destination::{
    ConnectionKey, DatabaseUrl, Destination, Error, Next, Page, Position, RepositoryState, StoreError,
};
use bitbucket_connector::runtime::lead::Lead;
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, Hold, Matches, Simulator, histories};
use tokio::time::Instant;

use crate::support::clock::Clock;
use crate::support::manifests::{connection, secret};
use crate::support::net::Cable;
use crate::support::operator::Stage;
use crate::support::postgres::{Database, server};
use crate::support::replica::debug_page;
use crate::support::{rights, until, within};

const LEADS: &str = "this operator leads";
const LOST: &str = "the lead is lost";
const RUN: &str = "sync run started";

struct Scene {
    stage: Stage,
    simulator: Simulator,
    git: GitRepository,
    database: Database,
}

/// A stage for operators that share a PostgreSQL, with the rights that the chart gives for that.
async fn scene(theme: &str) -> Scene {
    let flags = ["--set", "database.secretRef.name=commits"];
    let mut stage = Stage::with_rights(theme, &flags).await;
    let database = server().await.database().await;
    stage.set_postgres(database.text());
    stage.variables.extend([
        ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
        ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", stage.namespace.clone()),
        // Shorter than usual, and long enough for a machine that has much to do.
        ("BITBUCKET_CONNECTOR_LEASE_DURATION", "14s".to_owned()),
    ]);
    let path = stage.folder.path().join("api.git");
    let git = histories::linear(&path, 450).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    Scene { stage, simulator, git, database }
}

impl Scene {
    fn apply(&self) {
        self.stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &self.simulator.url(), "s", "")));
    }

    /// Waits until the operator that was started after so many others says this once more.
    async fn says(&self, number: usize, what: &str, times: usize) {
        let said = async || self.stage.log_of(number).matches(what).count() >= times;
        until(&format!("operator {number} says {what:?}"), said).await;
    }

    /// Pushes, asks for a run, and waits until that has ended well.
    async fn push(&self, request: &str) {
        self.git.grow("main", 1).unwrap();
        let annotation = format!("bitbucket-connector.dev/requestedAt={request}");
        self.stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
        let ended = |object: &BitbucketConnection| {
            let Some(status) = &object.status else { return false };
            let over = status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some());
            status.last_handled_reconcile_at.as_deref() == Some(request) && over
        };
        self.stage.until("a", "the end of the run that was asked for", ended).await;
        self.holds_everything().await;
    }

    async fn holds_everything(&self) {
        let sql = "SELECT sha FROM bitbucket_server_repository_default_branch_commits ORDER BY sha";
        let stored = self.database.admin().await.query(sql, &[]).await.unwrap();
        let mut expected = self.git.rev_list(&["main"]).unwrap();
        expected.sort();
        assert_eq!(stored.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), expected);
    }

    /// Each operator says who holds the Lease, as soon as it has looked.
    async fn shows_holder(&self, number: usize) {
        let holder =
            self.stage.kubectl(&["get", "lease", "bitbucket-connector", "-o", "jsonpath={.spec.holderIdentity}"]);
        let expected = format!("\"leaseHolder\":\"{holder}\"");
        let shown =
            async || debug_page(&self.stage.log_of(number), "/debug/state").replace(": ", ":").contains(&expected);
        until("the holder of the lease to be shown", shown).await;
    }

    fn transitions(&self) -> String {
        self.stage.kubectl(&["get", "lease", "bitbucket-connector", "-o", "jsonpath={.spec.leaseTransitions}"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_takes_over_from_one_that_has_died_and_from_one_that_was_stopped() {
    let mut scene = scene("failover").await;
    scene.apply();
    scene.stage.start_operator();
    scene.says(0, LEADS, 1).await;
    scene.stage.until_ready("a", "True", "Synced").await;
    for number in [1, 2] {
        scene.stage.start_operator();
        scene.says(number, "standing by", 1).await;
    }
    assert!(scene.stage.page("/readyz").contains(" 200 "), "who stands by is ready");
    assert!(scene.stage.page("/metrics").contains("\nbitbucket_connector_leader 0\n"));
    for number in [0, 1, 2] {
        scene.shows_holder(number).await;
    }
    scene.push("one").await;
    scene.stage.signal_operator("-KILL");
    let leads = |number: &usize| scene.stage.log_of(*number).contains(LEADS);
    until("another leads", async || [1, 2].iter().any(leads)).await;
    let (second, third) = if leads(&1) { (1, 2) } else { (2, 1) };
    scene.push("two").await;
    assert!(!scene.stage.log_of(third).contains(RUN) && scene.stage.log_of(second).contains(RUN));
    assert_eq!(scene.transitions(), "2");

    // All get the signal; who leads lets go of the lease, and a fresh one has it.
    scene.stage.terminate_operators().await;
    assert!(scene.stage.log_of(second).contains("the lease is released"));
    assert!(!scene.stage.log_of(third).contains("the lease is released"));
    scene.stage.start_operator();
    scene.says(3, LEADS, 1).await;
    scene.push("three").await;
    let granted = rights::granted(&rights::manifests(
        scene.stage.cluster,
        &scene.stage.namespace,
        &["--set", "database.secretRef.name=commits"],
    ));
    let (called, _) = rights::called(&scene.stage.audit);
    let of_leases =
        |rights: &rights::Rights| rights.iter().filter(|right| right.contains("leases")).cloned().collect::<Vec<_>>();
    assert_eq!(of_leases(&called), of_leases(&granted));
}

/// It was stopped in the middle of a run, as a virtual machine is that moves, and goes on when another has long taken over.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_paused_does_nothing_more() {
    let mut scene = scene("paused").await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    scene.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    scene.apply();
    scene.stage.start_operator();
    within("the third page to be asked for", hold.wait_for(1)).await;
    scene.stage.signal_operator("-STOP");
    hold.release();
    scene.stage.start_operator();
    scene.says(1, LEADS, 1).await;
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.push("one").await;
    let before = scene.stage.objects.get("a").await.unwrap();

    scene.simulator.clear_requests();
    scene.stage.signal_operator("-CONT");
    scene.says(0, LOST, 1).await;
    scene.push("two").await;
    assert_eq!(scene.stage.log_of(0).matches(RUN).count(), 1);
    // Two requests of the one that leads are its verification, and the others its run.
    let seen: Vec<_> = scene.simulator.requests().iter().map(|seen| seen.path.clone()).collect();
    let listings = seen.iter().filter(|path| path.ends_with("/repos")).count();
    assert_eq!(listings, 2, "{seen:?}");
    assert_ne!(before.metadata.resource_version, scene.stage.objects.get("a").await.unwrap().metadata.resource_version);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cut_off_from_the_api_server_stops_by_itself_and_may_lead_again() {
    let mut scene = scene("cutoff").await;
    // In one namespace it may do nothing: that holds nothing up.
    scene.stage.namespaces.push(scene.stage.cluster.namespace("other"));
    scene.stage.lacks_rights = true;
    scene.apply();
    let server = scene.stage.server();
    let cable = Cable::new(server).await;
    scene.stage.start_operator_by(cable.address);
    scene.says(0, LEADS, 1).await;
    scene.stage.until_ready("a", "True", "Synced").await;
    scene.stage.start_operator();
    scene.says(1, "standing by", 1).await;
    cable.cut();
    scene.says(1, LEADS, 1).await;
    // It has to be the other way round: the one that is cut off knows before the others may take over.
    assert!(scene.stage.log_of(0).contains(LOST));
    scene.push("one").await;
    let runs = scene.stage.log_of(0).matches(RUN).count();
    cable.mend();
    scene.push("two").await;
    assert_eq!(scene.stage.log_of(0).matches(RUN).count(), runs);

    scene.stage.kill_operator();
    scene.says(0, LEADS, 2).await;
    scene.push("three").await;
    assert_eq!(scene.stage.log_of(0).matches(RUN).count(), runs + 1);
}

#[tokio::test]
async fn who_does_not_lead_writes_no_row() {
    let (lead, folder) = (Lead::contested(), tempfile::tempdir().unwrap());
    let url = DatabaseUrl::Sqlite(folder.path().join("commits.db"));
    let open = || Destination::open_at(&url, Addresses::all(), lead.clone());
    assert!(open().await.is_err() && !folder.path().join("commits.db").exists());
    lead.extend(Instant::now() + Duration::from_mins(10));
    let destination = open().await.unwrap();
    let key = || ConnectionKey { cluster: "c".into(), namespace: "n".into(), name: "a".into(), uid: "1".into() };
    let at = "https://git.example.com";
    let scope = destination.scope(key(), at.to_owned()).await.unwrap();
    lead.end();
    let page = Page { target: "a".repeat(40), since: None, commits: Vec::new(), next: Next::Page(100) };
    let refused = Err(Error::Unavailable("another operator has taken over".to_owned()));
    assert_eq!(destination.scope(key(), at.to_owned()).await.map(drop), refused);
    assert_eq!(destination.record(scope, Vec::new(), Vec::new()).await.map(drop), refused);
    assert_eq!(destination.mark(1, RepositoryState::Empty).await, refused);
    assert_eq!(destination.set_branch(1, "main".to_owned()).await, refused);
    assert_eq!(destination.finish_run(scope).await.map(drop), refused);
    assert_eq!(destination.remove(&key()).await.map(drop), refused);
    let refused = refused.clone().map_err(StoreError::Destination);
    assert_eq!(destination.abandon(1, Position::default()).await.map(drop), refused);
    assert_eq!(destination.store(scope, 1, Position::default(), page).await.map(drop), refused);
    assert!(destination.repositories(scope).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_for_the_lease_is_not_ready() {
    let mut stage = Stage::without_operator("nolease").await;
    stage.lacks_rights = true;
    stage.set_postgres(server().await.database().await.text());
    stage.variables.extend([
        ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
        ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", stage.namespace.clone()),
    ]);
    stage.start_operator();
    let told = async || stage.log().contains("the lease cannot be asked for");
    until("the log tells", told).await;
    let page = stage.page("/readyz");
    assert!(page.contains(" 503 ") && page.contains("waiting for the API server to answer about the lease"), "{page}");
    assert!(stage.page("/metrics").contains("\nbitbucket_connector_leader 0\n"));
    stage.terminate_operator().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_operators_need_a_server() {
    let mut command = crate::support::program::connector();
    command.args(["run", "--leader-election", "--database", "sqlite:///tmp/commits.db", "--listen", "127.0.0.1:0"]);
    let output = within("its end", command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("need one database on a server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_wrong_make_nobody_lead_too_early_or_never() {
    let mut scene = scene("clocks").await;
    scene.apply();
    scene.stage.start_operator();
    scene.says(0, LEADS, 1).await;
    scene.stage.until_ready("a", "True", "Synced").await;
    for (number, minutes) in [(1, 180), (2, -20)] {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        Clock::of(&mut scene.stage, &now.to_string());
        scene.stage.start_operator();
        scene.says(number, "standing by", 1).await;
    }
    scene.push("one").await;
    assert_eq!(scene.transitions(), "1", "nobody has taken it for an old one");
    scene.stage.signal_operator("-KILL");
    scene.push("two").await;
    let leads = |number: &usize| scene.stage.log_of(*number).contains(LEADS);
    let (second, third) = if leads(&1) { (1, 2) } else { (2, 1) };
    assert!(!leads(&third));
    scene.stage.signal_operator_at(second, "-KILL");
    scene.push("three").await;
    assert!(leads(&third));
    assert_eq!(scene.transitions(), "3");
}
