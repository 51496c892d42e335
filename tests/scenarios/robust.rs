//! Faults between the operator and whoever it talks to: nothing learned is lost, nothing is asked too often, and
//! nobody waits for somebody else.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions::{READY, SYNCED, VERIFIED};
use bitbucket_simulator::{Action, Fault, Hold, Matches, Refusal, Simulator, histories};

use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};
use crate::support::{until, within};

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 150).unwrap();
    Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap()
}

fn observed(generation: i64) -> impl Fn(&BitbucketConnection) -> bool {
    move |object| object.status.as_ref().is_some_and(|status| status.observed_generation == Some(generation))
}

fn handled(object: &BitbucketConnection) -> bool {
    object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("now"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_not_sent_after_a_restart_and_another_filter() {
    let mut stage = Stage::start("refused").await;
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "wrong-hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "False", "invalid_credentials").await;
    stage.kill_operator();
    stage.start_operator();
    for (generation, project) in [(2, "X"), (3, "Z")] {
        let filter = format!(", import: {{mode: Denylist, projects: [{project}]}}");
        stage.apply(&connection("a", &simulator.url(), "s", &filter));
        let object = stage.until("a", "the filter to be seen", observed(generation)).await;
        assert_eq!(condition(&object, VERIFIED).unwrap().reason, "invalid_credentials");
    }
    // A label gives the Secret a new version, which is written down and changes nothing else.
    stage.kubectl(&["label", "secret", "s", "a=b"]);
    let version = stage.kubectl(&["get", "secret", "s", "-o", "jsonpath={.metadata.resourceVersion}"]);
    let written = |object: &BitbucketConnection| {
        let refused = object.status.as_ref().and_then(|status| status.refused_secret.as_ref());
        refused.is_some_and(|refused| refused.resource_version == version)
    };
    stage.until("a", "the Secret's new version", written).await;
    assert_eq!(simulator.failed_logins("reader"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_wait_for_their_turn() {
    let mut stage = Stage::without_operator("turns").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_MAX_CONCURRENT_SYNCS", "1".to_owned()));
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    let hold = Hold::new();
    let of_a_run = Matches::QueryContains("until=".to_owned());
    simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(of_a_run).times(1));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    within("the first run", hold.wait_for(1)).await;
    let log = |what: &str| stage.log().matches(what).count();
    for (number, name) in ["b", "c", "d"].into_iter().enumerate() {
        stage.apply(&connection(name, &simulator.url(), "s", ""));
        until("it waits", async || log("sync run waits") == number + 1).await;
    }
    // Nobody waits in vain.
    stage.apply(&connection("b", &simulator.url(), "s", ", suspend: true"));
    stage.until("b", "it to be suspended", |object| condition(object, SYNCED).unwrap().reason == "Suspended").await;
    assert_eq!(log("sync run started"), 1);
    hold.release();
    for name in ["a", "c", "d"] {
        stage.until_ready(name, "True", "Synced").await;
    }
    assert_eq!(log("sync run started"), 3);
    let (log, started) = (stage.log(), "sync run started");
    let order: Vec<_> =
        log.lines().filter(|line| line.contains(started)).filter_map(|line| line.split('/').nth(1)).collect();
    assert!(order.iter().zip(["a\"", "c\"", "d\""]).all(|(line, name)| line.starts_with(name)), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_share_a_wrong_password_try_it_once() {
    let stage = Stage::start("shared").await;
    let simulator = bitbucket(&stage).await;
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    let manifests: String = names.iter().map(|name| connection(name, &simulator.url(), "s", "")).collect();
    stage.apply(&(secret("s", "reader", "wrong-hunter2") + &manifests));
    for name in &names {
        stage.until_ready(name, "False", "invalid_credentials").await;
    }
    assert_eq!(simulator.failed_logins("reader"), 1);
    stage.kubectl(&["annotate", "bbc", "--all", "bitbucket-connector.dev/requestedAt=now"]);
    for name in &names {
        stage.until(name, "the request to be handled", handled).await;
    }
    assert_eq!(simulator.failed_logins("reader"), 2, "a person may try once more, and all share the try");
}

const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [bitbucket-connector.dev], apiVersions: [v1alpha1], operations: [UPDATE], resources: [bitbucketconnections/status]}
  matchConditions: [{name: here, expression: \"object.metadata.namespace == 'NAME'\"}]
  validations: [{expression: 'false', message: not now}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec: {policyName: NAME, validationActions: [Deny]}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_survives_a_status_write_that_fails() {
    let stage = Stage::start("denied").await;
    let simulator = bitbucket(&stage).await;
    let policy = POLICY.replace("NAME", &stage.namespace);
    stage.apply(&connection("probe", "https://git.example.com", "none", ""));
    stage.until_ready("probe", "False", "SecretNotFound").await;
    stage.apply(&policy);
    until("the policy to hold", async || {
        let patch = [
            "patch",
            "bbc",
            "probe",
            "--subresource=status",
            "--type=merge",
            "-p",
            "{\"status\":{\"username\":\"x\"}}",
        ];
        let tried = stage.cluster.kubectl(&[&["-n", &stage.namespace], &patch[..]].concat(), "");
        tried.err.contains("not now")
    })
    .await;
    stage.apply(&(secret("s", "reader", "wrong-hunter2") + &connection("a", &simulator.url(), "s", "")));
    until("a write to fail", async || stage.log().contains("not now")).await;
    assert_eq!(simulator.failed_logins("reader"), 1);
    let deleted = stage.cluster.kubectl(&["delete", "-f", "-"], &policy);
    assert!(deleted.ok, "{}", deleted.err);
    stage.until_ready("a", "False", "invalid_credentials").await;
    assert_eq!(simulator.failed_logins("reader"), 1, "what was learned is not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_stays_unavailable_until_it_works_and_the_run_goes_on() {
    let stage = Stage::start("locked").await;
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "True", "Synced").await;
    let other = rusqlite::Connection::open(stage.folder.path().join("commits.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    stage.until_ready("a", "False", "DestinationUnavailable").await;
    until("the database to be tried again", async || stage.log().contains("the destination cannot be opened")).await;
    let object = stage.objects.get("a").await.unwrap();
    assert_eq!(condition(&object, READY).unwrap().reason, "DestinationUnavailable");
    drop(other);
    let object = stage.until_ready("a", "True", "Synced").await;
    assert!(object.status.unwrap().sync.unwrap().completion_time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_up_nobody_else_and_no_shutdown() {
    let mut stage = Stage::start("hanging").await;
    let simulator = bitbucket(&stage).await;
    let hanging = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    hanging.faults().push(Fault::new(Action::Hang));
    let long = ", timeout: 10m";
    let manifests: String = (0..40).map(|n| connection(&format!("h{n}"), &hanging.url(), "s", long)).collect();
    stage.apply(&(secret("s", "reader", "hunter2") + &manifests));
    within("sixteen requests to hang", hanging.wait_until(|requests| requests.len() == 16)).await;
    stage.apply(&connection("a", &simulator.url(), "s", ""));
    stage.until_ready("a", "True", "Synced").await;
    assert_eq!(hanging.most_at_once(), 16);
    stage.terminate_operator().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_401_is_not_the_new_secrets() {
    let stage = Stage::start("rotated").await;
    let simulator = bitbucket(&stage).await;
    let hold = Hold::new();
    simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())));
    simulator.faults().push(Fault::on_path("/branches/default", Action::Refuse(Refusal::WrongPassword)).times(1));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    within("the run's first head", hold.wait_for(1)).await;
    // The operator sees the 401 and the new Secret at the same moment.
    stage.signal_operator("-STOP");
    simulator.faults().clear();
    simulator.set_password("reader", "new-hunter2").unwrap();
    stage.apply(&secret("s", "reader", "new-hunter2"));
    stage.signal_operator("-CONT");
    stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_is_a_hiccup_for_a_connection_that_was_verified() {
    let stage = Stage::start("login").await;
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let before = stage.until_ready("a", "True", "Synced").await;
    simulator.faults().push(Fault::new(Action::Html200));
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    let object = stage.until("a", "the request to be handled", handled).await;
    assert_eq!(object.status.unwrap().conditions, before.status.unwrap().conditions);
    // For a new connection it is the wrong URL.
    stage.apply(&connection("b", &simulator.url(), "s", ""));
    stage.until_ready("b", "False", "InvalidURL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_repository_stops_neither_the_verification_nor_the_others() {
    let stage = Stage::start("broken").await;
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 150).unwrap();
    // The first that is listed is the first that is tried.
    let builder = Simulator::builder().user("reader", "hunter2").repository("PLAT/a", path.clone());
    let simulator = builder.repository("PLAT/api", path).start().await.unwrap();
    let damaged = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    simulator.faults().push(Fault::on_path("/repos/a/", damaged));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let incomplete = |object: &BitbucketConnection| {
        condition(object, SYNCED).is_some_and(|synced| synced.reason == "SyncIncomplete")
    };
    let object = stage.until("a", "a run that leaves one behind", incomplete).await;
    assert_eq!(condition(&object, VERIFIED).unwrap().status, "True");
    let tried = simulator.requests().iter().any(|seen| seen.path.ends_with("/repos/a/commits"));
    assert!(tried, "the verification has met it");
    let sync = object.status.unwrap().sync.unwrap();
    assert_eq!(sync.failures.len(), 1);
    assert_eq!((sync.failures[0].repository.as_str(), sync.commits), ("PLAT/a", Some(150)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_somebody_asks_for_too_slowly_holds_up_no_end() {
    let mut stage = Stage::start("slow").await;
    until("it listens", async || stage.log().contains("connector started")).await;
    let mut slow = crate::support::replica::dial(&stage.log());
    std::io::Write::write_all(&mut slow, b"GET /metr").unwrap();
    assert!(stage.page("/metrics").contains(" 200 "), "it has taken the one before too");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), stage.terminate_operators()).await;
    assert!(ended.is_ok(), "{}", stage.log());
}
