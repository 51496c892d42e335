//! What a sync asks Bitbucket for, and how much that weighs: what a bench would show as time, without a clock.

use std::collections::BTreeMap;

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Simulator, histories};
use tempfile::TempDir;

use crate::support::database::{Database, Kind, on_both};
use crate::support::program::connector;
use crate::support::within;

const REPOSITORIES: usize = 20;
/// Three pages.
const COMMITS: usize = 250;

struct Desk {
    simulator: Simulator,
    repositories: Vec<GitRepository>,
    database: Database,
    _folder: TempDir,
}

/// What one run has asked for, by kind, and the bytes of all answers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    requests: BTreeMap<&'static str, usize>,
    bytes: u64,
}

impl Desk {
    async fn start(on: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut builder =
            Simulator::builder().user("reader", "hunter2").configure(|settings| settings.compression = true);
        let mut repositories = Vec::new();
        for number in 0..REPOSITORIES {
            let git = histories::linear(folder.path().join(format!("{number}.git")), COMMITS).unwrap();
            builder = builder.repository(&format!("P{}/r{number}", number / 7), git.path());
            repositories.push(git);
        }
        let (simulator, database) = (builder.start().await.unwrap(), Database::new(on).await);
        Self { simulator, repositories, database, _folder: folder }
    }

    async fn sync(&self) -> Asked {
        self.simulator.clear_requests();
        let before = self.simulator.sent();
        let child = connector()
            .args(["sync", "--output", "json"])
            .env("BITBUCKET_URL", self.simulator.url())
            .env("BITBUCKET_CONNECTOR_DATABASE", self.database.text())
            .env("BITBUCKET_USERNAME", "reader")
            .env("BITBUCKET_PASSWORD", "hunter2")
            .spawn()
            .unwrap();
        let output = within("the command's end", child.wait_with_output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut requests = BTreeMap::new();
        for seen in self.simulator.requests() {
            assert_eq!(
                (seen.status, seen.header("accept-encoding").is_some_and(|one| one.contains("gzip"))),
                (Some(200), true)
            );
            *requests.entry(kind(&seen.path)).or_default() += 1;
        }
        Asked { requests, bytes: self.simulator.sent() - before }
    }

    async fn stored(&self) -> usize {
        let sql = "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits";
        usize::try_from(self.database.query(sql).await.rows[0][0].as_u64().unwrap()).unwrap()
    }
}

fn kind(path: &str) -> &'static str {
    let inside = path.trim_start_matches("/rest/api/1.0/");
    match inside.split('/').collect::<Vec<_>>()[..] {
        ["application-properties"] => "server",
        ["admin", ..] => "budget",
        ["repos"] => "listing",
        ["projects", _, "repos", _] => "repository",
        ["projects", _, "repos", _, "branches", "default"] => "head",
        ["projects", _, "repos", _, "commits"] => "commits",
        _ => "else",
    }
}

/// Beside the repositories' own, each run asks which server it is, what its account may ask for, and for the list.
fn asked(more: &[(&'static str, usize)]) -> BTreeMap<&'static str, usize> {
    [("server", 1), ("budget", 1), ("listing", 1)].iter().chain(more).copied().collect()
}

async fn each_run_asks_for_what_it_must(on: Kind) {
    let desk = Desk::start(on).await;
    // Each repository's head and id, its pages, and its head again, because more than one page takes a while.
    let first = desk.sync().await;
    let pages = COMMITS.div_ceil(100);
    let all = [("head", 2 * REPOSITORIES), ("repository", REPOSITORIES), ("commits", pages * REPOSITORIES)];
    assert_eq!(first.requests, asked(&all));
    let commits = u64::try_from(REPOSITORIES * COMMITS).unwrap();
    assert!(first.bytes < 70 * commits, "{} bytes for each commit", first.bytes / commits);
    // Where nothing is new, the heads.
    let unchanged = desk.sync().await;
    assert_eq!(unchanged.requests, asked(&[("head", REPOSITORIES)]));
    let repositories = u64::try_from(REPOSITORIES).unwrap();
    assert!(unchanged.bytes < 800 * repositories, "{} bytes for each repository", unchanged.bytes / repositories);
    // After a push, what is new, too.
    for pushed in &desk.repositories[..2] {
        pushed.grow("main", 3).unwrap();
    }
    let incremental = desk.sync().await;
    assert_eq!(incremental.requests, asked(&[("head", REPOSITORIES), ("commits", 2)]));
    let more = incremental.bytes.saturating_sub(unchanged.bytes);
    assert!(more < 2 * 1_000, "{more} bytes more for two pushes");
    assert_eq!(desk.stored().await, REPOSITORIES * COMMITS + 2 * 3);
}

on_both!(each_run_asks_for_what_it_must);
