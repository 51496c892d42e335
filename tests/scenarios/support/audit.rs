//! What the operators of a stage have asked the API server for, as its audit log tells it.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::Cluster;

/// How long a write may take to stand in the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// The calls of one ServiceAccount.
pub struct Audit {
    log: PathBuf,
    /// Where the log ended when the account was not there yet: others have written all that is before.
    from: u64,
    user: String,
}

impl Audit {
    /// Of the operators in this namespace, from now on.
    pub fn of(cluster: &Cluster, namespace: &str) -> Self {
        let log = cluster.line.audit_log.clone();
        let from = std::fs::metadata(&log).unwrap().len();
        Self { log, from, user: format!("system:serviceaccount:{namespace}:bitbucket-connector") }
    }

    /// The calls so far, in the order in which they ended.
    pub fn entries(&self) -> impl Iterator<Item = Value> {
        let mut log = File::open(&self.log).unwrap();
        log.seek(SeekFrom::Start(self.from)).unwrap();
        let quoted = format!("\"{}\"", self.user);
        let lines = BufReader::new(log).split(b'\n').map(Result::unwrap);
        lines.filter_map(move |line| {
            let line = String::from_utf8_lossy(&line);
            // The first line may be an end, and the last one half written.
            let entry: Option<Value> = line.contains(&quoted).then(|| serde_json::from_str(&line).ok()).flatten();
            entry.filter(|entry| entry["user"]["username"] == quoted.trim_matches('"'))
        })
    }

    /// Waits for the first write of a status, where one is due. The log has it when its caller has heard of it, which may be after a
    /// watch shows what was written, and never if the caller has ended by then: the only one of a test could be missing. Where it
    /// never comes, that is found by who compares them.
    pub fn wait_for_one(&self, is_due: impl Fn() -> bool) {
        let begun = Instant::now();
        while self.written().is_empty() && is_due() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The connections after each write of a status, in the order in which they were written.
    pub fn written(&self) -> Vec<Value> {
        let mut written: Vec<Value> = self.entries().filter_map(status_written).collect();
        // Two operators may write one after the other, and hear of it in another order.
        written.sort_by_key(version);
        written
    }
}

fn status_written(mut entry: Value) -> Option<Value> {
    let of = &entry["objectRef"];
    let status = of["resource"] == "bitbucketconnections" && of["subresource"] == "status";
    if !status || entry["responseStatus"]["code"] != 200 {
        return None;
    }
    let object = entry["responseObject"].take();
    assert!(object.is_object(), "the audit log does not show what was written: tests/cluster is not built anew");
    Some(object)
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
