//! How long a database that failed is left alone. Pure.

use crate::secrets::TargetKey;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff;
use super::facts::DestinationState;

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

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(10);
    const OTHER: TargetKey = TargetKey([1; 32]);

    fn down() -> DestinationState {
        DestinationState::Unavailable("Down.".to_owned())
    }

    /// One more fault, and how long the database is left alone after it.
    fn failed(before: Option<&Outage>, of: TargetKey, state: DestinationState, now: Instant) -> (Outage, Duration) {
        let outage = Outage::failed(before, of, state, (INTERVAL, "uid"), now);
        let wait = outage.until().unwrap() - now;
        (outage, wait)
    }

    #[test]
    fn a_database_that_is_down_is_left_alone_longer_each_time() {
        let now = Instant::now();
        let (mut outage, first) = failed(None, TargetKey::OWN, down(), now);
        let mut last = first;
        for _ in 0..5 {
            let (next, wait) = failed(Some(&outage), TargetKey::OWN, down(), now);
            assert!(wait > last);
            (outage, last) = (next, wait);
        }
        assert_eq!(failed(Some(&outage), OTHER, down(), now).1, first, "another one begins anew");
        outage.passed();
        assert_eq!(failed(Some(&outage), TargetKey::OWN, down(), now).1, first, "and so does one that worked");
        assert!(outage.is_of_another(OTHER) && !outage.is_of_another(TargetKey::OWN));
    }

    #[test]
    fn what_waits_for_a_person_is_looked_at_again_each_interval() {
        let invalid = DestinationState::Invalid("Newer.".to_owned());
        assert_eq!(failed(None, TargetKey::OWN, invalid, Instant::now()).1, INTERVAL);
    }

    #[test]
    fn a_fault_is_said_until_the_database_is_looked_at_again() {
        let now = Instant::now();
        let (mut outage, wait) = failed(None, TargetKey::OWN, down(), now);
        assert_eq!(outage.rest(now), Some(down()));
        assert_eq!(outage.rest(now + wait), None);
        assert_eq!((outage.until(), outage.rest(now)), (None, None));
    }
}
