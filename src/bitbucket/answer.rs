//! Reading an answer: status, who was recognised, envelope.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::bounds::SMALL_BODY;
use super::error::{Error, Fault};
use super::refusal::Refusal;
use super::text::lenient;

/// What an answer may hold.
pub(super) trait Answerable: DeserializeOwned + Send + 'static {
    /// A larger body is refused. Bytes.
    const LARGEST: usize = SMALL_BODY;
}

/// A good answer.
pub(super) struct Reply<T> {
    /// What it holds; None for 204.
    pub value: Option<T>,
    /// The account that it names.
    pub username: Option<String>,
    /// Method and path.
    pub request: String,
}

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
    /// Of a redirect: the repository of the same server that it leads to.
    pub repository: Option<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(deserialize_with = "first")]
    errors: Option<Entry>,
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

/// The key is always there in Bitbucket's own envelope, with null where there is no exception. Others have envelopes of
/// the same name without it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(deserialize_with = "Option::deserialize")]
    exception_name: Option<String>,
}

/// The first of a list. The others are skipped: a list of millions takes no memory.
fn first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Entry>, D::Error> {
    struct First;

    impl<'de> Visitor<'de> for First {
        type Value = Option<Entry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of errors")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut errors: A) -> Result<Self::Value, A::Error> {
            let first = errors.next_element()?;
            while errors.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }

    deserializer.deserialize_seq(First)
}

impl Answer {
    /// What the answer holds, and whom it names.
    pub fn reply<T: Answerable>(self, request: String) -> Result<Reply<T>, Error> {
        Ok(Reply { value: self.read(&request)?, username: self.username, request })
    }

    /// The value of a good answer, None for 204; everything else is an error.
    pub fn read<T: DeserializeOwned>(&self, request: &str) -> Result<Option<T>, Error> {
        if let Some(error) = self.error(request) {
            return Err(error);
        }
        if self.status == 204 {
            return Ok(None);
        }
        serde_json::from_slice(&self.body).map(Some).map_err(|error| {
            let fault = match error {
                error if self.json && error.is_data() => self.unexpected("JSON of another shape"),
                _ if self.json => Fault::Broken(200),
                _ => self.page(),
            };
            Error::Transport { request: request.to_owned(), fault }
        })
    }

    /// What the status says, where it is none of a good answer.
    pub fn error(&self, request: &str) -> Option<Error> {
        let broken = |fault| Some(Error::Transport { request: request.to_owned(), fault });
        match self.status {
            200 | 204 => None,
            407 => broken(Fault::Proxy(407)),
            429 => broken(Fault::RateLimited { retry_after: self.retry_after }),
            status @ 500.. => broken(Fault::Server { status, retry_after: self.retry_after }),
            300..=399 => {
                let Self { status, https, repository, .. } = self;
                broken(Fault::Redirect { status: *status, https: *https, repository: repository.clone() })
            }
            status => match self.refusal() {
                Some(refusal) if status >= 400 => Some(Error::Refused { request: request.to_owned(), status, refusal }),
                None if matches!(status, 401 | 403) => broken(Fault::Proxy(status)),
                None if self.is_cut() => broken(Fault::Broken(status)),
                _ => broken(self.unexpected("a page that is not Bitbucket's")),
            },
        }
    }

    /// Whether it is JSON of which the end is missing.
    fn is_cut(&self) -> bool {
        let cut = || serde_json::from_slice::<IgnoredAny>(&self.body).is_err_and(|error| error.is_eof());
        self.json && !self.body.is_empty() && cut()
    }

    /// That a page came in its place.
    pub fn page(&self) -> Fault {
        self.unexpected("a page that is not JSON")
    }

    fn unexpected(&self, what: &'static str) -> Fault {
        Fault::Unexpected { status: self.status, what }
    }

    /// What Bitbucket meant, if this is Bitbucket's word and not a proxy's.
    fn refusal(&self) -> Option<Refusal> {
        let envelope: Envelope = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(entry) = envelope.errors else {
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
            "AuthenticationRequiredException" => Refusal::Anonymous,
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
