//! What the controller counts, since the process began, and what is so when the page is read.

mod connections;

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use self::connections::Tally;
use super::known::Connections;
use crate::api::Reason;
use crate::sync::{RunError, Summary};

/// Seconds. A reconcile is a few calls to the API server, and each may take half a minute.
const RECONCILES: [f64; 7] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];
/// Seconds. A run that finds nothing new takes one, the first one of a large Bitbucket hours.
const RUNS: [f64; 8] = [1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 36000.0];

/// How runs end.
const SYNCED: &str = "synced";
const INCOMPLETE: &str = "incomplete";
const FAILED: &str = "failed";
const STOPPED: &str = "stopped";

/// The controller's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// 1 while this process acts.
    pub leader: Gauge,
    /// Slots that came due during a run of the same connection.
    pub slots_skipped: Counter,
    /// Runs that wait for their turn.
    pub runs_waiting: Gauge,
    /// Runs that are under way.
    pub runs_under_way: Gauge,
    /// Rows that were added, as soon as they are stored.
    pub commits_added: Counter,
    /// Rows that were removed.
    pub commits_removed: Counter,
    reconciles: Family<Ended, Histogram, fn() -> Histogram>,
    status_writes: Family<Ended, Counter>,
    verifications: Family<Found, Counter>,
    runs: Family<Ended, Histogram, fn() -> Histogram>,
    repositories: Family<Ended, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    reason: &'static str,
}

/// What became of a call that writes a status.
#[derive(Clone, Copy, Debug)]
pub enum Written {
    /// It is written.
    Applied,
    /// Somebody else has written in the meantime.
    Conflict,
    /// It is not, or nobody knows.
    Failed,
}

impl Metrics {
    /// Metrics that `registry` shows, from zero on where it is known what there will be: an alert cannot be told from a typing
    /// error otherwise. The connections are counted when it does.
    pub fn register(registry: &mut Registry, connections: Connections) -> Self {
        let metrics = Self::zero();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The operator's version", version);
        let what = "1 while this operator acts, 0 while it stands by";
        registry.register("leader", what, metrics.leader.clone());
        registry.register_collector(Box::new(Tally(connections)));
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took, by whether the API server did what it was asked for",
            Unit::Seconds,
            metrics.reconciles.clone(),
        );
        registry.register("status_writes", "Statuses that were written, or not", metrics.status_writes.clone());
        registry.register(
            "verifications",
            "Verifications that have ended, by what they found: the reason that Verified or Ready has then",
            metrics.verifications.clone(),
        );
        metrics.register_runs(registry);
        metrics
    }

    fn register_runs(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "sync_run_duration",
            "How long sync runs took that have ended, by how they did",
            Unit::Seconds,
            self.runs.clone(),
        );
        let what = "Sync runs that are under way";
        registry.register("sync_runs_under_way", what, self.runs_under_way.clone());
        let what = "Sync runs that wait until another one has ended (--max-concurrent-syncs)";
        registry.register("sync_runs_waiting", what, self.runs_waiting.clone());
        registry.register(
            "sync_repositories",
            "Repositories of sync runs that went through, by what became of them",
            self.repositories.clone(),
        );
        registry.register("commits_added", "Commits that were stored", self.commits_added.clone());
        let what = "Commits that were removed, because the default branch has them no more";
        registry.register("commits_removed", what, self.commits_removed.clone());
        registry.register(
            "slots_skipped",
            "Slots of spec.schedule that were skipped, because a sync run of the connection was still going; the log names each",
            self.slots_skipped.clone(),
        );
    }

    fn zero() -> Self {
        let metrics = Self {
            leader: Gauge::default(),
            slots_skipped: Counter::default(),
            runs_waiting: Gauge::default(),
            runs_under_way: Gauge::default(),
            commits_added: Counter::default(),
            commits_removed: Counter::default(),
            reconciles: Family::new_with_constructor(|| Histogram::new(RECONCILES)),
            status_writes: Family::default(),
            verifications: Family::default(),
            runs: Family::new_with_constructor(|| Histogram::new(RUNS)),
            repositories: Family::default(),
        };
        for result in ["ok", "error"] {
            metrics.reconciles.get_or_create_owned(&Ended { result });
        }
        for written in [Written::Applied, Written::Conflict, Written::Failed] {
            metrics.status_writes.get_or_create_owned(&Ended { result: written.as_str() });
        }
        for reason in [Reason::Verified, Reason::InvalidCredentials, Reason::InvalidPermissions, Reason::NoResources] {
            metrics.verifications.get_or_create_owned(&Found { reason: reason.as_str() });
        }
        for result in [SYNCED, INCOMPLETE, FAILED, STOPPED] {
            metrics.runs.get_or_create_owned(&Ended { result });
        }
        for result in ["synced", "empty", "inaccessible", "failed"] {
            metrics.repositories.get_or_create_owned(&Ended { result });
        }
        metrics
    }

    /// A reconcile has ended.
    pub fn reconciled(&self, ok: bool, time: Duration) {
        let result = if ok { "ok" } else { "error" };
        self.reconciles.get_or_create_owned(&Ended { result }).observe(time.as_secs_f64());
    }

    /// A status was to be written.
    pub fn written(&self, written: Written) {
        self.status_writes.get_or_create_owned(&Ended { result: written.as_str() }).inc();
    }

    /// A verification has ended.
    pub fn verified(&self, reason: Reason) {
        self.verifications.get_or_create_owned(&Found { reason: reason.as_str() }).inc();
    }

    /// A run begins.
    pub fn run_began(&self) -> CountedRun<'_> {
        CountedRun { metrics: self, began: Instant::now(), result: FAILED }
    }

    /// What a run has found out.
    fn count(&self, summary: &Summary) {
        for (result, count) in [
            ("synced", summary.synced),
            ("empty", summary.empty),
            ("inaccessible", summary.inaccessible.len() as u64),
            ("failed", summary.failed.len() as u64),
        ] {
            self.repositories.get_or_create_owned(&Ended { result }).inc_by(count);
        }
    }
}

/// One of those that a gauge counts, as long as this lives.
pub struct Counted(Gauge);

impl Counted {
    /// One more.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A run under way. One that breaks off has failed.
pub struct CountedRun<'a> {
    metrics: &'a Metrics,
    began: Instant,
    result: &'static str,
}

impl CountedRun<'_> {
    /// It has ended.
    pub fn ended(mut self, result: &Result<Summary, RunError>) {
        self.result = match result {
            Ok(summary) if summary.failed.is_empty() => SYNCED,
            Ok(_) => INCOMPLETE,
            Err(RunError::Stopped) => STOPPED,
            Err(_) => FAILED,
        };
        if let Ok(summary) = result {
            self.metrics.count(summary);
        }
    }
}

impl Drop for CountedRun<'_> {
    fn drop(&mut self) {
        let runs = self.metrics.runs.get_or_create_owned(&Ended { result: self.result });
        runs.observe(self.began.elapsed().as_secs_f64());
    }
}

impl Written {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}
