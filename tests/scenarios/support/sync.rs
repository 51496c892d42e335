//! Sync runs without a cluster: a simulator, a database, and the run between them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::api::spec::ImportFilter;
use bitbucket_connector::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Way};
use bitbucket_connector::destination::{ConnectionKey, DatabaseUrl, Destination, Rows};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::{Filter, Hints, Run, RunError, Summary};
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Builder, Seen, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::database::{Database, Kind};

/// As many tries as in production, without the waiting.
const WAITS: &[Duration] = &[Duration::from_millis(5); 3];

/// A simulator with one reader, and a database.
pub struct Bench {
    pub simulator: Simulator,
    pub folder: TempDir,
    pub database: Database,
    pub filter: ImportFilter,
    pub credentials: Credentials,
    pub stop: CancellationToken,
    pub key: ConnectionKey,
}

impl Bench {
    /// Starts the simulator; `configure` adds the repositories.
    pub async fn start(kind: Kind, configure: impl FnOnce(Builder, &Folder) -> Builder) -> Self {
        Self::on(Database::new(kind).await, configure).await
    }

    /// The same on a database that is there.
    pub async fn on(database: Database, configure: impl FnOnce(Builder, &Folder) -> Builder) -> Self {
        tls::install();
        let folder = tempfile::tempdir().unwrap();
        let builder = Simulator::builder().user("reader", "hunter2");
        let simulator = configure(builder, &Folder(folder.path().to_owned())).start().await.unwrap();
        let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
        let (filter, stop) = (ImportFilter::default(), CancellationToken::new());
        Self { simulator, folder, database, filter, credentials, stop, key: key("test", "main", "1") }
    }

    pub fn database(&self) -> DatabaseUrl {
        self.database.url()
    }

    /// A run as a new process would make it.
    pub async fn prepare(&self, concurrency: usize) -> Run {
        self.prepare_by(concurrency, &Way::new(Duration::from_secs(20))).await
    }

    /// The same with another way to Bitbucket.
    pub async fn prepare_by(&self, concurrency: usize, way: &Way) -> Run {
        let base = BaseUrl::parse(&self.simulator.url()).unwrap();
        let credentials = self.credentials.clone();
        let patience = Patience { stop: self.stop.clone(), waits: WAITS };
        let options = Options { concurrency, patience, reopen: None };
        Run {
            client: Clients::new(16, Addresses::all()).client(base, credentials, way, options).unwrap(),
            destination: Destination::open(&self.database.url()).await.unwrap(),
            key: self.key.clone(),
            filter: Filter::from(&self.filter),
            concurrency,
            progress: Arc::default(),
            hints: Hints::default(),
        }
    }

    /// One run.
    pub async fn run(&self) -> Result<Summary, RunError> {
        let result = self.result().await;
        self.database.assert_counted().await;
        result
    }

    /// The same where the database may be gone at the end.
    pub async fn result(&self) -> Result<Summary, RunError> {
        self.run_of(self.key.clone()).await
    }

    /// The same for another connection.
    pub async fn run_of(&self, key: ConnectionKey) -> Result<Summary, RunError> {
        let run = Run { key, ..self.prepare(4).await };
        let result = super::within("the run", run.run()).await;
        if result.is_ok() {
            let (done, all, _) = run.progress.read();
            assert_eq!(done, all, "a run that has ended has done all that it has told of");
        }
        result
    }

    /// A run in which every repository is synced.
    pub async fn synced(&self) -> Summary {
        let summary = self.run().await.unwrap();
        assert_eq!((&summary.failed, &summary.inaccessible), (&vec![], &vec![]));
        summary
    }

    pub async fn query(&self, sql: &str) -> Rows {
        self.database.query(sql).await
    }

    /// The stored ids of a repository, as `PROJECT/slug`.
    pub async fn stored(&self, repository: &str) -> BTreeSet<String> {
        let rows = self
            .query(&format!(
                "SELECT c.sha FROM bitbucket_server_repository_default_branch_commits c
                 JOIN bitbucket_server_repositories r ON r.id = c.repository_id
                 JOIN bitbucket_server_projects p ON p.id = r.project_id
                 WHERE p.key || '/' || r.slug = '{repository}'"
            ))
            .await;
        rows.rows.into_iter().map(|row| text(&row[0])).collect()
    }

    /// The stored set is git's own.
    pub async fn assert_equal(&self, repository: &str, git: &GitRepository, branch: &str) {
        let expected: BTreeSet<String> = git.rev_list(&[branch]).unwrap().into_iter().collect();
        let stored = self.stored(repository).await;
        let missing: Vec<_> = expected.difference(&stored).collect();
        let ghosts: Vec<_> = stored.difference(&expected).collect();
        assert!(missing.is_empty() && ghosts.is_empty(), "{repository}: missing {missing:?}, ghosts {ghosts:?}");
    }

    /// Requests since the last call, as path and query. Without the one that each run on plain http begins with, to
    /// learn whether that leads to https, and without the one for the account's budget, which whoever would wait asks for.
    pub fn requests(&self) -> Vec<Seen> {
        let mut requests = self.simulator.requests();
        self.simulator.clear_requests();
        requests.retain(|seen| !seen.path.ends_with("/application-properties") && !seen.path.contains("/rate-limit/"));
        requests
    }
}

impl Bench {
    /// Requests since the last call, in short: `list`, `head`, `page@START`, `who` for a repository itself, `users`
    pub fn trace(&self) -> String {
        self.short().join(" ")
    }

    /// The same, sorted: where several things go on at once, their order is free, and what is asked for is not.
    pub fn sorted(&self) -> String {
        let mut short = self.short();
        short.sort_unstable();
        short.join(" ")
    }

    fn short(&self) -> Vec<String> {
        self.requests().iter().map(short).collect()
    }
}

/// A request in short, as in [`Bench::trace`].
pub fn short(seen: &Seen) -> String {
    match seen.path.rsplit('/').next().unwrap() {
        "repos" => "list".to_owned(),
        "default" => "head".to_owned(),
        "commits" => format!("page@{}", seen.parameter("start").unwrap()),
        "users" => "users".to_owned(),
        _ => "who".to_owned(),
    }
}

/// The key of a connection in the namespace `default`.
pub fn key(cluster: &str, name: &str, uid: &str) -> ConnectionKey {
    let text = |text: &str| text.to_owned();
    ConnectionKey { cluster: text(cluster), namespace: text("default"), name: text(name), uid: text(uid) }
}

/// Where repositories are made.
pub struct Folder(PathBuf);

impl Folder {
    pub fn git(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.git"))
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
