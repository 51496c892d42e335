//! `spec.destination`: the connection's rows in a PostgreSQL of its own, and what becomes of that one's faults.

mod lost;

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions::{READY, RECONCILING, STALLED, SYNCED, VERIFIED};
use bitbucket_connector::api::status::Trigger;
use bitbucket_connector::destination::query;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Simulator, histories};
use serde_json::json;

use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};
use crate::support::postgres::{Database, PASSWORD, PASSWORD_IN_URI, own_server, server};
use crate::support::tls::Authority;
use crate::support::until;

const SHAS: &str = "SELECT sha FROM bitbucket_server_repository_default_branch_commits ORDER BY sha";
const TO: &str = ", destination: {secretRef: {name: commits-app}}";

async fn bitbucket(stage: &Stage) -> (Simulator, GitRepository) {
    let path = stage.folder.path().join("api.git");
    let git = histories::odd(&path, 60, 3).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    (simulator, git)
}

/// A Secret as CloudNativePG writes it.
fn cloudnative(name: &str, uri: &str, database: &Database) -> String {
    let (host, port) = database.server.address.split_once(':').unwrap();
    let data = json!({
        "dbname": database.name, "host": host, "port": port, "user": database.role, "username": database.role,
        "password": PASSWORD, "uri": uri, "jdbc-uri": format!("jdbc:postgresql://{host}:{port}/{}?password={PASSWORD_IN_URI}", database.name),
        "pgpass": format!("{host}:{port}:{}:{}:{PASSWORD}\n", database.name, database.role),
    });
    format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/basic-auth\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n"
    )
}

fn keys(name: &str, data: &serde_json::Value) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n")
}

fn message(object: &BitbucketConnection) -> &str {
    &condition(object, READY).unwrap().message
}

/// What stands in the database is git's own list.
async fn assert_complete(database: &Database, git: &GitRepository) {
    let mut expected = git.rev_list(&["main"]).unwrap();
    expected.sort();
    let rows = query(&database.url(), SHAS).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| row[0].as_str().unwrap()).collect::<Vec<_>>(), expected);
    let everything = "SELECT row_to_json(c)::text FROM bitbucket_connections c";
    assert_clean("the database", format!("{:?}", query(&database.url(), everything).await.unwrap().rows));
}

fn ended(trigger: Trigger) -> impl Fn(&BitbucketConnection) -> bool {
    move |object| {
        let sync = object.status.as_ref().and_then(|status| status.sync.as_ref());
        sync.is_some_and(|sync| sync.trigger == trigger && sync.completion_time.is_some())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_go_to_the_database_of_the_connections_secret() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let database = server().await.database().await;
    let uri = database.text().replace("postgres://", "postgresql://");
    stage.apply(&(secret("s", "reader", "hunter2") + &cloudnative("commits-app", &uri, &database)));
    stage.apply(&connection("a", &simulator.url(), "s", TO));
    let object = stage.until_ready("a", "True", "Synced").await;
    assert_eq!(object.status.unwrap().sync.unwrap().commits, Some(60));
    assert_complete(&database, &git).await;
    assert!(!stage.folder.path().join("commits.db").exists(), "nobody uses the operator's own");

    // Where the connection is gone, nobody uses this one any more.
    stage.kubectl(&["delete", "bbc", "a"]);
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", database.role);
    let admin = database.admin().await;
    until("the end of all connections", async || {
        let count: i64 = admin.query_one(&sessions, &[]).await.unwrap().get(0);
        count == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_secret_is_said_and_its_correction_is_enough() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let database = server().await.database().await;
    let uri = database.text();
    let address = &database.server.address;
    let port = address.rsplit_once(':').unwrap().1;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", TO)));
    let object = stage.until_ready("a", "False", "DestinationInvalid").await;
    assert_eq!(
        message(&object),
        "There is no Secret commits-app in this namespace. Create it, or correct spec.destination.secretRef.name."
    );
    assert_eq!(condition(&object, VERIFIED).unwrap().status, "True");
    assert_eq!(object.status.as_ref().unwrap().observed_generation, object.metadata.generation);
    let asked = simulator.requests().len();
    for (data, says) in [
        (json!({"password": "hunter2"}), "has no key uri"),
        (json!({"uri": "mysql://u:hunter2@h/a"}), "no postgres:// or postgresql:// URI"),
        (json!({"uri": format!("{uri}?sslrootcert=/etc/passwd")}), "the operator's own"),
        (
            json!({"uri": format!("postgres://u:hunter2@0.0.0.0:{port}/a")}),
            "an address that the operator does not connect to",
        ),
        (json!({"uri": "postgres://u:hunter2@%2Ftmp/a"}), "the operator's own"),
        (json!({"uri": "postgres://u:hunter2@169.254.169.254/a"}), "an address that the operator does not connect to"),
        (json!({"uri": uri.replace("hunter2", "wrong-hunter2")}), "refuses the login"),
        (json!({"uri": uri.replace(&format!("{address}/"), &format!("{address}/no"))}), "3D000"),
    ] {
        stage.apply(&keys("commits-app", &data));
        let said = |object: &BitbucketConnection| {
            condition(object, READY)
                .is_some_and(|ready| ready.reason == "DestinationInvalid" && ready.message.contains(says))
        };
        let object = stage.until("a", says, said).await;
        assert_eq!(condition(&object, STALLED).unwrap().reason, "DestinationInvalid");
        assert!(condition(&object, RECONCILING).is_none());
        assert_eq!(condition(&object, VERIFIED).unwrap().status, "True");
    }
    assert_eq!(simulator.requests().len(), asked, "it is no matter of the verdict");
    stage.apply(&keys("commits-app", &json!({"uri": format!("{uri}\n")})));
    let object = stage.until_ready("a", "True", "Synced").await;
    assert!(condition(&object, STALLED).is_none());
    assert_complete(&database, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_is_taken_from_the_secret_without_a_restart() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let database = server().await.database().await;
    let apply = |uri: &str| stage.apply(&keys("commits-app", &json!({ "uri": uri })));
    apply(&database.text());
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", TO)));
    stage.until_ready("a", "True", "Synced").await;

    let admin = database.admin().await;
    let change = format!("ALTER ROLE {} PASSWORD 'new-hunter2'", database.role);
    let close = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", database.role);
    admin.batch_execute(&change).await.unwrap();
    admin.batch_execute(&close).await.unwrap();
    git.grow("main", 2).unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    let object = stage.until_ready("a", "False", "DestinationInvalid").await;
    assert!(message(&object).contains("refuses the login"), "{}", message(&object));
    assert!(message(&object).ends_with("Correct the Secrets of spec.destination, or the database."));

    apply(&database.text().replace(PASSWORD_IN_URI, "new-hunter2"));
    stage.until_ready("a", "True", "Synced").await;
    let mut expected = git.rev_list(&["main"]).unwrap();
    expected.sort();
    let rows = admin.query(SHAS, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_found_again_without_help() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let (own, process) = own_server().await;
    let database = own.database().await;
    stage.apply(&keys("commits-app", &json!({"uri": database.text()})));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", TO)));
    stage.until_ready("a", "True", "Synced").await;
    process.kill();
    git.grow("main", 2).unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    let object = stage.until_ready("a", "False", "DestinationUnavailable").await;
    assert_eq!(condition(&object, RECONCILING).unwrap().reason, "ProgressingWithRetry");
    assert!(condition(&object, STALLED).is_none());
    assert!(message(&object).starts_with("The destination is not available: "), "{}", message(&object));
    tokio::task::block_in_place(|| assert!(process.run(), "it starts again"));
    let object = stage.until_ready("a", "True", "Synced").await;
    assert!(condition(&object, RECONCILING).is_none());
    assert_complete(&database, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fault_of_one_database_is_nothing_to_the_others() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let (good, broken) = (server().await.database().await, server().await.database().await);
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&keys("good", &json!({"uri": good.text()})));
    // There is nobody at this port.
    let nowhere = broken.text().replace(&broken.server.address, "127.0.0.1:1");
    stage.apply(&keys("down", &json!({ "uri": nowhere })));
    stage.apply(&keys("wrong", &json!({"uri": broken.text().replace("hunter2", "wrong-hunter2")})));
    let to = |name: &str| format!(", destination: {{secretRef: {{name: {name}}}}}");
    for name in ["down", "wrong", "good"] {
        stage.apply(&connection(name, &simulator.url(), "s", &to(name)));
    }
    stage.apply(&connection("own", &simulator.url(), "s", ""));
    stage.until_ready("down", "False", "DestinationUnavailable").await;
    stage.until_ready("wrong", "False", "DestinationInvalid").await;
    stage.until_ready("good", "True", "Synced").await;
    stage.until_ready("own", "True", "Synced").await;
    assert_complete(&good, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_destination_is_filled_at_once() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let database = server().await.database().await;
    stage.apply(&(secret("s", "reader", "hunter2") + &keys("commits-app", &json!({"uri": database.text()}))));
    stage.apply(&connection("a", &simulator.url(), "s", ""));
    stage.until_ready("a", "True", "Synced").await;
    let verified = |object: &BitbucketConnection| condition(object, VERIFIED).unwrap().last_transition_time.clone();
    let before = stage.objects.get("a").await.unwrap();
    stage.apply(&connection("a", &simulator.url(), "s", TO));
    let object = stage.until("a", "a run to the other database", ended(Trigger::SpecChange)).await;
    assert_eq!(object.status.as_ref().unwrap().sync.as_ref().unwrap().commits_added, Some(60));
    assert_eq!(verified(&object), verified(&before));
    assert_eq!(condition(&object, SYNCED).unwrap().status, "True");
    assert_complete(&database, &git).await;
    // And back: what the operator's own holds is still there.
    git.grow("main", 3).unwrap();
    stage.apply(&connection("a", &simulator.url(), "s", ""));
    let back = |object: &BitbucketConnection| {
        let sync = object.status.as_ref().and_then(|status| status.sync.as_ref());
        sync.is_some_and(|sync| sync.commits_added == Some(3))
    };
    stage.until("a", "a run to the operator's own", back).await;
    assert_eq!(
        stage.query("SELECT count(*) FROM bitbucket_server_repository_default_branch_commits").await.rows,
        [[json!(63)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_destination_that_was_down_is_filled_by_the_next_process_too() {
    let mut stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let (own, process) = own_server().await;
    let database = own.database().await;
    // No slot comes to the test's help.
    let yearly = ", schedule: \"0 0 29 2 *\"";
    stage.apply(&(secret("s", "reader", "hunter2") + &keys("commits-app", &json!({"uri": database.text()}))));
    stage.apply(&connection("a", &simulator.url(), "s", yearly));
    stage.until_ready("a", "True", "Synced").await;
    process.kill();
    stage.apply(&connection("a", &simulator.url(), "s", &format!("{yearly}{TO}")));
    let object = stage.until_ready("a", "False", "DestinationUnavailable").await;
    assert_eq!(object.status.as_ref().unwrap().observed_generation, object.metadata.generation);
    stage.kill_operator();
    tokio::task::block_in_place(|| assert!(process.run(), "it starts again"));
    stage.start_operator();
    stage.until("a", "a run to the other database", ended(Trigger::SpecChange)).await;
    assert_complete(&database, &git).await;
    // One run pays what was owed.
    stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_must_prove_who_it_is_where_an_authority_is_named() {
    let stage = Stage::start("destination").await;
    let (simulator, git) = bitbucket(&stage).await;
    let (own, process) = own_server().await;
    let (authority, database) = (Authority::new(), own.database().await);
    let (certificate, key) = authority.sign("localhost");
    process.put("server.crt", &certificate);
    process.put("server.key", &key);
    let admin = database.admin().await;
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap().cert.pem();
    // It listens at 127.0.0.1 only, and localhost may be ::1 too.
    let uri = format!("{}?hostaddr=127.0.0.1", database.text().replace("127.0.0.1", "localhost"));
    stage.apply(&(secret("s", "reader", "hunter2") + &keys("commits-app", &json!({ "uri": uri }))));
    stage.apply(&keys("commits-ca", &json!({"ca.crt": other})));
    let to = ", destination: {secretRef: {name: commits-app}, certSecretRef: {name: commits-ca}, schema: bitbucket}";
    stage.apply(&connection("a", &simulator.url(), "s", to));
    let object = stage.until_ready("a", "False", "DestinationInvalid").await;
    assert!(message(&object).contains("is not trusted"), "{}", message(&object));
    stage.apply(&keys("commits-ca", &json!({"ca.crt": "hunter2"})));
    let said = |object: &BitbucketConnection| {
        condition(object, READY).is_some_and(|ready| ready.message.contains("no certificate in PEM form"))
    };
    stage.until("a", "a certificate that is none", said).await;
    stage.apply(&keys("commits-ca", &json!({"ca.crt": authority.pem()})));
    stage.until_ready("a", "True", "Synced").await;
    assert_complete(&database, &git).await;
}
