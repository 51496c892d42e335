//! Why something was not done for somebody.

use std::time::Duration;

use kube::core::Status;

use crate::api::Reason;
use crate::kubernetes::Error;

/// A call that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or one that the API server does not know.
    NotAuthed,
    /// Kubernetes does not let the caller do what the call takes; in its words.
    NoPermission(String),
    /// No such connection among those that the caller may see.
    ConnectionNotFound,
    /// The connection has no credential of this id.
    CredentialNotFound,
    /// The connection has its credential already.
    CredentialExists,
    /// The body cannot be read.
    InvalidJson(String),
    /// What is wrong with the arguments.
    InvalidArguments(String),
    /// Whose the object is.
    ManagedElsewhere(String),
    /// The credential was verified, and is not good, or could not be verified: what was seen and what to do.
    Unverified(Reason, String),
    /// More passwords could lock the account, or too many accounts were tried; in a sentence.
    TooManyAttempts(&'static str),
    /// Too many calls had no right to what they asked for.
    TooMany(Duration, String),
    /// Somebody has changed the object meanwhile.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// There is no such method, or it is called by another HTTP method.
    UnknownMethod,
    /// Another operator leads. Nothing was done.
    StandsBy,
    /// Somebody else is asked by this one, and does not answer as it should.
    Unavailable(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Kube(kube::Error::Api(status)) => Self::of(&status),
            error => Self::Unavailable(format!("{error}. Try again; if it lasts, look at the operator's log.")),
        }
    }
}

impl Refusal {
    /// What the API server has answered.
    fn of(status: &Status) -> Self {
        match status.code {
            401 => Self::NotAuthed,
            // Also what an admission webhook or policy says.
            403 => Self::NoPermission(format!(
                "Kubernetes refuses it: {}. Ask who administers the cluster for that right.",
                status.message
            )),
            404 if status.details.as_ref().is_some_and(|details| details.kind == "secrets") => Self::CredentialNotFound,
            404 => Self::ConnectionNotFound,
            409 if status.reason == "AlreadyExists" => Self::CredentialExists,
            409 => Self::Conflict,
            429 | 500.. => Self::Unavailable(format!("The API server answers {}. Try again.", status.code)),
            _ => Self::InvalidArguments(format!("Kubernetes refuses it: {}", status.message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_says_is_told_apart() {
        let of =
            |code: u16, reason: &str| Refusal::of(&Status { code, reason: reason.to_owned(), ..Status::default() });
        assert_eq!(of(401, "Unauthorized"), Refusal::NotAuthed);
        assert!(matches!(of(403, "Forbidden"), Refusal::NoPermission(_)));
        assert_eq!(of(409, "AlreadyExists"), Refusal::CredentialExists);
        assert_eq!(of(409, "Conflict"), Refusal::Conflict);
        assert!(matches!(of(422, "Invalid"), Refusal::InvalidArguments(_)));
        assert!(matches!(of(429, "TooManyRequests"), Refusal::Unavailable(_)));
        assert!(matches!(of(503, "ServiceUnavailable"), Refusal::Unavailable(_)));
    }
}
