//! The operator as a process of its own, and the objects that it looks after.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions;
use bitbucket_connector::destination::{DatabaseUrl, Rows, query};
use bitbucket_connector::runtime::tls;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config};
use serde_json::Value;
use tempfile::TempDir;

use super::cluster::{Cluster, cluster};
use super::conventions::assert_conventional;
use super::leaks::assert_clean;
use super::{rights, within};

/// A namespace with an operator that looks after it alone. At its end, no secret may be in what was written.
pub struct Stage {
    pub cluster: &'static Cluster,
    pub namespace: String,
    pub objects: Api<BitbucketConnection>,
    // Before the folder, which holds their logs: fields are dropped in this order.
    operators: Vec<Operator>,
    pub folder: TempDir,
    started: Cell<usize>,
    /// Variables of the operators that are started from now on.
    pub variables: Vec<(&'static str, String)>,
    /// The namespaces that they look after.
    pub namespaces: Vec<String>,
    /// Whether they lack a right of the chart's.
    pub lacks_rights: bool,
    /// As the chart's ServiceAccount.
    kubeconfig: PathBuf,
    database: PathBuf,
    /// What they use in its place.
    postgres: Option<String>,
}

/// A running operator. Killed when dropped; its log is shown where the test has failed.
pub struct Operator {
    process: Child,
    log: PathBuf,
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
        let objects = Api::namespaced(Client::try_from(config).unwrap(), &namespace);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("commits.db");
        // The simulators are here.
        let variables = vec![("BITBUCKET_CONNECTOR_ALLOW_LOOPBACK", "true".to_owned())];
        let kubeconfig = rights::grant(cluster, &namespace, folder.path(), flags).await;
        let namespaces = vec![namespace.clone()];
        let lacks_rights = false;
        Self {
            cluster,
            namespace,
            objects,
            folder,
            started: Cell::new(0),
            database,
            variables,
            namespaces,
            lacks_rights,
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

    /// Starts an operator on the same database.
    pub fn start_operator(&mut self) {
        let operator = Operator::start(self, &self.kubeconfig);
        self.operators.push(operator);
    }

    /// Starts one that reaches the API server by another address.
    pub fn start_operator_by(&mut self, address: SocketAddr) {
        let usual = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let path = self.folder.path().join("kubeconfig-by");
        std::fs::write(&path, usual.replace(&self.server().to_string(), &address.to_string())).unwrap();
        let operator = Operator::start(self, &path);
        self.operators.push(operator);
    }

    /// kill -9 of the one that was started last.
    pub fn kill_operator(&mut self) {
        if let Some(mut operator) = self.operators.pop() {
            operator.process.kill().unwrap();
            operator.process.wait().unwrap();
        }
    }

    /// Sends the one that was started first a signal, such as `-STOP`.
    pub fn signal_operator(&self, signal: &str) {
        let id = self.operators[0].process.id();
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
    }

    /// SIGTERM to the one that was started first, and waits for a good end.
    pub async fn terminate_operator(&mut self) {
        self.signal_operator("-TERM");
        let mut operator = self.operators.remove(0);
        let waited = tokio::task::spawn_blocking(move || operator.process.wait().unwrap());
        assert_eq!(within("the operator's end", waited).await.unwrap().code(), Some(0));
    }

    /// SIGTERM to all, and waits for a good end of those that were not killed.
    pub async fn terminate_operators(&mut self) {
        for mut operator in std::mem::take(&mut self.operators) {
            let id = operator.process.id().to_string();
            if operator.process.try_wait().unwrap().is_none() {
                assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
                let waited = tokio::task::spawn_blocking(move || operator.process.wait().unwrap());
                assert_eq!(within("the operator's end", waited).await.unwrap().code(), Some(0));
            }
        }
    }

    /// Where the API server is.
    pub fn server(&self) -> SocketAddr {
        let kubeconfig = std::fs::read_to_string(&self.kubeconfig).unwrap();
        kubeconfig.split("https://").nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
    }

    /// What the operators of this stage have logged so far, one after another.
    pub fn log(&self) -> String {
        (0..self.started.get())
            .map(|number| std::fs::read_to_string(self.log_file(number)).unwrap_or_default())
            .collect()
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
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("bitbucket-connector started")).unwrap();
        let port = line.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
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
        // Its last words too.
        self.operators.clear();
        if std::thread::panicking() {
            return;
        }
        let (_, refused) = rights::called(self.cluster, &self.namespace);
        assert_eq!(refused.is_empty(), !self.lacks_rights, "the chart does not give {refused:?}");
        let objects: Value = serde_json::from_str(&self.kubectl(&["get", "bbc", "-o", "json"])).unwrap();
        objects["items"].as_array().unwrap().iter().for_each(assert_conventional);
        for kind in ["bitbucketconnections", "events"] {
            assert_clean(kind, self.kubectl(&["get", kind, "-o", "yaml", "--show-managed-fields"]));
        }
        for file in self.database_files() {
            assert_clean(&file.display().to_string(), std::fs::read(&file).unwrap());
        }
    }
}

impl Operator {
    fn start(stage: &Stage, kubeconfig: &Path) -> Self {
        let log = stage.log_file(stage.started.replace(stage.started.get() + 1));
        let file = std::fs::File::create(&log).unwrap();
        let own = || format!("sqlite://{}", stage.database.display());
        let process = Command::new(env!("CARGO_BIN_EXE_bitbucket-connector"))
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(["--namespace", &stage.namespaces.join(",")])
            // Its URL may hold a password.
            .env("BITBUCKET_CONNECTOR_DATABASE", stage.postgres.clone().unwrap_or_else(own))
            .env("KUBECONFIG", kubeconfig)
            .env("BITBUCKET_CONNECTOR_LOG_LEVEL", "info,bitbucket_connector=debug")
            .envs(stage.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { process, log }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the operator's log, its end\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        } else {
            assert_clean("the operator's log", log);
        }
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a BitbucketConnection, type_: &str) -> Option<&'a Condition> {
    conditions::find(&object.status.as_ref()?.conditions, type_)
}

/// A Secret with a user name and a password.
pub fn secret(name: &str, username: &str, password: &str) -> String {
    let data = serde_json::json!({"username": username, "password": password});
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n")
}

/// A connection; `more` is further fields of the spec, in YAML's flow style, each with a comma before it.
pub fn connection(name: &str, url: &str, secret: &str, more: &str) -> String {
    format!(
        "apiVersion: bitbucket-connector.dev/v1alpha1\nkind: BitbucketConnection\nmetadata: {{name: {name}}}\n\
         spec: {{url: \"{url}\", secretRef: {{name: {secret}}}{more}}}\n---\n"
    )
}
