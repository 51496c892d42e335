//! `sync` and `query` on PostgreSQL as a person or a script calls them.

use std::process::Output;

use bitbucket_connector::destination::Destination;
use bitbucket_simulator::{Simulator, histories};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::support::leaks::assert_clean;
use crate::support::postgres::{Database, own_server, server};
use crate::support::program::connector;
use crate::support::{until, within};

fn command(database: &str, arguments: &[&str]) -> Child {
    connector()
        .args(arguments)
        .env("BITBUCKET_CONNECTOR_DATABASE", database)
        .env("BITBUCKET_TOKEN", "tok-hunter2")
        .spawn()
        .unwrap()
}

async fn ended(child: Child) -> Output {
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    assert_clean("what the command prints", [output.stdout.as_slice(), &output.stderr].concat());
    output
}

async fn call(database: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = ended(command(database, arguments)).await;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn bitbucket() -> (Simulator, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 3).unwrap();
    let builder = Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2");
    (builder.repository("PLAT/api", path).start().await.unwrap(), folder)
}

/// Fails both commands in the same way, with a message and without a password in it.
async fn assert_both_fail(simulator: &Simulator, database: &str, says: &str) {
    let url = simulator.url();
    for arguments in [&["sync", "--url", &url][..], &["query", "SELECT * FROM bitbucket_connections"]] {
        let (code, out, errors) = call(database, arguments).await;
        assert_eq!((code, out.as_str()), (Some(6), ""), "{arguments:?}: {errors}");
        assert!(errors.starts_with("error: ") && errors.contains(says), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_used_is_said_without_its_password() {
    let (simulator, _folder) = bitbucket().await;
    let database = server().await.database().await;
    let Database { server, name, role, .. } = &database;
    let wrong = format!("postgres://{role}:wrong-hunter2@{}/{name}", server.address);
    assert_both_fail(&simulator, &wrong, "refuses the login").await;
    let (other, process) = own_server().await;
    let down = other.database().await.text();
    process.kill();
    assert_both_fail(&simulator, &down, "refuses the connection").await;
    Destination::open(&database.url()).await.unwrap();
    let newer = "INSERT INTO bitbucket_schema_versions (version) VALUES (99)";
    database.admin().await.batch_execute(newer).await.unwrap();
    let (code, _, errors) = call(&database.text(), &["sync", "--url", &simulator.url()]).await;
    assert_eq!(code, Some(6));
    assert!(errors.contains("version 99") && errors.contains("use a newer version"), "{errors}");
    // Who only reads may read what is there.
    let (code, out, _) = call(&database.text(), &["query", "--output", "csv", "SELECT 1 AS one"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "one\n1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_written_in_three_ways() {
    let (simulator, _folder) = bitbucket().await;
    let database = server().await.database().await;
    assert_eq!(call(&database.text(), &["sync", "--url", &simulator.url()]).await.0, Some(0));
    let sql = "SELECT r.api_accessible AS open, r.description, c.created, c.parents, c.id > 0 AS \"a,b\",
               length(c.message) AS length, c.author_email
               FROM bitbucket_server_repository_default_branch_commits c
               JOIN bitbucket_server_repositories r ON r.id = c.repository_id ORDER BY c.created, c.sha LIMIT 2";
    let query = async |output: &str| {
        let (code, out, errors) = call(&database.text(), &["query", "--output", output, sql]).await;
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
        out
    };
    let rows: Value = serde_json::from_str(&query("json").await).unwrap();
    let first = rows[0]["created"].as_str().unwrap();
    assert!(first.ends_with('Z') && first.parse::<jiff::Timestamp>().is_ok(), "{first}");
    let root = json!({
        "open": true, "description": null, "created": first, "parents": [], "a,b": true, "length": rows[0]["length"],
        "author_email": rows[0]["author_email"]
    });
    assert_eq!(rows[0], root);
    assert!(rows[0]["length"].is_u64());
    let parent = rows[1]["parents"][0].as_str().unwrap();
    assert_eq!((rows[1]["parents"].as_array().unwrap().len(), parent.len()), (1, 40));

    let (length, mail) = (&rows[1]["length"], rows[1]["author_email"].as_str().unwrap());
    let second = rows[1]["created"].as_str().unwrap();
    let csv = query("csv").await;
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("open,description,created,parents,\"a,b\",length,author_email"));
    assert!(lines.next().unwrap().starts_with(&format!("true,,{first},[],true,")), "{csv}");
    assert_eq!(lines.next(), Some(format!("true,,{second},\"[\"\"{parent}\"\"]\",true,{length},{mail}").as_str()));

    let table = query("table").await;
    let cells: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells[0], ["open", "description", "created", "parents", "a,b", "length", "author_email"]);
    let parents = format!("[\"{parent}\"]");
    assert_eq!(cells[2], ["true", second, &parents, "true", &length.to_string(), mail]);
    let column = |line: &str, word: &str| line.find(word).unwrap();
    let [head, _, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
    assert_eq!(column(head, "created"), column(row, second), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_would_write_is_refused() {
    let database = server().await.database().await;
    Destination::open(&database.url()).await.unwrap();
    for sql in [
        "INSERT INTO bitbucket_server_instances (normalized_instance_url) VALUES ('x')",
        "INSERT INTO bitbucket_server_instances (normalized_instance_url) VALUES ('x') RETURNING id",
        "CREATE TABLE x (y int)",
        "CREATE TEMP TABLE x (y int)",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO STDOUT",
        "SET TRANSACTION READ WRITE",
        "SELECT 1; COMMIT; DROP TABLE bitbucket_sync_runs",
    ] {
        let (code, out, errors) = call(&database.text(), &["query", sql]).await;
        assert_eq!((code, out.as_str()), (Some(6), ""), "{sql}: {errors}");
        assert!(errors.starts_with("error: "), "{sql}: {errors}");
    }
    let count = "SELECT count(*) FROM bitbucket_server_instances";
    assert_eq!(call(&database.text(), &["query", "--output", "csv", count]).await.1, "count\n0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_query_ends_on_the_server_too() {
    let database = server().await.database().await;
    let admin = database.admin().await;
    // Long beyond every bound of the tests.
    let child = command(&database.text(), &["query", "SELECT pg_sleep(3600)"]);
    let running = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let asleep = async || admin.query(running, &[]).await.unwrap().len() == 1;
    until("the query to run", asleep).await;
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = ended(child).await;
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: interrupted\n");
    until("the server to end it", async || !asleep().await).await;
}
