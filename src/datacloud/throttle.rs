//! Callers that ask again and again for what is not theirs are made to wait, so that nobody can try tokens or ids at the API server's
//! cost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures of one address at once; from then on one in each `EACH`.
const BURST: u32 = 20;
const EACH: Duration = Duration::from_secs(1);
/// More addresses than this are not told apart.
const ADDRESSES: usize = 10_000;

/// Failures, by the address that they came from.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<IpAddr, Instant>>);

impl Throttle {
    /// How long this address has to wait before it is listened to.
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied()?;
        let wait = until.checked_duration_since(Instant::now() + EACH * (BURST - 1))?;
        (!wait.is_zero()).then_some(wait)
    }

    /// It has failed. Each failure takes a second to be forgotten.
    pub fn failed(&self, address: IpAddr) {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES {
            all.retain(|_, until| *until > now);
        }
        if all.len() < ADDRESSES || all.contains_key(&address) {
            let until = all.entry(address).or_insert(now);
            *until = (*until).max(now) + EACH;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_twenty_failures_one_a_second_is_heard() {
        let (throttle, address) = (Throttle::default(), IpAddr::from(Ipv4Addr::LOCALHOST));
        for _ in 0..BURST {
            assert_eq!(throttle.wait(address), None);
            throttle.failed(address);
        }
        assert_eq!(throttle.wait(address), Some(EACH));
        assert_eq!(throttle.wait(Ipv4Addr::UNSPECIFIED.into()), None, "another address");
        tokio::time::advance(EACH).await;
        assert_eq!(throttle.wait(address), None);
        throttle.failed(address);
        assert_eq!(throttle.wait(address), Some(EACH));
        tokio::time::advance(EACH * BURST).await;
        for _ in 0..BURST {
            assert_eq!(throttle.wait(address), None);
            throttle.failed(address);
        }
    }
}
