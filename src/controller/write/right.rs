//! Rights that the operator may lack, and what is said then. Said once, by `events.rs`.

/// A right in the namespace of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To get Secrets.
    ReadSecrets,
    /// To list and watch them.
    WatchSecrets,
    /// To patch the object, so that it has the finalizer.
    SetFinalizer,
    /// The same, so that it has it no more.
    RemoveFinalizer,
}

impl Right {
    /// What was tried.
    pub const fn action(self) -> &'static str {
        match self {
            Self::ReadSecrets => "ReadSecrets",
            Self::WatchSecrets => "WatchSecrets",
            Self::SetFinalizer => "SetFinalizer",
            Self::RemoveFinalizer => "RemoveFinalizer",
        }
    }

    /// What follows, and what to do.
    pub const fn note(self) -> &'static str {
        match self {
            Self::ReadSecrets => {
                "The operator may not read Secrets in this namespace, so that this connection stands still. Ask who installed it to give its ServiceAccount the right to get them (chart: watch.namespaces)."
            }
            Self::WatchSecrets => {
                "The operator may not list and watch Secrets in this namespace, so that it notices a change of this connection's Secrets only after spec.verifyInterval, or at once when the annotation bitbucket-connector.dev/requestedAt is set. Ask who installed it to give its ServiceAccount that right (chart: watch.namespaces), or to do without (chart: watch.secrets=off)."
            }
            Self::SetFinalizer => {
                "The operator may not change the metadata of BitbucketConnections in this namespace, which spec.deletionPolicy Delete needs, so that this connection stands still. Ask who installed it to give its ServiceAccount the right to patch them. With deletionPolicy Retain, and without the finalizer bitbucket-connector.dev/rows, it is not needed."
            }
            Self::RemoveFinalizer => {
                "The connection is deleted, but the operator may not take its finalizer off: it has no right to patch BitbucketConnections in this namespace (any more). Ask who installed it to give its ServiceAccount that right, or remove the finalizer bitbucket-connector.dev/rows by hand (docs/deletion.md)."
            }
        }
    }
}
