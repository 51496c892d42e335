//! What the scenarios share.

pub mod audit;
pub mod clock;
pub mod cluster;
pub mod conventions;
pub mod database;
pub mod front;
pub mod leaks;
pub mod manifests;
pub mod net;
pub mod operator;
pub mod page;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod replica;
pub mod rights;
pub mod sync;
pub mod tls;
pub mod visitor;

use std::time::Duration;

pub use bitbucket_test_postgres as postgres;

/// Fails a test that would otherwise hang. Far above anything that a slow machine needs:
/// the longest wait is for a slot, up to two minutes away.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(Duration::from_mins(5), future).await else {
        panic!("{what} did not happen within five minutes")
    };
    value
}

/// Looks until it is so.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let looking = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within(what, looking).await;
}
