//! Watches that wait longer after each fault, and begin anew, with a list, when they are too far behind to go on.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff, Error, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// What a server answers who does not keep what has happened since.
const GONE: u16 = 410;

/// kube begins anew where an event in the stream says that it is too late. Where the answer's status says so, it would ask for
/// the same again for ever, and nobody would hear of any change.
pub(super) fn watched<K>(
    objects: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    futures::stream::unfold((None, objects, config), |(watch, objects, config)| async {
        let mut watch = watch.unwrap_or_else(|| watcher(objects.clone(), config.clone()).boxed());
        let event = watch.next().await?;
        let over = matches!(&event, Err(Error::WatchStartFailed(kube::Error::Api(status))) if status.code == GONE);
        Some((event, ((!over).then_some(watch), objects, config)))
    })
    .backoff(Growing::default())
}

/// Waits twice as long after each fault, up to a quarter of a minute, and as at first after two minutes without one. What goes well
/// in between does not count: before each list that fails, kube says that one begins.
#[derive(Default)]
struct Growing(DefaultBackoff);

const LONGEST: Duration = Duration::from_secs(15);

impl Iterator for Growing {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(LONGEST))
    }
}

impl Backoff for Growing {
    fn reset(&mut self) {}
}

/// For the controller, whose watches wait by themselves: while it did, it would hear of nothing, not even of the end of a task.
pub(super) struct NoBackoff;

impl Iterator for NoBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for NoBackoff {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use kube::runtime::utils::StreamBackoff;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_well_in_between_shortens_no_wait() {
        let faults = futures::stream::iter((0..7).flat_map(|_| [Ok(()), Err(())]));
        let mut last = Instant::now();
        let mut waits = Vec::new();
        let mut stream = Box::pin(StreamBackoff::new(faults, Growing::default()));
        while let Some(event) = stream.next().await {
            if event.is_ok() {
                waits.push(last.elapsed());
                last = Instant::now();
            }
        }
        assert!(waits[1..].is_sorted() && waits[6] >= Duration::from_secs(12), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
    }
}
