//! What a verification can end with.

use std::time::Duration;

use crate::api::Reason;

/// The end of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has answered the question.
    Verdict(Verdict),
    /// Something on the way was broken: nothing was learned about the credentials.
    Fault {
        /// A transport reason.
        reason: Reason,
        /// What was seen and what to do.
        message: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// The one word for it.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Verdict(Verdict::Verified { .. }) => Reason::Verified,
            Self::Verdict(Verdict::Refused(negative)) => negative.reason,
            Self::Fault { reason, .. } => *reason,
        }
    }
}

/// What the server has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials read commits.
    Verified {
        /// Who they belong to.
        identity: Identity,
        /// What was seen.
        message: String,
    },
    /// They do not.
    Refused(Negative),
}

/// A verdict that only a person can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    /// One of the negative verdicts' reasons.
    pub reason: Reason,
    /// What was seen and what to do.
    pub message: String,
    /// Whether the password was judged wrong: it is never sent again by itself.
    pub wrong_password: bool,
    /// Who the credentials belong to, as far as it is known.
    pub identity: Identity,
}

/// Who was recognised, by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The account's name.
    pub username: Option<String>,
    /// The server's version.
    pub server_version: Option<String>,
}
