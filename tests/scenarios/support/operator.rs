//! Operators, and the objects that they look after.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions;
use bitbucket_connector::destination::{DatabaseUrl, Rows, query};
use bitbucket_connector::runtime::tls;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit::Audit;
use super::cluster::{Cluster, cluster};
use super::conventions::assert_all_conventional;
use super::front::Front;
use super::leaks::assert_clean;
use super::replica::{Replica, page};
use super::{rights, within};

/// A namespace with an operator that looks after it alone. At its end, no secret may be in what was written.
pub struct Stage {
    pub cluster: &'static Cluster,
    pub namespace: String,
    pub objects: Api<BitbucketConnection>,
    // Before the folder, which holds their logs: fields are dropped in this order.
    operators: Vec<Replica>,
    pub folder: TempDir,
    started: usize,
    /// Variables of the operators that are started from now on.
    pub variables: Vec<(&'static str, String)>,
    /// The namespaces that they look after; none are all.
    pub namespaces: Vec<String>,
    /// Whether they lack a right of the chart's.
    pub lacks_rights: bool,
    /// What they have asked the API server for.
    pub audit: Audit,
    /// The way to the API server, for the test.
    pub config: Config,
    /// As the chart's ServiceAccount.
    kubeconfig: PathBuf,
    database: PathBuf,
    /// What they use in its place.
    postgres: Option<String>,
}

impl Stage {
    /// A namespace and an operator.
    pub async fn start(theme: &str) -> Self {
        let mut stage = Self::without_operator(theme).await;
        stage.start_operator();
        stage
    }

    /// A namespace, and nobody who looks after it yet.
    pub async fn without_operator(theme: &str) -> Self {
        Self::with_rights(theme, &[]).await
    }

    /// The same, where the chart has further flags.
    pub async fn with_rights(theme: &str, flags: &[&str]) -> Self {
        tls::install();
        let cluster = tokio::task::spawn_blocking(cluster).await.unwrap();
        let namespace = cluster.namespace(theme);
        let kubeconfig = Kubeconfig::read_from(&cluster.line.kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let audit = Audit::of(cluster, &namespace);
        let objects = Api::namespaced(Client::try_from(config.clone()).unwrap(), &namespace);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("commits.db");
        // The simulators are here.
        let variables = vec![("BITBUCKET_CONNECTOR_ALLOW_LOOPBACK", "true".to_owned())];
        let kubeconfig = rights::grant(cluster, &namespace, folder.path(), flags).await;
        let namespaces = vec![namespace.clone()];
        Self {
            cluster,
            namespace,
            objects,
            folder,
            started: 0,
            database,
            variables,
            namespaces,
            lacks_rights: false,
            audit,
            config,
            kubeconfig,
            postgres: None,
            operators: Vec::new(),
        }
    }

    /// Lets the operator use another database.
    pub fn set_database(&mut self, path: PathBuf) {
        self.database = path;
    }

    /// The same, of a server.
    pub fn set_postgres(&mut self, url: String) {
        self.postgres = Some(url);
    }

    /// Starts an operator on the same database, and gives how many were started before.
    pub fn start_operator(&mut self) -> usize {
        let kubeconfig = self.kubeconfig.clone();
        self.start_with(&kubeconfig);
        self.started - 1
    }

    /// Starts one that reaches the API server by another address.
    pub fn start_operator_by(&mut self, address: SocketAddr) {
        let usual = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let path = self.folder.path().join("kubeconfig-by");
        std::fs::write(&path, usual.replace(&self.server().to_string(), &address.to_string())).unwrap();
        self.start_with(&path);
    }

    /// Starts one that reaches the API server by a front.
    pub fn start_operator_through(&mut self, front: &Front) {
        self.start_operator_with(|config| {
            config["clusters"][0]["cluster"] = json!({"server": format!("http://{}", front.address)});
        });
    }

    /// Starts one with another kubeconfig.
    pub fn start_operator_with(&mut self, change: impl FnOnce(&mut Value)) {
        let mut config = serde_json::from_str(&std::fs::read_to_string(&self.kubeconfig).unwrap()).unwrap();
        change(&mut config);
        let path = self.folder.path().join(format!("kubeconfig-{}", self.started));
        std::fs::write(&path, config.to_string()).unwrap();
        self.start_with(&path);
    }

    fn start_with(&mut self, kubeconfig: &Path) {
        let own = || format!("sqlite://{}", self.database.display());
        let namespaces = Some(self.namespaces.join(",")).filter(|namespaces| !namespaces.is_empty());
        let variables = [
            ("BITBUCKET_CONNECTOR_DATABASE", self.postgres.clone().unwrap_or_else(own)),
            ("KUBECONFIG", kubeconfig.display().to_string()),
        ];
        let namespaces = namespaces.map(|namespaces| ("BITBUCKET_CONNECTOR_NAMESPACE", namespaces));
        let variables = variables.into_iter().chain(namespaces).chain(self.variables.iter().cloned());
        self.operators.push(Replica::start(variables, self.log_file(self.started)));
        self.started += 1;
    }

    /// kill -9 of the one that was started last.
    pub fn kill_operator(&mut self) {
        if let Some(mut operator) = self.operators.pop() {
            operator.kill();
        }
    }

    /// The process of the one that was started first.
    pub fn operator(&self) -> u32 {
        self.operators[0].id()
    }

    /// Sends the one that was started first a signal, such as `-STOP`.
    pub fn signal_operator(&self, signal: &str) {
        self.signal_operator_at(0, signal);
    }

    /// The same to another one of those that there are, in the order in which they were started.
    pub fn signal_operator_at(&self, place: usize, signal: &str) {
        self.operators[place].signal(signal);
    }

    /// SIGTERM to the one that was started first, and waits for a good end.
    pub async fn terminate_operator(&mut self) {
        self.operators.remove(0).terminate().await;
    }

    /// SIGTERM to all, and waits for a good end of those that were not killed.
    pub async fn terminate_operators(&mut self) {
        for operator in std::mem::take(&mut self.operators) {
            operator.terminate().await;
        }
    }

    /// Where the API server is.
    pub fn server(&self) -> SocketAddr {
        let kubeconfig = std::fs::read_to_string(&self.kubeconfig).unwrap();
        kubeconfig.split("https://").nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
    }

    /// What the operators of this stage have logged so far, one after another.
    pub fn log(&self) -> String {
        (0..self.started).map(|number| self.log_of(number)).collect()
    }

    /// What the one has logged that was started after so many others.
    pub fn log_of(&self, number: usize) -> String {
        std::fs::read_to_string(self.log_file(number)).unwrap_or_default()
    }

    fn log_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("operator-{number}.log"))
    }

    /// The whole answer to a request for a page of the operator that was started last.
    pub fn page(&self, path: &str) -> String {
        page(&self.log(), path)
    }

    /// Applies manifests to the namespace.
    pub fn apply(&self, manifests: &str) {
        self.cluster.apply(&self.namespace, manifests);
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let printed = self.cluster.kubectl(&[&["-n", &self.namespace], arguments].concat(), "");
        assert!(printed.ok, "kubectl {arguments:?}: {}", printed.err);
        printed.out
    }

    /// Waits until the object is as `wanted`, and gives it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&BitbucketConnection) -> bool,
    ) -> BitbucketConnection {
        let met = |object: Option<&BitbucketConnection>| object.is_some_and(&wanted);
        let found = within(&format!("{name}: {what}"), await_condition(self.objects.clone(), name, met)).await;
        found.unwrap().unwrap()
    }

    /// Waits until Ready has this status and reason.
    pub async fn until_ready(&self, name: &str, status: &str, reason: &str) -> BitbucketConnection {
        let wanted = |object: &BitbucketConnection| {
            condition(object, conditions::READY).is_some_and(|ready| ready.status == status && ready.reason == reason)
        };
        self.until(name, &format!("Ready={status} {reason}"), wanted).await
    }

    /// The database, with what SQLite keeps beside it.
    fn database_files(&self) -> Vec<PathBuf> {
        let ends = ["", "-wal", "-shm", "-journal"].iter();
        ends.map(|end| format!("{}{end}", self.database.display()).into())
            .filter(|path: &PathBuf| path.exists())
            .collect()
    }

    /// Whether the operator has made its tables.
    pub async fn has_tables(&self) -> bool {
        let tables = "SELECT 1 FROM sqlite_master WHERE name = 'bitbucket_sync_runs'";
        self.database.exists() && !self.query(tables).await.rows.is_empty()
    }

    /// The rows of a query.
    pub async fn query(&self, sql: &str) -> Rows {
        query(&DatabaseUrl::Sqlite(self.database.clone()), sql).await.unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let statuses = ["get", "bbc", "-o", "jsonpath={.items[*].status.conditions}"];
            self.audit.wait_for_one(|| !self.kubectl(&statuses).is_empty());
        }
        // Its last words too.
        self.operators.clear();
        if std::thread::panicking() {
            return;
        }
        let (_, refused) = rights::called(&self.audit);
        assert_eq!(refused.is_empty(), !self.lacks_rights, "the chart does not give {refused:?}");
        let written = self.audit.written();
        assert_clean("a status that was written", json!(written).to_string());
        assert_all_conventional(written, &self.kubectl(&["get", "bbc", "-o", "json"]));
        for kind in ["bitbucketconnections", "events"] {
            assert_clean(kind, self.kubectl(&["get", kind, "-o", "yaml", "--show-managed-fields"]));
        }
        for file in self.database_files() {
            assert_clean(&file.display().to_string(), std::fs::read(&file).unwrap());
        }
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a BitbucketConnection, type_: &str) -> Option<&'a Condition> {
    conditions::find(&object.status.as_ref()?.conditions, type_)
}
