//! What each answer means for a connection, and what its user is told.

use std::time::Duration;

use super::*;

const REQUEST: &str = "GET /rest/api/1.0/repos";

fn broken(fault: Fault) -> Error {
    Error::Transport { request: REQUEST.to_owned(), fault }
}

fn refused(refusal: Refusal) -> Error {
    Error::Refused { request: REQUEST.to_owned(), status: 401, refusal }
}

/// The reason; for a verdict, whether the password was judged wrong; for a fault, when to ask again.
fn told(outcome: Outcome) -> (Reason, String, Option<bool>, Option<u64>) {
    match outcome {
        Outcome::Verdict(Verdict::Refused(negative)) => {
            (negative.reason, negative.message, Some(negative.wrong_password), None)
        }
        Outcome::Fault { reason, message, retry_after } => {
            (reason, message, None, retry_after.map(|wait| wait.as_secs()))
        }
        Outcome::Verdict(Verdict::Verified { .. }) => panic!("an error verifies nothing"),
    }
}

#[test]
fn each_refusal_is_a_verdict_or_a_reason_to_ask_again() {
    let (token, version) = ("put a valid token or user name and password into the Secret", "Check the version");
    for (error, reason, wrong, says) in [
        (
            refused(Refusal::WrongPassword),
            Reason::InvalidCredentials,
            Some(true),
            "Correct the password in the Secret; it",
        ),
        (Error::GateClosed, Reason::InvalidCredentials, Some(true), "Correct the password in the Secret; if"),
        (refused(Refusal::Captcha), Reason::InvalidCredentials, Some(false), "Log in to Bitbucket once in a browser"),
        (
            refused(Refusal::NotLicensed),
            Reason::InvalidCredentials,
            Some(false),
            "to give the service account a licence",
        ),
        (refused(Refusal::BasicDisabled), Reason::InvalidCredentials, Some(false), "Put an HTTP access token"),
        (refused(Refusal::Anonymous), Reason::InvalidCredentials, Some(false), token),
        (refused(Refusal::Forbidden), Reason::InvalidPermissions, Some(false), "what the service account lacks"),
        (refused(Refusal::NoSuchRoute), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::NoSuchProject), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::NoSuchRepository), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::NoSuchCommit), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::NoDefaultBranch), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::BadRequest), Reason::UnexpectedAnswer, None, version),
        (refused(Refusal::Other), Reason::UnexpectedAnswer, None, version),
        (Error::GateResting, Reason::ProxyRefused, None, "the password is sent once more then"),
        (Error::Stopped, Reason::ServerUnreachable, None, "The verification was stopped"),
    ] {
        let shown = error.to_string();
        let (seen, message, judged, again) = told(outcome_of(error));
        assert_eq!((seen, judged, again), (reason, wrong, None), "{message}");
        assert!(message.contains(says), "{message:?} does not say {says:?}");
        assert!(shown == "stopped" || message.starts_with(&shown), "{message:?} does not say what was seen");
    }
}

#[test]
fn each_fault_is_named_with_what_to_do_about_it() {
    let wanted = Some(Duration::from_secs(7));
    let (way, place) = ("Check the url, DNS, firewalls", "answers in Bitbucket's place");
    for (fault, reason, again, says) in [
        (Fault::Unreachable("cut"), Reason::ServerUnreachable, None, way),
        (Fault::Timeout(Duration::from_secs(30)), Reason::ServerUnreachable, None, way),
        (Fault::Tls("untrusted"), Reason::TlsFailure, None, "Check that the certificate is valid"),
        (Fault::RateLimited { retry_after: wanted }, Reason::RateLimited, Some(7), "exempt the service account"),
        (Fault::Server { status: 503, retry_after: wanted }, Reason::ServerError, Some(7), "Check the health"),
        (Fault::Proxy(407), Reason::ProxyRefused, None, "ask who runs the proxy"),
        (Fault::Denied(Hop::Proxy), Reason::ServerUnreachable, None, "--denied-cidrs"),
        (Fault::OtherAccount, Reason::UnexpectedAnswer, None, "gives one account the answers of another"),
        (Fault::Unexpected { status: 200, what: "a page" }, Reason::UnexpectedAnswer, None, place),
        (Fault::Redirect { status: 302, https: None, repository: None }, Reason::UnexpectedAnswer, None, place),
        (Fault::Broken(200), Reason::UnexpectedAnswer, None, place),
        (Fault::TooLarge(1), Reason::UnexpectedAnswer, None, place),
    ] {
        let seen = format!("{REQUEST} {fault}. ");
        let (told, message, judged, after) = told(outcome_of(broken(fault)));
        assert_eq!((told, judged, after), (reason, None, again), "{message}");
        assert!(message.starts_with(&seen) && message.contains(says), "{message:?} does not say {says:?}");
    }
}

#[test]
fn there_is_no_bitbucket_where_something_else_answers_and_none_was_known() {
    let context = "There is no Bitbucket at this url";
    for (fault, says) in [
        (Fault::Unexpected { status: 200, what: "a page" }, Some(context)),
        (Fault::Redirect { status: 302, https: None, repository: None }, Some(context)),
        // Where there is one, it may not be asked.
        (Fault::Denied(Hop::Host), Some("--denied-cidrs")),
        (Fault::Denied(Hop::Proxy), None),
        (Fault::Broken(200), None),
        (Fault::TooLarge(1), None),
        (Fault::Proxy(407), None),
        (Fault::Server { status: 503, retry_after: None }, None),
        (Fault::RateLimited { retry_after: None }, None),
        (Fault::Unreachable("cut"), None),
        (Fault::Timeout(Duration::from_secs(30)), None),
        (Fault::Tls("untrusted"), None),
    ] {
        let new = no_bitbucket(broken(fault.clone()), Past::Unknown).outcome(Identity::default());
        let known = no_bitbucket(broken(fault.clone()), Past::Verified).outcome(Identity::default());
        assert_eq!(known, outcome_of(broken(fault.clone())), "{fault}: a fault where there was one");
        let Some(says) = says else {
            assert_eq!(new, known, "{fault}: says nothing about the url");
            continue;
        };
        let (reason, message, wrong, _) = told(new);
        assert_eq!((reason, wrong), (Reason::InvalidUrl, Some(false)), "{fault}");
        assert!(message.contains(says) && message.contains(&fault.to_string()), "{message}");
    }
}

#[test]
fn what_is_not_sent_says_nothing_about_the_url() {
    for error in [Error::GateClosed, Error::GateResting, Error::Stopped] {
        let seen = no_bitbucket(error.clone(), Past::Unknown).outcome(Identity::default());
        assert_eq!(seen, outcome_of(error));
    }
}
