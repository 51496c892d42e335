//! How the connections are, counted when the page is read: what there is a line for each is not kept, however many there are.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::api::conditions::{self, READY, STALLED, SYNCED, VERIFIED};
use crate::api::{BitbucketConnection, Reason};
use crate::controller::known::Connections;

/// Counts the connections that the watches know.
#[derive(Debug)]
pub(super) struct Tally(pub Connections);

/// Type, status and reason of a condition.
type State = (&'static str, &'static str, &'static str);

/// What is counted.
#[derive(Debug, Default, PartialEq)]
struct Count {
    states: BTreeMap<State, i64>,
    unreadable: i64,
    suspended: i64,
    commits: i64,
    /// Seconds.
    overdue: i64,
}

impl Count {
    fn of(connections: &Connections, now: Timestamp) -> Self {
        let mut count = Self::default();
        for object in connections.all() {
            match &object.0 {
                Ok(object) => count.add(object, now),
                Err(_) => count.unreadable += 1,
            }
        }
        count
    }

    fn add(&mut self, object: &BitbucketConnection, now: Timestamp) {
        let Some(status) = &object.status else { return };
        self.commits =
            self.commits.saturating_add(status.sync.as_ref().and_then(|sync| sync.commits).unwrap_or(0).max(0));
        if object.spec.suspend {
            // Its conditions are as they were, and nobody waits for them to change.
            self.suspended += 1;
            return;
        }
        for condition in &status.conditions {
            if let Some(state) = state(&condition.type_, &condition.status, &condition.reason) {
                *self.states.entry(state).or_default() += 1;
            }
        }
        // Whatever its status has kept, one that is deleted is synced no more, and one that waits for a person, for which there
        // is another alert, must not hide that the rest is late.
        let stalled = conditions::find(&status.conditions, STALLED).is_some();
        let waits = !stalled && object.metadata.deletion_timestamp.is_none();
        if let Some(next) = status.next_schedule_time.as_ref().filter(|_| waits) {
            self.overdue = self.overdue.max(now.as_second() - next.0.as_second());
        }
    }
}

/// Only words of ours: anybody who may write a status may write what he likes.
fn state(type_: &str, status: &str, reason: &str) -> Option<State> {
    let known = |words: [&'static str; 3], word: &str| words.into_iter().find(|known| *known == word);
    Some((
        known([READY, VERIFIED, SYNCED], type_)?,
        known(["True", "False", "Unknown"], status)?,
        Reason::parse(reason)?.as_str(),
    ))
}

impl Collector for Tally {
    fn encode(&self, mut page: DescriptorEncoder<'_>) -> fmt::Result {
        let Count { states, unreadable, suspended, commits, overdue } = Count::of(&self.0, Timestamp::now());
        let mut family = page.encode_descriptor(
            "connection_conditions",
            "BitbucketConnections by type, status and reason of their conditions; those of one type are all that have a status and are not suspended",
            None,
            MetricType::Gauge,
        )?;
        for ((type_, status, reason), number) in states {
            let labels = [("type", type_), ("status", status), ("reason", reason)];
            ConstGauge::new(number).encode(family.encode_family(&labels)?)?;
        }
        for (name, what, unit, number) in [
            (
                "connections_unreadable",
                "BitbucketConnections that cannot be understood and are left alone; the log names each",
                None,
                unreadable,
            ),
            ("connections_suspended", "BitbucketConnections whose spec.suspend is true", None, suspended),
            ("commits_stored", "Commits of all connections, as their last sync runs left them", None, commits),
            (
                "sync_overdue",
                "How long ago the slot was that has waited longest to be run; 0 where none has",
                Some(&Unit::Seconds),
                overdue,
            ),
        ] {
            let gauge = ConstGauge::new(number);
            gauge.encode(page.encode_descriptor(name, what, unit, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
