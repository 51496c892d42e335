//! Why a repository is left behind, and why a run ends.

use crate::bitbucket::{self, Fault, Refusal};
use crate::destination;

/// Why a run ended before all repositories were looked at. What was stored stays, and the next run goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The list of repositories could not be read.
    #[error("the repositories could not be listed: {0}")]
    Listing(bitbucket::Error),
    /// Bitbucket no longer recognises the account.
    #[error("Bitbucket no longer accepts the credentials: {0}")]
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

/// Why one repository is left behind, or why the whole run must end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Bitbucket could not be asked, or did not answer as it should.
    #[error("{0}")]
    Bitbucket(bitbucket::Error),
    /// A commit's parent was not listed, or the listing did not begin with its own end.
    #[error("the listing of commits was incomplete; what is stored stays, and the next run reads it again")]
    IncompleteListing,
    /// Another process works on the same rows.
    #[error("another process stores the same repository; let only one operator use a connection's name")]
    Superseded,
    /// The name leads elsewhere now.
    #[error("{0}; the repository was moved or renamed, and the next run lists it under its new name")]
    Moved(bitbucket::Error),
    /// Another repository answers under this name.
    #[error("another repository has taken this name; the next run lists the repositories again")]
    Replaced,
    /// The run must end.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Failure {
    /// One word for it.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Bitbucket(bitbucket::Error::Transport { fault, .. }) => match fault {
                Fault::Unreachable(_) | Fault::Timeout(_) => "ServerUnreachable",
                Fault::Tls(_) => "TLSFailure",
                Fault::RateLimited { .. } => "RateLimited",
                Fault::Server { .. } => "ServerError",
                Fault::Proxy(_) => "ProxyRefused",
                _ => "UnexpectedAnswer",
            },
            Self::Bitbucket(_) => "Refused",
            Self::Moved(_) => "Moved",
            Self::IncompleteListing => "IncompleteListing",
            Self::Superseded => "Superseded",
            Self::Replaced => "Replaced",
            Self::Run(_) => "Stopped",
        }
    }

    /// Whether Bitbucket itself says that this account may not read the repository, or that it is gone.
    pub fn inaccessible(&self) -> bool {
        let Self::Bitbucket(error) = self else { return false };
        matches!(error.refusal(), Some(Refusal::Forbidden | Refusal::NoSuchRepository | Refusal::NoSuchProject))
    }
}

/// Sorts an answer about a repository: one that concerns the account ends the run.
impl From<bitbucket::Error> for Failure {
    fn from(error: bitbucket::Error) -> Self {
        match error {
            bitbucket::Error::Stopped => RunError::Stopped.into(),
            error if concerns_identity(&error) => RunError::Identity(error).into(),
            error @ bitbucket::Error::Transport { fault: Fault::Redirect(_), .. } => Self::Moved(error),
            error => Self::Bitbucket(error),
        }
    }
}

impl From<destination::Error> for Failure {
    fn from(error: destination::Error) -> Self {
        RunError::from(error).into()
    }
}

/// Whether the answer is about the account and not about what was asked for.
pub(super) const fn concerns_identity(error: &bitbucket::Error) -> bool {
    matches!(error, bitbucket::Error::GateClosed | bitbucket::Error::Transport { fault: Fault::OtherAccount, .. })
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
