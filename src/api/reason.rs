//! The words for why a condition is as it is. One list feeds conditions, events, logs and exit codes.

/// Reason of a condition. The three lower-case ones are DX's codes, verbatim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The credentials work and commits can be read.
    Verified,
    /// The server accepts the credential as nobody.
    InvalidCredentials,
    /// The identity is proven, but commits are refused.
    InvalidPermissions,
    /// The identity is proven, but nothing is visible or selected.
    NoResources,
    /// There is no Bitbucket at the URL.
    InvalidUrl,
    /// The Secret, or the one with the certificate authority, does not exist.
    SecretNotFound,
    /// The Secret exists, but not with what is needed.
    InvalidSecret,
    /// The schedule or its time zone cannot be understood.
    InvalidSchedule,
    /// The destination's login, URI or schema is wrong: waits for a person.
    DestinationInvalid,
    /// The destination is down, full or read-only: tried again.
    DestinationUnavailable,
    /// No connection to the server, or none that lasted.
    ServerUnreachable,
    /// The TLS handshake failed.
    TlsFailure,
    /// The server asks to come back later.
    RateLimited,
    /// The server answered that it is in trouble.
    ServerError,
    /// A proxy on the way refused.
    ProxyRefused,
    /// The answer was not Bitbucket's.
    UnexpectedAnswer,
    /// No sync run has ended yet.
    Pending,
    /// Every repository's set is its head's.
    Synced,
    /// Some repositories were left behind.
    SyncIncomplete,
    /// The run as a whole failed.
    SyncFailed,
    /// Nothing is done as long as `spec.suspend` is true.
    Suspended,
    /// Of Reconciling: tried again by itself.
    ProgressingWithRetry,
}

impl Reason {
    const ALL: [Self; 22] = [
        Self::Verified,
        Self::InvalidCredentials,
        Self::InvalidPermissions,
        Self::NoResources,
        Self::InvalidUrl,
        Self::SecretNotFound,
        Self::InvalidSecret,
        Self::InvalidSchedule,
        Self::DestinationInvalid,
        Self::DestinationUnavailable,
        Self::ServerUnreachable,
        Self::TlsFailure,
        Self::RateLimited,
        Self::ServerError,
        Self::ProxyRefused,
        Self::UnexpectedAnswer,
        Self::Pending,
        Self::Synced,
        Self::SyncIncomplete,
        Self::SyncFailed,
        Self::Suspended,
        Self::ProgressingWithRetry,
    ];

    /// The reason with this word, if it is one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// The word as it stands in `reason` of a condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "Verified",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidPermissions => "invalid_permissions",
            Self::NoResources => "no_resources",
            Self::InvalidUrl => "InvalidURL",
            Self::SecretNotFound => "SecretNotFound",
            Self::InvalidSecret => "InvalidSecret",
            Self::InvalidSchedule => "InvalidSchedule",
            Self::DestinationInvalid => "DestinationInvalid",
            Self::DestinationUnavailable => "DestinationUnavailable",
            Self::ServerUnreachable => "ServerUnreachable",
            Self::TlsFailure => "TLSFailure",
            Self::RateLimited => "RateLimited",
            Self::ServerError => "ServerError",
            Self::ProxyRefused => "ProxyRefused",
            Self::UnexpectedAnswer => "UnexpectedAnswer",
            Self::Pending => "Pending",
            Self::Synced => "Synced",
            Self::SyncIncomplete => "SyncIncomplete",
            Self::SyncFailed => "SyncFailed",
            Self::Suspended => "Suspended",
            Self::ProgressingWithRetry => "ProgressingWithRetry",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
