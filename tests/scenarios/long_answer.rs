//! `query` with more rows than anybody wants to hold in memory.

use std::process::ExitStatus;

use bitbucket_connector::destination::Destination;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout};

use crate::support::database::{Database, Kind, on_both};
use crate::support::program::{connector, memory};
use crate::support::{until, within};

/// A query that gives so many rows, or rows without an end, each with so much of `text` that a hundred thousand are
/// far beyond what a process needs otherwise.
fn rows(count: Option<u64>) -> String {
    let limit = count.map(|count| format!("WHERE i < {count}")).unwrap_or_default();
    let text = "x".repeat(200);
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n {limit}) SELECT i, '{text}' AS text FROM n"
    )
}

async fn database(on: Kind) -> Database {
    let database = Database::new(on).await;
    Destination::open(&database.url()).await.unwrap();
    database
}

fn command(database: &Database, output: &str, sql: &str) -> (Child, BufReader<ChildStdout>) {
    let mut command = connector();
    command.args(["query", "--output", output, sql]).env("BITBUCKET_CONNECTOR_DATABASE", database.text());
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// The end of a command, and what it says of it.
async fn ended(child: Child) -> (ExitStatus, String) {
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// Reads a whole answer, and gives its lines and the most memory that was seen meanwhile.
async fn read_all(database: &Database, output: &str, count: u64) -> (usize, u64) {
    let (child, mut out) = command(database, output, &rows(Some(count)));
    let (id, mut lines, mut most, mut buffer) = (child.id().unwrap(), 0, 0, vec![0; 1 << 16]);
    loop {
        let read = within("the next rows", out.read(&mut buffer)).await.unwrap();
        if read == 0 {
            break;
        }
        lines += buffer[..read].split(|byte| *byte == b'\n').count() - 1;
        most = most.max(memory(id).unwrap_or(0));
    }
    let (status, errors) = ended(child).await;
    assert!(status.success() && errors.is_empty(), "{errors}");
    (lines, most)
}

async fn a_long_answer_takes_no_more_memory_than_a_short_one(on: Kind) {
    let database = database(on).await;
    let (short, long) = (5_000, 300_000);
    for (output, around, each) in [("csv", 1, 1), ("table", 1, 1), ("json", 2, 4)] {
        let lines = |rows: u64| around + each * usize::try_from(rows).unwrap();
        let (found, little) = read_all(&database, output, short).await;
        assert_eq!(found, lines(short), "{output}");
        let (found, most) = read_all(&database, output, long).await;
        assert_eq!(found, lines(long), "{output}");
        // The rows themselves are 60 MB.
        assert!(most < little + (8 << 10), "{output}: {little} KiB for {short} rows, {most} KiB for {long}");
    }
}

async fn whoever_has_seen_enough_ends_the_query(on: Kind) {
    let database = database(on).await;
    let (child, mut out) = command(&database, "csv", &rows(None));
    let mut first = [0; 6];
    within("the first row", out.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"i,text");
    drop(out);
    let (status, errors) = ended(child).await;
    assert!(status.success() && errors.is_empty(), "{errors}");
    ends_on_the_server_too(&database).await;
}

async fn an_interrupted_query_ends_although_nobody_takes_its_rows(on: Kind) {
    let database = database(on).await;
    let (child, mut out) = command(&database, "json", &rows(None));
    let mut first = [0; 1];
    within("the first row", out.read_exact(&mut first)).await.unwrap();
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let (status, errors) = ended(child).await;
    assert_eq!((status.code(), errors.as_str()), (Some(130), "error: interrupted\n"));
    ends_on_the_server_too(&database).await;
}

async fn ends_on_the_server_too(database: &Database) {
    let Database::Postgres(database) = database else { return };
    let running = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND state = 'active'";
    let admin = database.admin().await;
    until("the server to end it", async || admin.query(running, &[]).await.unwrap().is_empty()).await;
}

async fn what_came_before_a_fault_is_printed_and_the_fault_is_told(on: Kind) {
    let database = database(on).await;
    // There is no absolute value of the lowest number.
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
               SELECT abs(-9223372036854775807 - i / 3000) AS a FROM n";
    for (output, lines) in [("csv", 1 + 2999), ("table", 1 + 2999), ("json", 1 + 3 * 2999)] {
        let (child, mut out) = command(&database, output, sql);
        let mut text = String::new();
        within("the rows", out.read_to_string(&mut text)).await.unwrap();
        let (status, errors) = ended(child).await;
        assert_eq!((status.code(), text.lines().count()), (Some(6), lines), "{output}: {errors}");
        assert!(errors.starts_with("error: ") && errors.lines().count() == 1, "{errors}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_err(), "half an answer is none");
    }
}

on_both! {
    a_long_answer_takes_no_more_memory_than_a_short_one,
    whoever_has_seen_enough_ends_the_query,
    an_interrupted_query_ends_although_nobody_takes_its_rows,
    what_came_before_a_fault_is_printed_and_the_fault_is_told,
}
