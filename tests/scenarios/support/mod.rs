//! What the scenarios share.

pub mod cluster;
pub mod database;
pub mod leaks;
pub mod net;
pub mod operator;
pub mod postgres;
pub mod process;
pub mod sync;
pub mod tls;

use std::time::Duration;

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

/// The memory that a process has now, in KiB; None once it has ended. Without what it maps of its own file: how much of
/// that is in memory is the machine's affair.
pub fn memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
