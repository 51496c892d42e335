//! Reading an answer: status, who was recognised, envelope.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Error, Fault};
use super::refusal::Refusal;
use super::text::lenient;

/// A complete answer of the server.
pub(super) struct Answer {
    pub status: u16,
    pub username: Option<String>,
    /// Whether Bitbucket has numbered the request, so that a proxy did not make up the answer.
    pub numbered: bool,
    pub json: bool,
    pub retry_after: Option<Duration>,
    /// Of a redirect: the port behind which the same host wants to be asked the same by https.
    pub https: Option<u16>,
    pub body: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    errors: Vec<Entry>,
}

/// What says something without the envelope. Read apart from it: what is odd here must not hide what is said there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bare {
    #[serde(deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(rename = "status-code")]
    status_code: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    exception_name: Option<String>,
}

impl Answer {
    /// The value of a good answer, None for 204; everything else is an error.
    pub fn read<T: DeserializeOwned>(&self, request: &str) -> Result<Option<T>, Error> {
        let broken = |fault| Error::Transport { request: request.to_owned(), fault };
        match self.status {
            204 => Ok(None),
            200 => match serde_json::from_slice(&self.body) {
                Ok(value) => Ok(Some(value)),
                Err(error) if self.json && error.is_data() => Err(broken(self.unexpected("JSON of another shape"))),
                Err(_) if self.json => Err(broken(Fault::Broken(200))),
                Err(_) => Err(broken(self.unexpected("a page that is not JSON"))),
            },
            407 => Err(broken(Fault::Proxy(407))),
            429 => Err(broken(Fault::RateLimited { retry_after: self.retry_after })),
            status @ 500.. => Err(broken(Fault::Server { status, retry_after: self.retry_after })),
            300..=399 => Err(broken(Fault::Redirect { status: self.status, https: self.https })),
            status => match self.refusal() {
                Some(refusal) if status >= 400 => Err(Error::Refused { request: request.to_owned(), status, refusal }),
                None if matches!(status, 401 | 403) => Err(broken(Fault::Proxy(status))),
                _ => Err(broken(self.unexpected("a page that is not Bitbucket's"))),
            },
        }
    }

    fn unexpected(&self, what: &'static str) -> Fault {
        Fault::Unexpected { status: self.status, what }
    }

    /// What Bitbucket meant, if this is Bitbucket's word and not a proxy's.
    fn refusal(&self) -> Option<Refusal> {
        let envelope: Envelope = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(entry) = envelope.errors.first() else {
            let bare: Bare = serde_json::from_slice(&self.body).unwrap_or_default();
            return match self.status {
                403 if bare.message.is_some_and(|text| text.starts_with("Basic Authentication has been disabled")) => {
                    Some(Refusal::BasicDisabled)
                }
                404 if bare.status_code == Some(404) => Some(Refusal::NoSuchRoute),
                401 | 403 if self.username.is_some() => Some(Refusal::Forbidden),
                // Older releases say nothing more to an account without a licence.
                401 if self.numbered && self.body.is_empty() => Some(Refusal::NotLicensed),
                _ => None,
            };
        };
        let name = entry.exception_name.as_deref().unwrap_or_default();
        Some(match name.rsplit('.').next().unwrap_or_default() {
            "IncorrectPasswordAuthenticationException" => Refusal::WrongPassword,
            "CaptchaRequiredAuthenticationException" => Refusal::Captcha,
            "NoAccessAuthenticationException" => Refusal::NotLicensed,
            "AuthorisationException" if self.username.is_some() || self.status == 403 => Refusal::Forbidden,
            "AuthenticationRequiredException" | "AuthorisationException" => Refusal::Anonymous,
            "NoSuchProjectException" => Refusal::NoSuchProject,
            "NoSuchRepositoryException" => Refusal::NoSuchRepository,
            "NoSuchCommitException" => Refusal::NoSuchCommit,
            "NoDefaultBranchException" => Refusal::NoDefaultBranch,
            _ if self.status == 401 && self.username.is_none() => Refusal::Anonymous,
            _ if matches!(self.status, 401 | 403) => Refusal::Forbidden,
            _ if self.status == 400 => Refusal::BadRequest,
            _ => Refusal::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, username: Option<&str>, body: &str) -> Answer {
        let username = username.map(str::to_owned);
        Answer {
            status,
            username,
            numbered: false,
            json: true,
            retry_after: None,
            https: None,
            body: body.as_bytes().to_vec(),
        }
    }

    fn exception(name: &str) -> String {
        format!(r#"{{"errors":[{{"context":null,"message":"…","exceptionName":"com.atlassian.bitbucket.{name}"}}]}}"#)
    }

    fn outcome(answer: &Answer) -> Result<Refusal, Fault> {
        match answer.read::<serde_json::Value>("GET x").unwrap_err() {
            Error::Refused { refusal, .. } => Ok(refusal),
            Error::Transport { fault, .. } => Err(fault),
            Error::GateClosed | Error::Stopped => panic!("nothing was sent"),
        }
    }

    #[test]
    fn bitbuckets_own_words_are_told_apart() {
        for (status, user, body, expected) in [
            (401, None, exception("auth.IncorrectPasswordAuthenticationException"), Refusal::WrongPassword),
            (403, None, exception("auth.CaptchaRequiredAuthenticationException"), Refusal::Captcha),
            (401, None, exception("auth.NoAccessAuthenticationException"), Refusal::NotLicensed),
            (401, Some("svc"), exception("AuthorisationException"), Refusal::Forbidden),
            (401, None, exception("AuthorisationException"), Refusal::Anonymous),
            (403, None, exception("AuthorisationException"), Refusal::Forbidden),
            (401, Some("svc"), exception("AuthenticationRequiredException"), Refusal::Anonymous),
            (401, None, exception("SomethingNew"), Refusal::Anonymous),
            (401, Some("svc"), exception("SomethingNew"), Refusal::Forbidden),
            (403, Some("svc"), exception("SomethingNew"), Refusal::Forbidden),
            (409, Some("svc"), exception("SomethingNew"), Refusal::Other),
            (404, Some("svc"), exception("commit.NoSuchCommitException"), Refusal::NoSuchCommit),
            (404, Some("svc"), exception("repository.NoDefaultBranchException"), Refusal::NoDefaultBranch),
            (400, Some("svc"), exception("ArgumentValidationException"), Refusal::BadRequest),
            (
                403,
                None,
                r#"{"message":"Basic Authentication has been disabled on this instance."}"#.to_owned(),
                Refusal::BasicDisabled,
            ),
            (
                404,
                None,
                r#"{"message":"HTTP 404 Not Found","status-code":404,"sub-code":-1}"#.to_owned(),
                Refusal::NoSuchRoute,
            ),
        ] {
            assert_eq!(outcome(&answer(status, user, &body)), Ok(expected), "{status} {body}");
        }
    }

    #[test]
    fn what_is_odd_beside_an_exception_does_not_hide_it() {
        let body = exception("auth.IncorrectPasswordAuthenticationException").replacen('{', r#"{"message":7,"#, 1);
        assert_eq!(outcome(&answer(401, None, &body)), Ok(Refusal::WrongPassword));
    }

    #[test]
    fn a_proxys_word_is_not_bitbuckets() {
        assert_eq!(outcome(&answer(401, None, "<html>")), Err(Fault::Proxy(401)));
        assert_eq!(outcome(&answer(403, None, "{}")), Err(Fault::Proxy(403)));
        for status in [401, 403] {
            assert_eq!(outcome(&answer(status, Some("svc"), "")), Ok(Refusal::Forbidden));
        }
        assert_eq!(outcome(&answer(401, None, "")), Err(Fault::Proxy(401)));
        assert_eq!(outcome(&Answer { numbered: true, ..answer(401, None, "") }), Ok(Refusal::NotLicensed));
        assert_eq!(outcome(&Answer { numbered: true, ..answer(401, None, "<html>") }), Err(Fault::Proxy(401)));
        assert!(matches!(outcome(&answer(404, None, "<html>")), Err(Fault::Unexpected { .. })));
        assert_eq!(outcome(&answer(200, None, r#"{"a":"#)), Err(Fault::Broken(200)));
        let mut page = answer(200, None, "<html>");
        page.json = false;
        assert!(matches!(outcome(&page), Err(Fault::Unexpected { .. })));
        assert_eq!(outcome(&answer(302, None, "")), Err(Fault::Redirect { status: 302, https: None }));
        let wrong = exception("auth.IncorrectPasswordAuthenticationException");
        assert!(matches!(outcome(&answer(202, None, &wrong)), Err(Fault::Unexpected { .. })), "no refusal");
        assert!(matches!(outcome(&answer(503, None, "<html>")), Err(Fault::Server { status: 503, .. })));
    }
}
