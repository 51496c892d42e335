//! What proves to Bitbucket who asks.

use std::fmt;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Credentials of a service account. `Debug` shows the user name at the most.
#[derive(Clone)]
pub enum Credentials {
    /// User name and password, sent as HTTP Basic.
    Basic {
        /// The account's name.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// An HTTP access token, sent as Bearer.
    Token(SecretString),
}

impl Credentials {
    /// Whether each refusal of these counts towards the account's CAPTCHA lock.
    pub const fn is_password(&self) -> bool {
        matches!(self, Self::Basic { .. })
    }

    /// A digest that is equal for equal credentials and tells nothing about them.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        match self {
            Self::Basic { username, password } => {
                digest.update(b"basic\0");
                digest.update(username.len().to_le_bytes());
                digest.update(username);
                digest.update(password.expose_secret());
            }
            Self::Token(token) => {
                digest.update(b"token\0");
                digest.update(token.expose_secret());
            }
        }
        digest.finalize().into()
    }

    /// Adds the `Authorization` header, marked sensitive so that no log shows it.
    pub(super) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            // reqwest marks this header sensitive by itself.
            Self::Basic { username, password } => request.basic_auth(username, Some(password.expose_secret())),
            Self::Token(token) => match HeaderValue::try_from(format!("Bearer {}", token.expose_secret())) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    request.header(AUTHORIZATION, value)
                }
                // A token with control characters is nobody's: the server will say so.
                Err(_) => request,
            },
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => f.debug_struct("Basic").field("username", username).finish_non_exhaustive(),
            Self::Token(t) => f.write_str(t.expose_secret()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_no_secret() {
        let basic = Credentials::Basic { username: "svc".to_owned(), password: "hunter2".into() };
        let token = Credentials::Token("tok-hunter2".into());
        assert_eq!(format!("{basic:?} {token:?}"), "Basic { username: \"svc\", .. } Token");
    }

    #[test]
    fn the_fingerprint_separates_name_and_password() {
        let basic = |username: &str, password: &str| {
            Credentials::Basic { username: username.to_owned(), password: password.into() }.fingerprint()
        };
        assert_eq!(basic("ab", "c"), basic("ab", "c"));
        assert_ne!(basic("ab", "c"), basic("a", "bc"));
    }
}
