use std::time::Duration;

use tokio::time::Instant;

use crate::settings::RateLimit;

/// The requests a user may still send. Bitbucket counts per user and node; this is one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub fn full(limit: RateLimit) -> Self {
        Self { tokens: f64::from(limit.capacity), filled: Instant::now() }
    }

    /// Takes a token, or says after how many whole seconds there will be one: `Retry-After` is in seconds (recorded on 10.4).
    pub fn take(&mut self, limit: RateLimit) -> Result<(), u64> {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * f64::from(limit.fill_rate);
        self.tokens = (self.tokens + gained).min(f64::from(limit.capacity));
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = (1.0 - self.tokens) / f64::from(limit.fill_rate.max(1));
        let wait = Duration::from_secs_f64(missing);
        Err((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_empties_and_fills() {
        let limit = RateLimit { capacity: 2, fill_rate: 20 };
        let mut bucket = Bucket::full(limit);
        assert_eq!([bucket.take(limit), bucket.take(limit), bucket.take(limit)], [Ok(()), Ok(()), Err(1)]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(bucket.take(limit), Ok(()));
    }
}
