//! A real Prometheus with the chart's alerts, as Debian packages it: on a free port, with its data in a temporary folder.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{until, within};

/// The chart's alerts.
pub const ALERTS: &str = include_str!("../../../charts/bitbucket-connector/files/alerts.yaml");

/// What makes the chart's alerts impatient: a person may wait for hours, a test may not. Each must be there.
const IMPATIENCE: [(&str, &str); 4] = [("[15m]", "[20s]"), ("[6h]", "[20s]"), ("15 * 60", "75"), (">= 3", ">= 1")];

/// A Prometheus that scrapes every second. Killed when dropped.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
    http: reqwest::Client,
}

impl Prometheus {
    /// One that scrapes nobody yet.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("alerts.json"), impatient(ALERTS).to_string()).unwrap();
        std::fs::write(file("targets.json"), "[]").unwrap();
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [file("alerts.json")],
            "scrape_configs": [{
                "job_name": "bitbucket-connector",
                "file_sd_configs": [{"files": [file("targets.json")], "refresh_interval": "1s"}],
            }],
        });
        // JSON is YAML too.
        std::fs::write(file("prometheus.json"), config.to_string()).unwrap();
        // Another program may take the port before Prometheus does; then this one ends, and says so.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(file("log")).unwrap();
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file("prometheus.json").display()))
            .arg(format!("--storage.tsdb.path={}", file("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut prometheus = Self { process, address, folder, http };
        let url = format!("http://{address}/-/ready");
        within("Prometheus' start", async {
            while !prometheus.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                let ended = prometheus.process.try_wait().unwrap();
                assert!(ended.is_none(), "Prometheus has ended: {}", prometheus.log());
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        })
        .await;
        prometheus
    }

    /// From now on it scrapes these, and gives what it finds there the labels that the Prometheus Operator does.
    pub fn scrape(&self, targets: &[SocketAddr]) {
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        let (new, old) = (self.folder.path().join("new"), self.folder.path().join("targets.json"));
        let labels =
            json!({"namespace": "operators", "service": "a", "pod": "a-1", "container": "a", "endpoint": "http"});
        let group = json!([{"targets": targets, "labels": labels}]);
        std::fs::write(&new, group.to_string()).unwrap();
        std::fs::rename(new, old).unwrap();
    }

    /// The series that an expression gives now, each with its labels and value.
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.get(&format!("query?query={}", encoded(expression))).await;
        answer["result"].as_array().unwrap().clone()
    }

    /// The alerts that fire.
    pub async fn firing(&self) -> BTreeSet<String> {
        let answer = self.get("alerts").await;
        let alerts = answer["alerts"].as_array().unwrap().iter();
        // What Prometheus writes in place of a text that it cannot fill in.
        alerts.clone().for_each(|alert| assert!(!alert["annotations"].to_string().contains("<error"), "{alert}"));
        alerts
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until this alert fires.
    pub async fn fires(&self, alert: &str) {
        until(&format!("{alert} to fire"), async || self.firing().await.contains(alert)).await;
    }

    /// Waits until no alert has fired for some seconds: a moment may be one between two that do.
    pub async fn is_silent(&self) {
        let lately = r#"count_over_time(ALERTS{alertstate="firing"}[5s])"#;
        until("no alert to fire", async || self.query(lately).await.is_empty()).await;
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("http://{}/api/v1/{path}", self.address)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].clone()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The rules as they are, but for how long they wait.
fn impatient(rules: &str) -> Value {
    let rules = IMPATIENCE.iter().fold(rules.to_owned(), |rules, (patient, impatient)| {
        assert!(rules.contains(patient), "{patient} is in no alert");
        rules.replace(patient, impatient)
    });
    let mut rules: Value = serde_saphyr::from_str(&rules).unwrap();
    for rule in rules["groups"][0]["rules"].as_array_mut().unwrap() {
        rule.as_object_mut().unwrap().remove("for");
    }
    rules
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// On the PATH, or where `make tools` puts it.
fn program(name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    let own = cache.join("bitbucket-connector/prometheus").join(name);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file());
    on_path.or_else(|| own.is_file().then_some(own)).unwrap_or_else(|| panic!("there is no {name}: make tools"))
}
