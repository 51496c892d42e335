//! What can go wrong with a request, and what may be done about it.

use std::fmt;
use std::time::Duration;

use super::refusal::Refusal;

/// Why a request has no usable answer. The texts name the request, never the credentials and never what
/// the server wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bitbucket answered, in its own words, that it does not do this.
    #[error("{request} was answered {status} ({refusal})")]
    Refused {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What Bitbucket meant.
        refusal: Refusal,
    },
    /// The way to Bitbucket, or the answer on it, was broken.
    #[error("{request} {fault}")]
    Transport {
        /// Method and path.
        request: String,
        /// What was broken.
        fault: Fault,
    },
    /// Nothing was sent, because this password was judged wrong before.
    #[error("nothing was sent: this password was refused before, and another try could lock the account")]
    GateClosed,
    /// Nothing was sent: to this password something in front of Bitbucket has answered, or nothing came, several times.
    #[error(
        "nothing was sent: several times something in front of Bitbucket answered to this password in its place, or no answer \
         came, and each may count as a failed login"
    )]
    GateResting,
    /// Nothing was sent, because the caller has asked to stop.
    #[error("stopped")]
    Stopped,
}

/// What was broken on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection: name, route, refusal, reset.
    #[error("found no connection ({0})")]
    Unreachable(&'static str),
    /// The connection ended in the middle.
    #[error("failed (the connection was cut before the answer was complete)")]
    Cut,
    /// The TLS handshake failed.
    #[error("failed in the TLS handshake ({0})")]
    Tls(&'static str),
    /// Connection, headers or body took longer than the timeout.
    #[error("got no complete answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The body is large, and others were read all the time.
    #[error("was answered, but for {} s others had the room for large answers", .0.as_secs_f64())]
    Crowded(Duration),
    /// The body is larger than any answer of this kind.
    #[error("was answered with more than {0} bytes")]
    TooLarge(usize),
    /// 429: the account's budget is used up.
    #[error("was answered 429 Too Many Requests")]
    RateLimited {
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("was answered {status}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A proxy on the way refused.
    #[error("was refused by a proxy with {0}")]
    Proxy(u16),
    /// A redirect, which is never followed with credentials.
    #[error("was answered {status}, a redirect")]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The port behind which the same host wants to be asked the same by https.
        https: Option<u16>,
        /// Of a repository that has moved: the project's key and the name that it has now.
        repository: Option<(String, String)>,
    },
    /// Nothing was sent: the address is not one to connect to.
    #[error("was not sent, because {0} has an address that the operator does not connect to")]
    Denied(Hop),
    /// JSON that ends too early, is broken otherwise, or cannot be unpacked.
    #[error("was answered {0} with broken JSON")]
    Broken(u16),
    /// The answer names another account than the first one did: a cache or a mixed-up session answers.
    #[error("was answered as another account")]
    OtherAccount,
    /// An answer that is not one of Bitbucket's REST API.
    #[error("was answered {status} with {what}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What came instead.
        what: &'static str,
    },
}

/// What was to be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The host of the Bitbucket.
    Host,
    /// The connection's proxy.
    Proxy,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the url's host",
            Self::Proxy => "the proxy",
        })
    }
}

/// What the caller may do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Asking again will not change the answer.
    Terminal,
    /// The same request may be sent again, after this time if one is named.
    Retry(Option<Duration>),
}

impl Error {
    /// What may be done about it.
    pub const fn policy(&self) -> Policy {
        match self {
            Self::Refused { .. } | Self::GateClosed | Self::GateResting | Self::Stopped => Policy::Terminal,
            Self::Transport { fault, .. } => match fault {
                Fault::RateLimited { retry_after } | Fault::Server { retry_after, .. } => Policy::Retry(*retry_after),
                // Another try within seconds would meet the same login page, or count as another failed login; the
                // connection is tried again later.
                Fault::Proxy(401)
                | Fault::Broken(401)
                | Fault::TooLarge(_)
                | Fault::OtherAccount
                | Fault::Redirect { .. }
                | Fault::Denied(_)
                | Fault::Unexpected { .. } => Policy::Terminal,
                _ => Policy::Retry(None),
            },
        }
    }

    /// Whether another path of the same server may be answered all the same.
    pub const fn may_be_of_one_path(&self) -> bool {
        let Self::Transport { fault, .. } = self else { return false };
        match fault {
            Fault::Timeout(_)
            | Fault::Crowded(_)
            | Fault::TooLarge(_)
            | Fault::Server { .. }
            | Fault::Proxy(403)
            | Fault::Redirect { .. }
            | Fault::Broken(_)
            | Fault::Unexpected { .. } => true,
            Fault::Unreachable(_)
            | Fault::Cut
            | Fault::Tls(_)
            | Fault::RateLimited { .. }
            | Fault::Proxy(_)
            | Fault::Denied(_)
            | Fault::OtherAccount => false,
        }
    }

    /// Whether it was an answer of whoever should know, and not that none came, or that somebody on the way had none: the same
    /// may be answered another time.
    pub const fn is_an_answer(&self) -> bool {
        let Self::Transport { fault, .. } = self else { return true };
        match fault {
            Fault::Server { status, .. } => !matches!(*status, 502..=504),
            Fault::TooLarge(_) | Fault::Broken(_) | Fault::Redirect { .. } | Fault::Unexpected { .. } => true,
            Fault::Unreachable(_)
            | Fault::Cut
            | Fault::Tls(_)
            | Fault::Timeout(_)
            | Fault::Crowded(_)
            | Fault::RateLimited { .. }
            | Fault::Proxy(_)
            | Fault::Denied(_)
            | Fault::OtherAccount => false,
        }
    }

    /// Whether a password may have been received and judged, although the answer does not say so: none came, or it is of something in
    /// front of Bitbucket that has waited too long for a login, or shows its own page in place of a refusal.
    pub const fn may_hide_a_judgement(&self) -> bool {
        let Self::Transport { fault, .. } = self else { return false };
        match fault {
            Fault::Cut
            | Fault::Timeout(_)
            | Fault::Server { status: 502 | 504, .. }
            | Fault::Proxy(403)
            | Fault::Redirect { .. }
            | Fault::Broken(_)
            | Fault::Unexpected { .. } => true,
            Fault::Unreachable(_)
            | Fault::Tls(_)
            | Fault::Crowded(_)
            | Fault::TooLarge(_)
            | Fault::RateLimited { .. }
            | Fault::Server { .. }
            | Fault::Proxy(_)
            | Fault::Denied(_)
            | Fault::OtherAccount => false,
        }
    }

    /// What Bitbucket meant, where it answered in its own words.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_passed_is_tried_again_within_seconds() {
        let wanted = Some(Duration::from_secs(7));
        for (fault, expected) in [
            (Fault::Unreachable("refused"), Policy::Retry(None)),
            (Fault::Cut, Policy::Retry(None)),
            (Fault::Tls("untrusted"), Policy::Retry(None)),
            (Fault::Timeout(Duration::from_secs(30)), Policy::Retry(None)),
            (Fault::Crowded(Duration::from_secs(30)), Policy::Retry(None)),
            (Fault::Proxy(407), Policy::Retry(None)),
            (Fault::Broken(200), Policy::Retry(None)),
            (Fault::Broken(401), Policy::Terminal),
            (Fault::RateLimited { retry_after: wanted }, Policy::Retry(wanted)),
            (Fault::Server { status: 503, retry_after: wanted }, Policy::Retry(wanted)),
            (Fault::TooLarge(1), Policy::Terminal),
            (Fault::OtherAccount, Policy::Terminal),
            (Fault::Redirect { status: 302, https: None, repository: None }, Policy::Terminal),
            (Fault::Proxy(401), Policy::Terminal),
            (Fault::Denied(Hop::Host), Policy::Terminal),
            (Fault::Unexpected { status: 200, what: "nothing" }, Policy::Terminal),
        ] {
            let error = Error::Transport { request: "GET x".to_owned(), fault };
            assert_eq!((error.policy(), error.refusal()), (expected, None), "{error}");
        }
        let refused = Error::Refused { request: "GET x".to_owned(), status: 401, refusal: Refusal::Captcha };
        for error in [refused, Error::GateClosed, Error::GateResting, Error::Stopped] {
            assert_eq!(error.policy(), Policy::Terminal, "{error}");
        }
    }
}
