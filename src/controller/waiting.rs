//! What `/readyz` says of a namespace whose objects are not known yet.

use kube::runtime::watcher;
use tokio::sync::watch;

/// What is waited for, and where that is told.
pub(super) struct Waiting {
    what: String,
    told: watch::Sender<Vec<String>>,
}

impl Waiting {
    /// For the objects of a namespace, or of all.
    pub(super) fn new(namespace: Option<&str>, told: &watch::Sender<Vec<String>>) -> Self {
        let of = namespace.map_or("all namespaces".to_owned(), |name| format!("namespace {name}"));
        let what = format!("the API server to list the BitbucketConnections of {of}");
        Self { what, told: told.clone() }
    }

    /// As it is told before it is known why it takes so long.
    pub(super) fn what(&self) -> String {
        self.what.clone()
    }

    /// Nothing is waited for any more.
    pub(super) fn over(&self) {
        self.told.send_modify(|waited| waited.retain(|waited| !self.is(waited)));
    }

    /// Says why as well. Whether that is new.
    pub(super) fn because(&self, why: &str) -> bool {
        let told = format!("{}: {why}", self.what);
        self.told.send_if_modified(|waited| {
            let own = waited.iter_mut().find(|waited| self.is(waited));
            own.is_some_and(|own| std::mem::replace(own, told.clone()) != told)
        })
    }

    fn is(&self, waited: &str) -> bool {
        waited.strip_prefix(&self.what).is_some_and(|why| why.is_empty() || why.starts_with(": "))
    }
}

/// What to do about a list that does not come, where that is known.
pub(super) fn advice(error: &watcher::Error) -> Option<&'static str> {
    match error {
        // Of a list it can only mean that there is no such resource.
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => Some(
            "the CustomResourceDefinition bitbucketconnections.bitbucket-connector.dev is not installed, or not in this version; install it with the chart, or with `bitbucket-connector crd | kubectl apply --server-side -f -`",
        ),
        _ => None,
    }
}
