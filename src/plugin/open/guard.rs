//! Who may use the proxy, and by which requests.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use rustls::crypto::GetRandomFailed;
use subtle::ConstantTimeEq;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Below it is the way in.
const ENTER: &str = "/enter/";

/// Keeps the door of one proxy.
pub(super) struct Guard {
    port: u16,
    /// Lets a browser in, once.
    key: Secret,
    entered: AtomicBool,
    /// What that browser has from then on.
    session: Secret,
}

/// 256 random bits, as hexadecimal digits.
struct Secret(String);

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Get the cookie. Where another site has led here, browsers do not send the cookie along a redirect.
    Enter { from_elsewhere: bool },
    /// Go to the server.
    Forward,
}

/// Why a request may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is meant for another server: a name of somebody else's may lead to this address.
    Host,
    /// Another site wants something done.
    Site,
    /// The way in was used before.
    Used,
    /// Nobody who was let in.
    Stranger,
}

impl Guard {
    pub fn new(port: u16) -> Result<Self, GetRandomFailed> {
        Ok(Self { port, key: Secret::new()?, entered: AtomicBool::new(false), session: Secret::new()? })
    }

    /// The way in.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{ENTER}{}", self.port, self.key.0)
    }

    /// The header that makes a browser one that was let in. It ends with the browser's session, or with this process.
    pub fn set_cookie(&self) -> String {
        format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie(), self.session.0)
    }

    /// Browsers do not tell ports apart, so that cookies of two proxies need two names.
    fn cookie(&self) -> String {
        format!("kubectl-bitbucket-{}", self.port)
    }

    /// What the request may do. A request with the right key is let in, and none after it.
    pub fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Passage, Refusal> {
        // In the first line of a request, a host counts for more than the header.
        if uri.authority().is_some() || !self.is_own(only(headers, &HOST).unwrap_or_default()) {
            return Err(Refusal::Host);
        }
        let from_elsewhere = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin" && site != "none");
        if let Some(given) = uri.path().strip_prefix(ENTER).filter(|_| method == Method::GET) {
            return match self.key.is(given) {
                true if !self.entered.swap(true, Ordering::AcqRel) => Ok(Passage::Enter { from_elsewhere }),
                true => Err(Refusal::Used),
                false => Err(Refusal::Stranger),
            };
        }
        let reads = method == Method::GET || method == Method::HEAD;
        let origin = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if from_elsewhere || !(reads || origin.is_some_and(|origin| self.is_own(origin))) {
            return Err(Refusal::Site);
        }
        self.is_session(headers).then_some(Passage::Forward).ok_or(Refusal::Stranger)
    }

    fn is_own(&self, authority: &str) -> bool {
        ["127.0.0.1", "localhost"].iter().any(|host| authority == format!("{host}:{}", self.port))
    }

    fn is_session(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie() && self.session.is(value))
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

impl Secret {
    fn new() -> Result<Self, GetRandomFailed> {
        let mut bits = [0; 32];
        rustls::crypto::ring::default_provider().secure_random.fill(&mut bits)?;
        let digits = bits.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Ok(Self(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()))
    }

    /// The time that it takes does not depend on how much of it is right.
    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl Refusal {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Site | Self::Used | Self::Stranger => StatusCode::FORBIDDEN,
        }
    }

    pub const fn text(self) -> &'static str {
        match self {
            Self::Host => {
                "This is the proxy of `kubectl bitbucket open`, by another name. Open the URL that it has printed."
            }
            Self::Site => {
                "Another page has led here, and may do nothing. Open the URL that `kubectl bitbucket open` has printed."
            }
            Self::Used => {
                "This URL was used before, and lets nobody in again. End `kubectl bitbucket open` with Ctrl-C and call it again. \
                 If it was not you who has used it, end it now."
            }
            Self::Stranger => {
                "Only the browser that was let in gets in here. Open the URL that `kubectl bitbucket open` has printed, or call it \
                 again."
            }
        }
    }
}
