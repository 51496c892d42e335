use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::refusal::Refusal;
use crate::settings::UnknownToken;
use crate::state::{State, User};

/// How a request says who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scheme {
    /// Login and password.
    Basic,
    /// An HTTP access token.
    Bearer,
    /// An `Authorization` header that is neither, or cannot be read.
    Other,
}

/// What an `Authorization` header holds.
#[derive(Clone)]
pub(crate) enum Credential {
    None,
    Basic { login: String, password: String },
    Bearer { token: String },
    Unreadable,
}

impl Credential {
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Self::None };
        Self::parse(value.as_bytes()).unwrap_or(Self::Unreadable)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer { token: rest.trim().to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        // Everything after the first colon is the password, colons included (RFC 7617).
        let (login, password) = text.split_once(':')?;
        Some(Self::Basic { login: login.to_owned(), password: password.to_owned() })
    }

    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::None => None,
            Self::Basic { .. } => Some(Scheme::Basic),
            Self::Bearer { .. } => Some(Scheme::Bearer),
            Self::Unreadable => Some(Scheme::Other),
        }
    }
}

impl State {
    /// Whom a credential names, whether or not it is right.
    pub fn claimed(&self, credential: &Credential) -> Option<String> {
        match credential {
            Credential::Basic { login, .. } => {
                Some(self.user(login).map_or_else(|| login.clone(), |user| user.name.clone()))
            }
            Credential::Bearer { token } => self.user_of_token(token).map(|user| user.name.clone()),
            Credential::None | Credential::Unreadable => None,
        }
    }

    /// Who is asking; `None` is nobody. Counts failures and locks accounts, as Bitbucket does.
    pub fn authenticate(&mut self, credential: &Credential) -> Result<Option<User>, Refusal> {
        let user = match credential {
            Credential::None | Credential::Unreadable => return Ok(None),
            Credential::Basic { login, password } => self.authenticate_basic(login, password)?,
            Credential::Bearer { token } => match (self.user_of_token(token), self.settings.unknown_token) {
                (Some(user), _) => user.clone(),
                (None, UnknownToken::Anonymous) => return Ok(None),
                (None, UnknownToken::AuthenticationFailed) => return Err(Refusal::WrongPassword),
                (None, UnknownToken::NotPermitted) => return Err(Refusal::NotPermitted),
            },
        };
        if user.licensed && user.active { Ok(Some(user)) } else { Err(Refusal::NotLicensed) }
    }

    fn authenticate_basic(&mut self, login: &str, password: &str) -> Result<User, Refusal> {
        if !self.settings.basic_authentication {
            return Err(Refusal::BasicDisabled);
        }
        // A locked account is not asked for its password: the right one does not help either.
        let (limit, key) = (self.settings.captcha_after, login.to_lowercase());
        if limit > 0 && self.failed_logins(login) >= limit {
            return Err(Refusal::Captcha);
        }
        let user = self.user(login).filter(|user| {
            // A user's own token serves as the password too, a SERVICE user's does not.
            let token = !user.service && self.tokens.get(password) == Some(&user.id);
            token || user.password.as_deref() == Some(password)
        });
        let Some(user) = user.cloned() else {
            *self.failed.entry(key).or_default() += 1;
            return Err(Refusal::WrongPassword);
        };
        self.failed.remove(&key);
        Ok(user)
    }

    pub fn failed_logins(&self, login: &str) -> u32 {
        self.failed.get(&login.to_lowercase()).copied().unwrap_or(0)
    }

    /// Takes a token from the user's bucket. Anonymous requests have none.
    pub fn take_token(&mut self, user: &User) -> Result<(), Refusal> {
        let (Some(limit), false) = (user.rate_limit.or(self.settings.rate_limit), user.exempt) else { return Ok(()) };
        // Own settings of a user matter only where limiting is switched on at all.
        if self.settings.rate_limit.is_none() {
            return Ok(());
        }
        let bucket = self.buckets.entry(user.id).or_insert_with(|| Bucket::full(limit));
        bucket.take(limit).map_err(|retry_after| Refusal::RateLimited { retry_after })
    }

    fn user_of_token(&self, token: &str) -> Option<&User> {
        self.tokens.get(token).and_then(|id| self.user_by_id(*id))
    }
}
