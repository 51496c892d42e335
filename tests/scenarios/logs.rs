//! What the operator tells of itself to who looks: logs, and the pages for its own machine.

use std::process::{Command, Output};

use axum::http::StatusCode;
use bitbucket_simulator::{Action, Fault, Hold, Simulator, histories};
use serde_json::{Map, Value, json};

use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::{until, within};

/// A stage whose operator logs as in a cluster, and a Bitbucket with one repository.
async fn scene(theme: &str) -> (Stage, Simulator) {
    let mut stage = Stage::without_operator(theme).await;
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_FORMAT", "json".to_owned()));
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_LEVEL", "info".to_owned()));
    stage.start_operator();
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 150).unwrap();
    let bitbucket = Simulator::builder().user("reader", "hunter2").user("careful", "hunter2");
    let simulator = bitbucket.repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "True", "Synced").await;
    (stage, simulator)
}

/// The lines so far, each an object whose keys are there once.
fn lines(stage: &Stage) -> Vec<Map<String, Value>> {
    let log = stage.log();
    let parsed = log.lines().map(|line| {
        for key in ["connection", "run", "repository", "message"] {
            assert!(line.matches(&format!("\"{key}\":")).count() <= 1, "{key} twice: {line}");
        }
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    parsed.collect()
}

/// The messages of a run, in their order.
fn of_run(stage: &Stage, start: &str) -> Vec<String> {
    let lines = lines(stage);
    let of_run = lines.iter().filter(|line| line.get("run").is_some_and(|run| run == start));
    let connection = format!("{}/a", stage.namespace);
    of_run
        .map(|line| {
            assert_eq!(line["connection"], connection.as_str());
            line["message"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Not in the second in which the last run began: that is its name.
async fn ask(stage: &Stage, request: &str) {
    let last = stage.objects.get("a").await.unwrap().status.unwrap().sync.unwrap().start_time.0;
    until("the next second", async || jiff::Timestamp::now().as_second() > last.as_second()).await;
    let annotation = format!("bitbucket-connector.dev/requestedAt={request}");
    stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
}

async fn start_of_run(stage: &Stage) -> String {
    let status = stage.objects.get("a").await.unwrap().status.unwrap();
    status.sync.unwrap().start_time.0.to_string()
}

fn program(stage: &Stage, arguments: &[&str]) -> Output {
    let started = lines(stage).into_iter().find(|line| line["message"] == "bitbucket-connector started").unwrap();
    let address = started["debug"].as_str().unwrap().to_owned();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"));
    program.args(arguments).args(["--address", &address]).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_followed_by_one_word() {
    let (stage, simulator) = scene("logs").await;
    let start = start_of_run(&stage).await;
    assert_eq!(of_run(&stage, &start), ["sync run started", "repositories listed", "commits stored", "sync run ended"]);
    let stored = lines(&stage).into_iter().find(|line| line["message"] == "commits stored").unwrap();
    assert_eq!((&stored["repository"], &stored["added"]), (&json!("PLAT/api"), &json!(150)));

    // What everybody reads in the status is in the log, once.
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", "")));
    let wrong = stage.until_ready("wrong", "False", "invalid_credentials").await;
    let told = |line: &Map<String, Value>| line.get("reason").is_some_and(|reason| reason == "invalid_credentials");
    until("the verdict in the log", async || lines(&stage).iter().any(told)).await;
    let told: Vec<_> = lines(&stage).into_iter().filter(told).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["connection"], format!("{}/wrong", stage.namespace));
    assert_eq!(told[0]["message"], wrong.status.unwrap().conditions[0].message.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_changed_while_it_runs() {
    let (stage, simulator) = scene("log-level").await;
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(said(&program(&stage, &["log-level"])), "info");
    assert!(lines(&stage).iter().all(|line| line["level"] != "DEBUG"));
    assert_eq!(said(&program(&stage, &["log-level", "bitbucket_connector=debug"])), "bitbucket_connector=debug");
    ask(&stage, "one").await;
    until("more is told", async || lines(&stage).iter().any(|line| line["level"] == "DEBUG")).await;

    let refused = program(&stage, &["log-level", "loud=="]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot be understood"), "{refused:?}");

    // Who sees warnings alone sees whose they are.
    until("the end of the run", async || {
        of_run(&stage, &start_of_run(&stage).await).iter().any(|line| line == "sync run ended")
    })
    .await;
    assert_eq!(said(&program(&stage, &["log-level", "warn"])), "warn");
    simulator.faults().push(Fault::on_path("/branches/default", Action::status(StatusCode::BAD_REQUEST)));
    ask(&stage, "two").await;
    stage.until_ready("a", "True", "SyncIncomplete").await;
    let start = start_of_run(&stage).await;
    let warnings = of_run(&stage, &start);
    assert!(warnings.len() == 1 && warnings[0].starts_with("left behind: "), "{warnings:?}");

    // Its other pages know nothing of it, and it has no other address.
    assert!(stage.page("/debug/log-level").contains(" 404 ") && stage.page("/debug/state").contains(" 404 "));
    let everywhere = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"))
        .args(["run", "--database", "sqlite:///tmp/commits.db", "--debug-listen", "0.0.0.0:8081"])
        .output()
        .unwrap();
    assert_eq!(everywhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&everywhere.stderr).contains("not an address of the loopback interface"));

    let nobody = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"))
        .args(["log-level", "--address", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no operator answers at 127.0.0.1:1"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_says_what_is_waited_for() {
    let (stage, simulator) = scene("state").await;
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", "")));
    stage.until_ready("wrong", "False", "invalid_credentials").await;
    let hold = Hold::new();
    simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())));
    ask(&stage, "now").await;
    within("the run's first head", hold.wait_for(1)).await;
    let look = || -> Value {
        let output = program(&stage, &["state"]);
        assert!(output.status.success(), "{output:?}");
        assert_clean("the state", &output.stdout);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (own, wrong) = (format!("{}/a", stage.namespace), format!("{}/wrong", stage.namespace));
    let settled = |found: &Value| {
        let connections = &found["controller"]["connections"];
        connections[0]["run"].is_object() && connections[1]["account"].is_object()
    };
    // While one is reconciled, there is less to say of it.
    let now = (0..1000).map(|_| look()).find(settled).unwrap();
    assert_eq!((&now["leads"], &now["leadEndsInSeconds"], &now["waitsFor"]), (&json!(true), &json!(null), &json!([])));
    let controller = &now["controller"];
    assert_eq!(controller["freeTurns"], 99);
    assert_eq!(controller["bitbuckets"], json!([{"server": simulator.url(), "underWay": 1, "most": 16}]));
    let connections = &controller["connections"];
    assert_eq!((&connections[0]["connection"], &connections[1]["connection"]), (&json!(own), &json!(wrong)));
    let run = json!({"waits": false, "repositoriesDone": 0, "repositoriesTotal": 1, "commits": 0});
    assert_eq!(connections[0]["run"], run);
    assert!(connections[0]["nextSlot"].is_string() && connections[1]["nextSlot"].is_null());
    assert_eq!(connections[0]["account"]["credentials"], "proven");
    assert_eq!(connections[0]["database"], "open");
    assert_eq!(connections[1]["account"]["credentials"], "judged wrong");
    assert_eq!(connections[1]["nextQuestionInSeconds"], json!(null), "never by itself");
    hold.release();
}
