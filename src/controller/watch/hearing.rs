//! Whether the operator hears of what changes, and what is said of a watch that fails.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use kube::runtime::watcher::{Error, Event};
use tracing::{debug, info, warn};

use crate::kubernetes::causes;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Connections,
    Secrets,
}

/// How a watch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It tells what happens.
    Well,
    /// It fails, and that may pass.
    Failing,
    /// It fails until a person does what this says.
    Stuck(&'static str),
}

/// One watch, as it stood last.
pub(super) struct Hearing {
    subject: Subject,
    of: String,
    last: Standing,
}

impl Hearing {
    /// In a namespace, or in all.
    pub fn new(subject: Subject, namespace: Option<&str>) -> Self {
        Self { subject, of: scope(namespace), last: Standing::Well }
    }

    /// How it stands by what it gives, where that tells. What may last for days is logged once for all tries, and once more
    /// when something else has been between.
    pub fn hear<K>(&mut self, event: &Result<Event<K>, Error>) -> Option<Standing> {
        let standing = match event {
            // A list begins; it may fail yet.
            Ok(Event::Init) => return None,
            Ok(_) => Standing::Well,
            Err(error) => advice(self.subject, error).map_or(Standing::Failing, Standing::Stuck),
        };
        let last = std::mem::replace(&mut self.last, standing);
        let Self { subject, of, .. } = self;
        match (event, standing) {
            (Err(error), Standing::Stuck(why)) if last != standing => {
                let error = causes(error);
                warn!(error, "the watch of {subject:?} in {of} waits until that is mended: {why}");
            }
            (Err(error), _) if last != standing => {
                warn!(error = causes(error), "the watch of {subject:?} in {of} is tried again");
            }
            (Err(error), _) => debug!(error = causes(error), "the watch of {subject:?} in {of} has failed once more"),
            (Ok(_), _) if last != standing => info!("the watch of {subject:?} in {of} goes on"),
            (Ok(_), _) => {}
        }
        Some(standing)
    }
}

/// A namespace, or all, in words.
pub(super) fn scope(namespace: Option<&str>) -> String {
    namespace.map_or("all namespaces".to_owned(), |name| format!("namespace {name}"))
}

/// What to do about a watch that fails, where that is known.
fn advice(subject: Subject, error: &Error) -> Option<&'static str> {
    let (Error::InitialListFailed(kube::Error::Api(status))
    | Error::WatchStartFailed(kube::Error::Api(status))
    | Error::WatchError(status)) = error
    else {
        return None;
    };
    match subject {
        Subject::Connections if status.is_forbidden() => Some(
            "the operator's ServiceAccount has no right to list and watch BitbucketConnections; give it that right, or take the namespace out of those that are looked after (chart: watch.namespaces)",
        ),
        Subject::Secrets if status.is_forbidden() => Some(
            "the operator's ServiceAccount has no right to list and watch Secrets, so that their changes are noticed only after spec.verifyInterval; give it that right (chart: watch.namespaces), or do without (chart: watch.secrets=off)",
        ),
        // Of a list it can only mean that there is no such resource.
        Subject::Connections if status.code == 404 && matches!(error, Error::InitialListFailed(_)) => Some(
            "the CustomResourceDefinition bitbucketconnections.bitbucket-connector.dev is not installed, or not in this version; install it with the chart, or with `bitbucket-connector crd | kubectl apply --server-side -f -`",
        ),
        _ => None,
    }
}

/// The namespaces, or all, where changes of Secrets are not heard of, although they should be.
#[derive(Debug, Default)]
pub struct Deaf(Mutex<BTreeSet<Option<String>>>);

impl Deaf {
    /// What the watch of Secrets there tells of itself. A fault that may pass changes nothing.
    pub(super) fn note(&self, namespace: Option<&str>, standing: Standing) {
        let mut deaf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = namespace.map(str::to_owned);
        match standing {
            Standing::Well => deaf.remove(&namespace),
            Standing::Stuck(_) => deaf.insert(namespace),
            Standing::Failing => false,
        };
    }

    /// Whether it is so in this namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        let deaf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deaf.iter().any(|deaf| deaf.as_deref().is_none_or(|deaf| deaf == namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_deaf_where() {
        let deaf = Deaf::default();
        let is = |expected| assert_eq!(["a", "b"].map(|namespace| deaf.is_in(namespace)), expected);
        deaf.note(Some("a"), Standing::Stuck("no right"));
        is([true, false]);
        deaf.note(Some("a"), Standing::Failing);
        is([true, false]);
        deaf.note(Some("a"), Standing::Well);
        is([false, false]);
        deaf.note(None, Standing::Failing);
        is([false, false]);
        deaf.note(None, Standing::Stuck("no right"));
        is([true, true]);
    }
}
