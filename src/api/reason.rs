//! The words for why a condition is as it is. One list feeds conditions, events, logs and exit codes.

/// Makes the enum and its words of one list, so that none is left out of either.
macro_rules! reasons {
    ($(#[$about:meta])* enum Reason { $($(#[$doc:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The reason with this word, if it is one of ours.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The word as it stands in `reason` of a condition.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// Reason of a condition. The three lower-case ones are DX's codes, verbatim.
    enum Reason {
        /// The credentials work and commits can be read.
        Verified = "Verified",
        /// The server accepts the credential as nobody.
        InvalidCredentials = "invalid_credentials",
        /// The identity is proven, but commits are refused.
        InvalidPermissions = "invalid_permissions",
        /// The identity is proven, but nothing is visible or selected.
        NoResources = "no_resources",
        /// There is no Bitbucket at the URL.
        InvalidUrl = "InvalidURL",
        /// The Secret, or the one with the certificate authority, does not exist.
        SecretNotFound = "SecretNotFound",
        /// The Secret exists, but not with what is needed.
        InvalidSecret = "InvalidSecret",
        /// The schedule or its time zone cannot be understood.
        InvalidSchedule = "InvalidSchedule",
        /// The destination's login, URI or schema is wrong: waits for a person.
        DestinationInvalid = "DestinationInvalid",
        /// The destination is down, full or read-only: tried again.
        DestinationUnavailable = "DestinationUnavailable",
        /// No connection to the server, or none that lasted.
        ServerUnreachable = "ServerUnreachable",
        /// The TLS handshake failed.
        TlsFailure = "TLSFailure",
        /// The server asks to come back later.
        RateLimited = "RateLimited",
        /// The server answered that it is in trouble.
        ServerError = "ServerError",
        /// A proxy on the way refused.
        ProxyRefused = "ProxyRefused",
        /// The answer was not Bitbucket's.
        UnexpectedAnswer = "UnexpectedAnswer",
        /// No sync run has ended yet.
        Pending = "Pending",
        /// Every repository's set is its head's.
        Synced = "Synced",
        /// Some repositories were left behind.
        SyncIncomplete = "SyncIncomplete",
        /// The run as a whole failed.
        SyncFailed = "SyncFailed",
        /// Nothing is done as long as `spec.suspend` is true.
        Suspended = "Suspended",
        /// Of Reconciling: tried again by itself.
        ProgressingWithRetry = "ProgressingWithRetry",
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
