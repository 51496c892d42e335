//! How long a database that failed is left alone. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff;
use super::facts::DestinationState;
use super::inputs::TargetKey;

/// Faults in a row of one database.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    of: TargetKey,
    count: u32,
    /// What is said of the last one, as long as the database is left alone, and until when that is.
    rest: Option<(DestinationState, Instant)>,
}

impl Outage {
    /// One more fault, where `before` are those so far.
    pub fn failed(
        before: Option<&Self>,
        of: TargetKey,
        state: DestinationState,
        (interval, uid): (Duration, &str),
        now: Instant,
    ) -> Self {
        let count = before.filter(|outage| outage.of == of).map_or(0, |outage| outage.count).saturating_add(1);
        let wait = match state {
            DestinationState::Invalid(_) => interval,
            _ => backoff::wait(count, uid),
        };
        Self { of, count, rest: Some((state, now + wait)) }
    }

    /// The database works: the next fault is a first one.
    pub const fn passed(&mut self) {
        self.count = 0;
    }

    /// Whether it is one of another database, which tells nothing of this one.
    pub fn is_of_another(&self, of: TargetKey) -> bool {
        self.of != of
    }

    /// What is said of it, as long as the database is left alone.
    pub fn rest(&mut self, now: Instant) -> Option<DestinationState> {
        self.rest.take_if(|(_, until)| now >= *until);
        self.rest.as_ref().map(|(state, _)| state.clone())
    }

    /// When the database is looked at again.
    pub fn until(&self) -> Option<Instant> {
        self.rest.as_ref().map(|(_, until)| *until)
    }
}
