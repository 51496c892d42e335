//! How much a connection may ask of its Bitbucket.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests a second that may be allowed.
pub const PER_SECOND: RangeInclusive<i64> = 1..=1000;
/// Requests in flight that may be allowed.
pub const CONCURRENCIES: RangeInclusive<i64> = 1..=16;
/// Requests in flight, where nothing is said of them.
pub const CONCURRENCY: i32 = 4;
/// How long a request may take, where nothing is said of it; a Go duration.
pub const TIMEOUT: &str = "30s";

/// Limits towards Bitbucket of one connection. A change holds from the next request or run on; it starts none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Requests a second, from 1 to 1000. Without it the account's own budget holds where the server states one, and no
    /// rate otherwise. Connections of one account at one host share a budget: the smallest rate among them holds for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = *PER_SECOND.start(), max = *PER_SECOND.end()))]
    pub requests_per_second: Option<i32>,
    /// Requests in flight at a time, from 1 to 16. With a password never more than 4 are made for one
    /// account and host, whatever stands here.
    #[schemars(range(min = *CONCURRENCIES.start(), max = *CONCURRENCIES.end()))]
    pub concurrency: i32,
}

impl Limits {
    /// Requests a second, where the spec says so.
    pub fn per_second(&self) -> Option<u32> {
        self.requests_per_second.and_then(|rate| u32::try_from(rate).ok())
    }

    /// Requests, and so repositories, at a time.
    pub fn at_a_time(&self) -> usize {
        let (least, most) = CONCURRENCIES.into_inner();
        usize::try_from(i64::from(self.concurrency).clamp(least, most)).unwrap_or(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: None, concurrency: CONCURRENCY }
    }
}
