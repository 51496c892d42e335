//! What to do about the Lease as it is now. Pure. The algorithm is client-go's
//! (<https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>): how old a claim is says this machine's clock, from when it last
//! saw the claim change. The times in the Lease are for people: other machines' clocks may be wrong.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// One of those who want the Lease.
#[derive(Debug)]
pub(super) struct Claimant {
    identity: String,
    /// How long a claim is good, for the others.
    duration: Duration,
    /// The claim that was seen last, and since when.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Claimant {
    pub(super) const fn new(identity: String, duration: Duration) -> Self {
        Self { identity, duration, seen: None }
    }

    /// Whether this claim is its own.
    pub(super) fn owns(&self, spec: &LeaseSpec) -> bool {
        spec.holder_identity.as_deref() == Some(self.identity.as_str())
    }

    /// The claim to write; None, as long as that of somebody else is good. Whoever removes the Lease does not end a claim.
    pub(super) fn claim(&mut self, found: Option<&LeaseSpec>, now: Instant, clock: Timestamp) -> Option<LeaseSpec> {
        if let Some(found) = found.filter(|found| self.seen.as_ref().is_none_or(|(seen, _)| seen != *found)) {
            self.seen = Some((found.clone(), now));
        }
        let (found, since) = self.seen.clone().unwrap_or_else(|| (LeaseSpec::default(), now));
        let found = &found;
        let own = self.owns(found);
        let free = found.holder_identity.as_deref().is_none_or(str::is_empty);
        let good = found.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let good = good.map_or(self.duration, Duration::from_secs);
        if !own && !free && now < since + good {
            return None;
        }
        let clock = Some(MicroTime(clock));
        let transitions = found.lease_transitions.unwrap_or(0);
        Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: if own { found.acquire_time.clone() } else { clock.clone() },
            renew_time: clock,
            lease_transitions: Some(if own { transitions } else { transitions.saturating_add(1) }),
            ..found.clone()
        })
    }

    /// The claim that lets others have the Lease at once.
    pub(super) fn release(found: &LeaseSpec, clock: Timestamp) -> LeaseSpec {
        let clock = Some(MicroTime(clock));
        LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: clock.clone(),
            renew_time: clock,
            ..found.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(35);

    fn claimant(name: &str) -> Claimant {
        Claimant::new(name.to_owned(), LEASE)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_claim_is_as_old_as_it_was_seen_whatever_the_clocks_say() {
        let (mut a, mut b, start) = (claimant("a"), claimant("b"), Instant::now());
        let first = a.claim(None, start, at(1_000)).unwrap();
        assert!(a.owns(&first) && !b.owns(&first));
        assert_eq!((first.lease_duration_seconds, first.lease_transitions), (Some(35), Some(1)));
        // b's clock is a day ahead, and then a day behind.
        let (late, almost) = (Duration::from_secs(100), Duration::from_millis(34_999));
        assert_eq!(b.claim(Some(&first), start + late, at(90_000)), None);
        assert_eq!(b.claim(Some(&first), start + late + almost, at(0)), None);
        let renewed = a.claim(Some(&first), start + late, at(1_010)).unwrap();
        assert_eq!((&renewed.acquire_time, renewed.lease_transitions), (&first.acquire_time, Some(1)));
        assert_ne!(renewed.renew_time, first.renew_time);
        assert_eq!(b.claim(Some(&renewed), start + late + LEASE, at(90_000)), None);
        let taken = b.claim(Some(&renewed), start + late + LEASE + LEASE, at(0)).unwrap();
        assert!(b.owns(&taken) && taken.lease_transitions == Some(2) && taken.acquire_time == taken.renew_time);
        assert_eq!(a.claim(Some(&taken), start + late + LEASE + LEASE, at(1_020)), None);
    }

    #[test]
    fn what_is_released_is_free_at_once_and_what_somebody_else_wrote_is_kept() {
        let (mut a, mut b, start) = (claimant("a"), claimant("b"), Instant::now());
        let found = LeaseSpec { strategy: Some("OldestEmulationVersion".to_owned()), ..LeaseSpec::default() };
        let held = a.claim(Some(&found), start, at(1)).unwrap();
        assert_eq!(b.claim(Some(&held), start, at(1)), None);
        let taken = b.claim(Some(&Claimant::release(&held, at(2))), start, at(2)).unwrap();
        assert!(b.owns(&taken) && taken.strategy == found.strategy);
    }

    #[test]
    fn a_claim_lasts_as_long_as_who_made_it_says() {
        let (mut b, start) = (claimant("b"), Instant::now());
        let held = Claimant::new("a".to_owned(), Duration::from_mins(1)).claim(None, start, at(1));
        let held = held.unwrap();
        assert_eq!(b.claim(Some(&held), start, at(1)), None);
        assert_eq!(b.claim(Some(&held), start + LEASE, at(1)), None);
        assert!(b.claim(Some(&held), start + Duration::from_mins(1), at(1)).is_some());
        let odd = LeaseSpec { lease_duration_seconds: Some(-1), renew_time: Some(MicroTime(at(9))), ..held };
        assert_eq!(b.claim(Some(&odd), start, at(1)), None);
        assert!(b.claim(Some(&odd), start + LEASE, at(1)).is_some());
    }

    #[test]
    fn who_removes_the_lease_does_not_end_the_claim() {
        let (mut a, mut b, start) = (claimant("a"), claimant("b"), Instant::now());
        let held = a.claim(None, start, at(1)).unwrap();
        assert_eq!(b.claim(Some(&held), start, at(1)), None);
        assert_eq!(b.claim(None, start + LEASE / 2, at(1)), None);
        assert!(b.claim(None, start + LEASE, at(1)).is_some());
    }
}
