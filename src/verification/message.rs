//! The sentences that users read: one of what was seen, one of what to do. No secret, no counter, no time,
//! nothing that the server wrote.

use crate::api::Reason;
use crate::bitbucket::{Client, Error, Fault, Refusal};

/// The reason and the message for a broken way.
pub(super) fn of_fault(request: &str, fault: &Fault) -> (Reason, String) {
    let (reason, advice) = match fault {
        Fault::Unreachable(_) | Fault::Cut | Fault::Timeout(_) => (
            Reason::ServerUnreachable,
            "Check the url, DNS, firewalls and network policies between the cluster and Bitbucket.",
        ),
        Fault::Crowded(_) => (
            Reason::ServerUnreachable,
            "It is tried again; if this lasts, look in /debug/state for a server that answers slowly, and lower spec.timeout of its connections.",
        ),
        Fault::Tls(_) => (
            Reason::TlsFailure,
            "Check that the certificate is valid for the url's host and signed by an authority that the operator trusts.",
        ),
        Fault::RateLimited { .. } => (
            Reason::RateLimited,
            "It is tried again when the server allows; ask the Bitbucket admin to exempt the service account from rate limiting if this lasts.",
        ),
        Fault::Server { .. } => {
            (Reason::ServerError, "Check the health of Bitbucket and of the proxies in front of it; it is tried again.")
        }
        Fault::Proxy(_) => (
            Reason::ProxyRefused,
            "The answer does not come from Bitbucket: ask who runs the proxy or the single sign-on in front of it to let REST requests of the service account pass.",
        ),
        Fault::Denied(_) => (
            Reason::ServerUnreachable,
            "Loopback, link-local and metadata addresses are refused, and those of --denied-cidrs: correct the host or what its name resolves to, or ask who installed the operator.",
        ),
        Fault::OtherAccount => (
            Reason::UnexpectedAnswer,
            "Check that no proxy or cache in front of Bitbucket gives one account the answers of another; it is tried again.",
        ),
        Fault::Unexpected { .. } | Fault::Redirect { .. } | Fault::Broken(_) | Fault::TooLarge(_) => (
            Reason::UnexpectedAnswer,
            "Check that no proxy or single sign-on answers in Bitbucket's place; it is tried again.",
        ),
    };
    (reason, format!("{request} {fault}. {advice}"))
}

/// A password is left alone, because nobody can tell whether it was judged.
pub(super) fn resting(error: &Error) -> String {
    format!(
        "{error}. Ask who runs the proxy or the single sign-on in front of Bitbucket to let its answers pass unchanged, check spec.timeout and the password, and set the annotation bitbucket-connector.dev/requestedAt: the password is sent once more then, or when it changes in the Secret."
    )
}

/// What is wrong with the credentials, and whether the password was judged wrong.
pub(super) fn of_identity(error: &Error) -> (String, bool) {
    let (advice, wrong) = match error.refusal() {
        Some(Refusal::WrongPassword) => (
            "Correct the password in the Secret; it is not sent again before that, because repeated wrong passwords lock the account. If it was corrected in Bitbucket instead, set the annotation bitbucket-connector.dev/requestedAt.",
            true,
        ),
        Some(Refusal::Captcha) => (
            "Log in to Bitbucket once in a browser as the service account, or ask a Bitbucket admin to clear its CAPTCHA challenge.",
            false,
        ),
        Some(Refusal::NotLicensed) => {
            ("Ask a Bitbucket admin to give the service account a licence (permission Bitbucket User).", false)
        }
        Some(Refusal::BasicDisabled) => {
            ("Put an HTTP access token into the Secret's key token instead of a password.", false)
        }
        _ if *error == Error::GateClosed => (
            "Correct the password in the Secret; if it was corrected in Bitbucket instead, set the annotation bitbucket-connector.dev/requestedAt.",
            true,
        ),
        _ => (
            "The server takes the credentials for nobody's: put a valid token or user name and password into the Secret.",
            false,
        ),
    };
    (format!("{error}. {advice}"), wrong)
}

/// There is no Bitbucket at the URL.
pub(super) fn no_bitbucket(error: &Error) -> String {
    if let Error::Transport { request, fault: fault @ Fault::Denied(_) } = error {
        return of_fault(request, fault).1;
    }
    format!(
        "{error}. There is no Bitbucket at this url: check its host, port and context path, such as https://bitbucket.example.com/bitbucket."
    )
}

/// Commits are refused everywhere.
pub(super) fn no_commits(error: &Error) -> String {
    format!(
        "{error}. Ask a Bitbucket admin to give the service account the permission Repository read on the projects to import."
    )
}

/// Bitbucket refuses something else.
pub(super) fn refused(error: &Error) -> String {
    format!("{error}. Ask a Bitbucket admin what the service account lacks to read projects and repositories.")
}

/// Nothing is visible to the account.
pub(super) fn nothing_visible() -> String {
    "GET repos lists no repository for this account. Ask a Bitbucket admin to give it the permission Project read on the projects to import.".to_owned()
}

/// The filter leaves nothing.
pub(super) fn nothing_selected() -> String {
    "spec.import selects none of the repositories that this account can read. Correct its lists, or ask a Bitbucket admin for access to what they name.".to_owned()
}

/// What could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    Commits,
    /// All selected repositories are empty.
    AllEmpty,
    /// So are as many as are tried.
    NotIn(usize),
}

/// Everything is well.
pub(super) fn verified(readable: Readable, client: &Client) -> String {
    let empty = match readable {
        Readable::Commits => None,
        Readable::AllEmpty => Some("all selected repositories".to_owned()),
        Readable::NotIn(first) => Some(format!("the first {first} selected repositories")),
    };
    let seen = empty.map_or_else(
        || "The credentials are valid and commits can be read.".to_owned(),
        |empty| format!("The credentials are valid; {empty} are empty, so no commit could be read yet."),
    );
    let trimmed = if client.base().is_trimmed() {
        " The path of the REST API is dropped from the url: write only the base."
    } else {
        ""
    };
    let moved =
        if client.moved_to_https() { " The server redirects to https, which is used: write the url so." } else { "" };
    format!("{seen}{trimmed}{moved}")
}
