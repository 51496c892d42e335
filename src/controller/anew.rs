//! Watches that wait longer after each fault, and begin anew, with a list, when they are too far behind to go on.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Error, Event, watcher};
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
    .default_backoff()
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
