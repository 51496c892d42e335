//! What Bitbucket means when it refuses.

use std::fmt;

/// What Bitbucket means. Told apart by `exceptionName`, because the messages change
/// between releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The Basic password is wrong or expired (`IncorrectPasswordAuthenticationException`).
    WrongPassword,
    /// The account must solve a CAPTCHA in a browser (`CaptchaRequiredAuthenticationException`).
    Captcha,
    /// The account has no licence (`NoAccessAuthenticationException`).
    NotLicensed,
    /// Asked as nobody (`AuthenticationRequiredException`).
    Anonymous,
    /// Basic authentication is switched off on the server.
    BasicDisabled,
    /// A known account without the permission (`AuthorisationException`, or 403).
    Forbidden,
    /// `NoSuchProjectException`.
    NoSuchProject,
    /// `NoSuchRepositoryException`.
    NoSuchRepository,
    /// `NoSuchCommitException`.
    NoSuchCommit,
    /// 400: one of the values asked for is not valid; for a commit id that means that there is none.
    BadRequest,
    /// The default branch is configured, but does not exist (`NoDefaultBranchException`).
    NoDefaultBranch,
    /// No such REST resource on this server.
    NoSuchRoute,
    /// Anything else in Bitbucket's envelope.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword => "wrong password",
            Self::Captcha => "CAPTCHA required",
            Self::NotLicensed => "no licence",
            Self::Anonymous => "not authenticated",
            Self::BasicDisabled => "Basic authentication is disabled",
            Self::Forbidden => "not permitted",
            Self::NoSuchProject => "no such project",
            Self::NoSuchRepository => "no such repository",
            Self::NoSuchCommit => "no such commit",
            Self::BadRequest => "a bad request",
            Self::NoDefaultBranch => "no default branch",
            Self::NoSuchRoute => "no such resource",
            Self::Other => "refused",
        })
    }
}
