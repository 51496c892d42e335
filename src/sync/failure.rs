//! Why a repository is left behind, and why a run ends.

use crate::api::Reason;
use crate::bitbucket::{self, Fault, Policy, Refusal};
use crate::destination;

/// Why a run ended before all repositories were looked at. What was stored stays, and the next run goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The list of repositories could not be read.
    #[error("the repositories could not be listed: {0}")]
    Listing(bitbucket::Error),
    /// Bitbucket no longer answers, whatever it is asked for.
    #[error("Bitbucket no longer answers: {0}")]
    Outage(bitbucket::Error),
    /// Bitbucket does not recognise the account, or takes it for another one.
    #[error("the account is no longer recognised: {0}")]
    Identity(bitbucket::Error),
    /// The database failed.
    #[error("the destination failed: {0}")]
    Destination(#[from] destination::Error),
    /// A fault in this program; the log tells more.
    #[error("the run broke off; see the operator's log")]
    Broken,
    /// Somebody asked the run to stop.
    #[error("the run was stopped")]
    Stopped,
}

/// Why one repository is left behind, or why the whole run must end. The texts are what users read: what was seen,
/// and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Bitbucket could not be asked, or did not answer as it should.
    #[error("{0}. {advice}", advice = of_answer(.0).1)]
    Bitbucket(bitbucket::Error),
    /// A commit's parent was not listed, or one was listed that does not belong there, or the listing did not begin with
    /// its own end.
    #[error(
        "the list of commits lacks one that belongs to it, or holds one that does not. What is stored stays, and the next run reads it again; if \
         this lasts, check that no cache answers in Bitbucket's place."
    )]
    IncompleteListing,
    /// Another process works on the same rows.
    #[error(
        "another process has stored commits of this repository meanwhile. Let only one operator or command at a time \
         use a connection's name in this database; the next run goes on."
    )]
    Superseded,
    /// The name leads elsewhere now.
    #[error("{0}. The repository was moved or renamed; the next run lists it under its new name.")]
    Moved(bitbucket::Error),
    /// Another repository answers under this name.
    #[error("another repository has taken this name. What is stored stays; the next run lists the repositories again.")]
    Replaced,
    /// A listing shows it no more, and Bitbucket says that it is not there, or gives its name to another one.
    #[error("it is not there any more for this account. Its rows stay.")]
    Gone,
    /// The run must end.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Failure {
    /// One word for it.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Bitbucket(error) => of_answer(error).0,
            Self::Moved(_) => "Moved",
            Self::IncompleteListing => "IncompleteListing",
            Self::Superseded => "Superseded",
            Self::Replaced => "Replaced",
            Self::Gone => "Gone",
            Self::Run(_) => "Stopped",
        }
    }

    /// Whether the way to Bitbucket was broken, which may have passed by now.
    pub fn is_on_the_way(&self) -> bool {
        let Self::Bitbucket(error) = self else { return false };
        matches!(error.policy(), Policy::Retry(_))
    }

    /// Whether it was an answer of whoever should know.
    pub const fn is_an_answer(&self) -> bool {
        matches!(self, Self::Bitbucket(error) if error.is_an_answer())
    }

    /// Whether the name does not lead to the repository any more: a new listing tells where it is.
    pub fn is_elsewhere(&self) -> bool {
        match self {
            Self::Moved(_) | Self::Replaced => true,
            Self::Bitbucket(error) => {
                matches!(error.refusal(), Some(Refusal::NoSuchRepository | Refusal::NoSuchProject))
            }
            _ => false,
        }
    }

    /// Whether the same run may fare better with it a little later.
    pub fn is_worth_another_try(&self) -> bool {
        self.is_on_the_way() || self.is_elsewhere()
    }

    /// Whether Bitbucket itself says that this account may not read the repository, or that it is gone.
    pub fn inaccessible(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Bitbucket(error) => {
                matches!(error.refusal(), Some(Refusal::Forbidden | Refusal::NoSuchRepository | Refusal::NoSuchProject))
            }
            _ => false,
        }
    }
}

/// Sorts an answer about a repository: one that concerns the account ends the run.
impl From<bitbucket::Error> for Failure {
    fn from(error: bitbucket::Error) -> Self {
        match error {
            bitbucket::Error::Stopped => RunError::Stopped.into(),
            error if concerns_identity(&error) => RunError::Identity(error).into(),
            error @ bitbucket::Error::Transport { fault: Fault::Redirect { .. }, .. } => Self::Moved(error),
            error => Self::Bitbucket(error),
        }
    }
}

impl From<destination::Error> for Failure {
    fn from(error: destination::Error) -> Self {
        RunError::from(error).into()
    }
}

/// One word for an answer about a repository, and what to do about it. The words for a broken way are those of the
/// conditions.
const fn of_answer(error: &bitbucket::Error) -> (&'static str, &'static str) {
    let bitbucket::Error::Transport { fault, .. } = error else {
        return ("Refused", "Ask a Bitbucket admin what the service account lacks; the next run tries again.");
    };
    match fault {
        Fault::Unreachable(_) | Fault::Cut | Fault::Timeout(_) | Fault::Crowded(_) => (
            Reason::ServerUnreachable.as_str(),
            "The next run tries again; if this lasts, check the network and the health of Bitbucket.",
        ),
        Fault::Denied(_) => (
            Reason::ServerUnreachable.as_str(),
            "Correct the host or what its name resolves to, or ask who installed the operator to allow the address.",
        ),
        Fault::Tls(_) => (
            Reason::TlsFailure.as_str(),
            "Check that the certificate is valid for the url's host and signed by an authority that is trusted.",
        ),
        Fault::RateLimited { .. } => (
            Reason::RateLimited.as_str(),
            "The next run tries again; if this lasts, ask a Bitbucket admin to exempt the service account from rate limiting.",
        ),
        Fault::Server { .. } => (
            Reason::ServerError.as_str(),
            "The next run tries again; if this lasts, check the health of Bitbucket and of the proxies in front of it.",
        ),
        Fault::Proxy(_) => (
            Reason::ProxyRefused.as_str(),
            "Ask who runs the proxy or the single sign-on in front of Bitbucket to let REST requests of the service account pass.",
        ),
        Fault::OtherAccount
        | Fault::Redirect { .. }
        | Fault::Broken(_)
        | Fault::TooLarge(_)
        | Fault::Unexpected { .. } => (
            Reason::UnexpectedAnswer.as_str(),
            "The next run tries again; if this lasts, check that nothing answers in Bitbucket's place.",
        ),
    }
}

/// Whether the answer is about the account and not about what was asked for.
pub(super) const fn concerns_identity(error: &bitbucket::Error) -> bool {
    use bitbucket::Error::{GateClosed, GateResting, Transport};
    matches!(error, GateClosed | GateResting | Transport { fault: Fault::OtherAccount, .. })
        || matches!(
            error.refusal(),
            Some(
                Refusal::WrongPassword
                    | Refusal::Captcha
                    | Refusal::NotLicensed
                    | Refusal::Anonymous
                    | Refusal::BasicDisabled
            )
        )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(fault: Fault) -> Failure {
        bitbucket::Error::Transport { request: "GET /x".to_owned(), fault }.into()
    }

    #[test]
    fn every_broken_way_has_the_word_of_the_conditions() {
        for (fault, expected) in [
            (Fault::Unreachable("refused"), "ServerUnreachable"),
            (Fault::Cut, "ServerUnreachable"),
            (Fault::Timeout(Duration::from_secs(30)), "ServerUnreachable"),
            (Fault::Tls("untrusted"), "TLSFailure"),
            (Fault::RateLimited { retry_after: None }, "RateLimited"),
            (Fault::Server { status: 503, retry_after: None }, "ServerError"),
            (Fault::Proxy(407), "ProxyRefused"),
            (Fault::Broken(200), "UnexpectedAnswer"),
            (Fault::TooLarge(1), "UnexpectedAnswer"),
            (Fault::Unexpected { status: 200, what: "nothing" }, "UnexpectedAnswer"),
            (Fault::Redirect { status: 302, https: None, repository: None }, "Moved"),
            (Fault::OtherAccount, "Stopped"),
        ] {
            assert_eq!(of(fault.clone()).reason(), expected, "{fault}");
        }
    }

    #[test]
    fn a_message_says_what_was_seen_and_what_to_do() {
        assert_eq!(
            of(Fault::Server { status: 503, retry_after: None }).to_string(),
            "GET /x was answered 503. The next run tries again; if this lasts, check the health of Bitbucket and of the \
             proxies in front of it."
        );
        let (request, refusal) = ("GET /x".to_owned(), Refusal::Other);
        assert_eq!(
            Failure::from(bitbucket::Error::Refused { request, status: 409, refusal }).to_string(),
            "GET /x was answered 409 (refused). Ask a Bitbucket admin what the service account lacks; the next run \
             tries again."
        );
        assert_eq!(
            of(Fault::Redirect { status: 307, https: None, repository: None }).to_string(),
            "GET /x was answered 307, a redirect. The repository was moved or renamed; the next run lists it under its \
             new name."
        );
    }
}
