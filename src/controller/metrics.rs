//! What the controller counts, since the process began.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The controller's metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Slots that came due during a run of the same connection.
    pub slots_skipped: Counter,
    /// 1 while this process acts.
    pub leader: Gauge,
}

impl Metrics {
    /// Metrics that `registry` shows, from zero on: an alert cannot be told from a typing error otherwise.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "slots_skipped",
            "Slots of spec.schedule that were skipped, because a sync run of the connection was still going; the log names each",
            metrics.slots_skipped.clone(),
        );
        let what = "1 while this operator acts, 0 while it stands by";
        registry.register("leader", what, metrics.leader.clone());
        metrics
    }
}
