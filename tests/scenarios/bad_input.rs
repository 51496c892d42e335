//! Whatever a user writes wrongly has a reason in the status, and costs nothing.

use bitbucket_connector::api::conditions::{READY, STALLED};
use bitbucket_simulator::{Simulator, histories};

use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_named_and_mended_by_an_edit() {
    let stage = Stage::start("bad").await;
    let simulator = bitbucket(&stage).await;
    let url = simulator.url();
    stage.apply(&secret("good", "reader", "hunter2"));
    stage.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: empty}\nstringData: {user: reader}\n");
    stage.apply(&secret("bound", "reader", "hunter2").replace("{\"", "{\"url\":\"https://other.example.com\",\""));
    stage.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: kind}\ntype: bitbucket-connector.dev/other\nstringData: {token: tok-hunter2}\n");
    for (name, secret, more, reason, says) in [
        ("cron", "good", ", schedule: \"every hour\"", "InvalidSchedule", "spec.schedule"),
        ("six", "good", ", schedule: \"0 0 * * * *\"", "InvalidSchedule", "five fields"),
        ("never", "good", ", schedule: \"0 0 31 2 *\"", "InvalidSchedule", "never comes"),
        ("zone", "good", ", timeZone: Mars/Olympus", "InvalidSchedule", "spec.timeZone"),
        ("missing", "missing", "", "SecretNotFound", "missing"),
        ("keys", "empty", "", "InvalidSecret", "holds no credentials"),
        ("bound", "bound", "", "InvalidSecret", "binds it to another server"),
        ("type", "kind", "", "InvalidSecret", "type"),
    ] {
        stage.apply(&connection(name, &url, secret, more));
        let object = stage.until_ready(name, "False", reason).await;
        let message = &condition(&object, READY).unwrap().message;
        assert!(message.contains(says), "{name}: {message}");
        assert_eq!(condition(&object, STALLED).unwrap().reason, reason);
    }
    stage.apply(&secret("missing", "reader", "hunter2"));
    stage.until_ready("missing", "True", "Synced").await;
    stage.apply(&secret("empty", "reader", "hunter2"));
    stage.until_ready("keys", "True", "Synced").await;
    stage.apply(&connection("zone", &url, "good", ", timeZone: Europe/Berlin"));
    stage.until_ready("zone", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_is_named_and_tried_again() {
    let mut stage = Stage::without_operator("database").await;
    let simulator = bitbucket(&stage).await;
    let folder = stage.folder.path().join("not-there-yet");
    stage.set_database(folder.join("commits.db"));
    stage.start_operator();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "False", "DestinationUnavailable").await;
    assert!(condition(&object, READY).unwrap().message.contains("not-there-yet"));
    assert!(condition(&object, STALLED).is_none());
    std::fs::create_dir(&folder).unwrap();
    stage.until_ready("a", "True", "Synced").await;
    // The tries were of the database, not of Bitbucket, which was asked once to verify and once by the run.
    assert_eq!(simulator.requests_to("/application-properties").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_waits_for_a_person() {
    let mut stage = Stage::without_operator("database").await;
    let simulator = bitbucket(&stage).await;
    let file = stage.folder.path().join("text.db");
    std::fs::write(&file, "this is a text, and not a short one: ".repeat(100)).unwrap();
    stage.set_database(file);
    stage.start_operator();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "False", "DestinationInvalid").await;
    assert_eq!(condition(&object, STALLED).unwrap().reason, "DestinationInvalid");
}
