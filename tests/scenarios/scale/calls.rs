//! What an operator has asked the API server for, as the audit log tells it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::operator::Stage;
use crate::support::within;

/// The operator's calls, counted as far as the log was read.
pub struct Calls {
    log: BufReader<File>,
    user: String,
    /// A line that was half written when it was read.
    begun: Vec<u8>,
    counted: BTreeMap<String, u64>,
    /// The Secrets that were read.
    secrets: HashSet<String>,
}

impl Calls {
    /// Of the operator of this stage, from now on.
    pub fn of(stage: &Stage) -> Self {
        let log = BufReader::new(File::open(&stage.cluster.line.audit_log).unwrap());
        let user = format!("system:serviceaccount:{}:bitbucket-connector", stage.namespace);
        let mut calls = Self { log, user, begun: Vec::new(), counted: BTreeMap::new(), secrets: HashSet::new() };
        calls.restart();
        calls
    }

    /// Counts from zero again.
    pub fn restart(&mut self) {
        self.read();
        self.counted.clear();
        self.secrets.clear();
    }

    /// Counts what has been written since.
    pub fn read(&mut self) {
        while self.log.read_until(b'\n', &mut self.begun).unwrap() > 0 && self.begun.ends_with(b"\n") {
            let line = String::from_utf8(std::mem::take(&mut self.begun)).unwrap();
            if line.contains(&self.user) {
                self.count(&serde_json::from_str(&line).unwrap());
            }
        }
    }

    fn count(&mut self, entry: &Value) {
        let of = &entry["objectRef"];
        let part = |name: &str| of[name].as_str().unwrap_or_default();
        // Each has one line but a watch, which has another one at its end.
        let stage = if entry["verb"] == "watch" { "ResponseStarted" } else { "ResponseComplete" };
        // In the operator's name kubectl has asked what it may do, before it was started.
        if entry["user"]["username"] != self.user.as_str()
            || entry["stage"] != stage
            || part("apiGroup") == "authorization.k8s.io"
        {
            return;
        }
        let verb = entry["verb"].as_str().unwrap();
        if verb == "get" && part("resource") == "secrets" {
            self.secrets.insert(part("name").to_owned());
        }
        let slash = if part("subresource").is_empty() { "" } else { "/" };
        let code = entry["responseStatus"]["code"].as_u64().unwrap_or_default();
        let failed = if code < 400 { String::new() } else { format!(" ({code})") };
        let what = format!("{verb} {}{slash}{}{failed}", part("resource"), part("subresource"));
        *self.counted.entry(what).or_default() += 1;
    }

    fn sum(&self, of: impl Fn(&str) -> bool) -> u64 {
        let verb = |what: &str| what.split(' ').next().unwrap_or_default().to_owned();
        self.counted.iter().filter(|(what, _)| of(&verb(what))).map(|(_, count)| count).sum()
    }

    /// All that is neither read nor watched.
    pub fn writes(&self) -> u64 {
        self.sum(|verb| !matches!(verb, "get" | "list" | "watch"))
    }

    /// What was read.
    pub fn reads(&self) -> u64 {
        self.sum(|verb| matches!(verb, "get" | "list"))
    }

    /// Watches that were begun.
    pub fn watches(&self) -> u64 {
        self.sum(|verb| verb == "watch")
    }

    /// How many different Secrets were read.
    pub fn secrets(&self) -> usize {
        self.secrets.len()
    }

    /// All of them, by what was asked for.
    pub fn show(&self) -> String {
        self.counted.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }

    /// Waits until nothing has been written for five seconds: the events of the last verdicts come after their statuses.
    pub async fn until_quiet(&mut self) {
        let quiet = async {
            let (mut writes, mut since) = (self.writes(), Instant::now());
            while since.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.read();
                if self.writes() != writes {
                    (writes, since) = (self.writes(), Instant::now());
                }
            }
        };
        within("the end of the writes", quiet).await;
    }
}
