//! What a commit on its way costs in allocations: what a profile would show as time, without a clock. It needs a process of its own,
//! since all that the process does is counted; Bitbucket is another one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::api::spec::{ImportFilter, ImportMode};
use bitbucket_connector::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Way};
use bitbucket_connector::destination::{ConnectionKey, DatabaseUrl, Destination};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::{Filter, Hints, Run};
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Simulator, histories};
use bitbucket_test_postgres as postgres;
use dhat::HeapStats;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const SHORT: usize = 1_000;
const LONG: usize = 4_000;

/// Of the Rust part: SQLite's own memory is not counted.
#[derive(Debug)]
struct Cost {
    allocations: u64,
    bytes: u64,
}

/// What a commit may cost. It was 22 or 23 allocations, and 4,200 to 4,600 bytes.
const MOST: Cost = Cost { allocations: 25, bytes: 5_000 };
/// Answers come in pieces of any size, each of which costs too: of so many syncs, the least counts.
const TRIES: usize = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if std::env::args().nth(1).as_deref() == Some("bitbucket") {
        return runtime.block_on(bitbucket());
    }
    let _counting = dhat::Profiler::builder().testing().build();
    runtime.block_on(async {
        tls::install();
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("bitbucket")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let new = || tempfile::tempdir_in(folder.path()).unwrap().keep().join("commits.db");
        check("SQLite", &url, async || DatabaseUrl::Sqlite(new())).await;
        check("PostgreSQL", &url, async || postgres::server().await.database().await.url()).await;
        drop(child.stdin.take());
        child.wait().unwrap();
    });
}

/// A Bitbucket until nobody holds its standard input any more.
async fn bitbucket() {
    let folder = tempfile::tempdir().unwrap();
    let history = |name: &str, commits| histories::linear(folder.path().join(name), commits).unwrap().path().to_owned();
    let builder = Simulator::builder().user("reader", "hunter2").configure(|settings| settings.compression = true);
    let builder = builder.repository("P/short", history("short.git", SHORT));
    let simulator = builder.repository("P/long", history("long.git", LONG)).start().await.unwrap();
    println!("{}", simulator.url());
    std::io::stdout().flush().unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// Fails where a commit of a long history costs more than this.
async fn check(name: &str, url: &str, database: impl AsyncFn() -> DatabaseUrl) {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        short.push(sync(url, "short", SHORT, database().await).await);
        long.push(sync(url, "long", LONG, database().await).await);
    }
    let each = |of: fn(&Cost) -> u64| {
        let least = |costs: &[Cost]| costs.iter().map(of).min().unwrap();
        (least(&long) - least(&short)) / (LONG - SHORT) as u64
    };
    let found = Cost { allocations: each(|cost| cost.allocations), bytes: each(|cost| cost.bytes) };
    println!("each commit into {name}: {found:?}");
    assert!(found.allocations <= MOST.allocations && found.bytes <= MOST.bytes, "{name}: at most {MOST:?}");
}

/// What a first sync of this repository costs.
async fn sync(url: &str, slug: &str, commits: usize, database: DatabaseUrl) -> Cost {
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
    let patience = Patience { stop: CancellationToken::new(), waits: &[] };
    let options = Options { concurrency: 4, patience, reopen: None };
    let way = Way::new(Duration::from_mins(1));
    let filter = ImportFilter {
        mode: ImportMode::Allowlist,
        repositories: vec![format!("P/{slug}")],
        ..ImportFilter::default()
    };
    let base = BaseUrl::parse(url.trim()).unwrap();
    let before = HeapStats::get();
    let run = Run {
        client: Clients::new(16, Addresses::all()).client(base, credentials, &way, options).unwrap(),
        destination: Destination::open(&database).await.unwrap(),
        key: ConnectionKey {
            cluster: "test".to_owned(),
            namespace: "main".to_owned(),
            name: slug.to_owned(),
            uid: "1".to_owned(),
        },
        filter: Filter::from(&filter),
        concurrency: 4,
        progress: Arc::default(),
        hints: Hints::default(),
    };
    let summary = run.run().await.unwrap();
    assert_eq!(summary.added, commits as u64);
    let after = HeapStats::get();
    Cost { allocations: after.total_blocks - before.total_blocks, bytes: after.total_bytes - before.total_bytes }
}
