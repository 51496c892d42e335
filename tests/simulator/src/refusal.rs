use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::answer::{html, json, with_header};
use crate::settings::{MissingDefault, Settings};

/// Everything Bitbucket says instead of an answer: one case for each line of its error catalogue. The server gives these by
/// itself where they apply, and a fault can force any of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Refusal {
    /// A wrong Basic password (recorded on 10.4).
    WrongPassword,
    /// Basic authentication is switched off: the default of 10.x, and no `errors` array.
    BasicDisabled,
    /// Nobody, where somebody is needed. The exception's package changed with 10.
    NotAuthenticated,
    /// Too many failed logins. The status is unknown: see [`Settings::captcha_status`].
    Captcha,
    /// A valid login without a licence.
    NotLicensed,
    /// Somebody, who may not: 401 and not 403 (REST 9.4).
    NotPermitted,
    /// The few operations that REST 9.4 documents with 403.
    Forbidden,
    /// No project has the key.
    NoSuchProject {
        /// The key asked for.
        key: String,
    },
    /// No repository of the project has the slug.
    NoSuchRepository {
        /// The project's key.
        key: String,
        /// The slug asked for.
        slug: String,
    },
    /// An unknown id or ref.
    NoSuchCommit {
        /// What was asked for.
        id: String,
        /// The repository's slug.
        slug: String,
    },
    /// The repository is empty, or its default branch was never pushed.
    NoDefaultBranch {
        /// The full name of the branch.
        branch: String,
    },
    /// No user has the slug.
    NoSuchUser {
        /// The slug asked for.
        slug: String,
    },
    /// A parameter that cannot be: 400. The exception is inferred.
    InvalidArgument {
        /// The parameter.
        context: String,
        /// What is wrong with it.
        message: String,
    },
    /// No such endpoint: JAX-RS answers, not Bitbucket, and there is no `errors` array.
    NoSuchRoute,
    /// As [`Self::NoSuchRoute`] for a caller that does not accept JSON.
    NoSuchRouteXml,
    /// The endpoint exists, the method does not.
    MethodNotAllowed,
    /// Outside of REST, or a wrong context path: an HTML page.
    NoSuchPage,
    /// A media type that is not served.
    NotAcceptable,
    /// The user's token bucket is empty. The body is not recorded.
    RateLimited {
        /// Whole seconds.
        retry_after: u64,
    },
    /// The server is not running. What REST answers then is not recorded.
    NotRunning,
    /// No ticket for a git process was free. The status is inferred.
    ResourceBusy,
    /// Bitbucket failed; so it says when git fails here.
    Internal {
        /// Why.
        message: String,
    },
}

#[derive(Serialize)]
struct Envelope<'a> {
    errors: [Detail<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    context: Option<&'a str>,
    message: String,
    exception_name: Option<&'a str>,
}

/// The full name of one of Bitbucket's own exceptions.
macro_rules! bitbucket {
    ($name:literal) => {
        concat!("com.atlassian.bitbucket.", $name)
    };
}

const NOT_PERMITTED: &str = "You are not permitted to access this resource";
const LICENCE: &str =
    "You are not currently licensed to use Bitbucket.\nPlease contact your administrator to resolve this issue.";
const PASSWORD: &str = "Authentication failed. Please check your credentials and try again.";
const CAPTCHA: &str = "CAPTCHA required. Your Bitbucket account has been locked.";
const BASIC: &str = r#"{"message":"Basic Authentication has been disabled on this instance."}"#;

impl Refusal {
    /// Whether Bitbucket does not know, or does not say, who is asking.
    pub(crate) fn hides_user(&self) -> bool {
        matches!(
            self,
            Self::WrongPassword
                | Self::BasicDisabled
                | Self::NotAuthenticated
                | Self::Captcha
                | Self::NotLicensed
                | Self::NotRunning
        )
    }

    pub(crate) fn answer(&self, settings: &Settings) -> Response {
        match self {
            Self::BasicDisabled => json(StatusCode::FORBIDDEN, BASIC.to_owned()),
            Self::NotLicensed if !settings.unlicensed_body => StatusCode::UNAUTHORIZED.into_response(),
            Self::NoSuchRoute => json(
                StatusCode::NOT_FOUND,
                r#"{"message":"HTTP 404 Not Found","status-code":404,"sub-code":-1}"#.to_owned(),
            ),
            Self::NoSuchRouteXml => xml_not_found(),
            Self::MethodNotAllowed => {
                let body = r#"{"message":"HTTP 405 Method Not Allowed","status-code":405,"sub-code":-1}"#;
                json(StatusCode::METHOD_NOT_ALLOWED, body.to_owned())
            }
            Self::NoSuchPage => html(StatusCode::NOT_FOUND, "Page not found - Bitbucket"),
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE.into_response(),
            Self::NotRunning => html(StatusCode::SERVICE_UNAVAILABLE, "Bitbucket is starting"),
            Self::RateLimited { retry_after } => {
                with_header(self.envelope(settings), header::RETRY_AFTER, HeaderValue::from(*retry_after))
            }
            _ => self.envelope(settings),
        }
    }

    fn envelope(&self, settings: &Settings) -> Response {
        let (status, exception, context, message) = self.parts(settings);
        let detail = Detail { context, message, exception_name: exception };
        match serde_json::to_string(&Envelope { errors: [detail] }) {
            Ok(body) => json(status, body),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    fn parts(&self, settings: &Settings) -> (StatusCode, Option<&str>, Option<&str>, String) {
        use StatusCode as S;
        let (status, exception, message) = match self {
            Self::WrongPassword => {
                (S::UNAUTHORIZED, bitbucket!("auth.IncorrectPasswordAuthenticationException"), PASSWORD.to_owned())
            }
            Self::NotAuthenticated => {
                let exception = if settings.at_least(10, 0) {
                    "com.atlassian.plugins.rest.api.security.exception.AuthenticationRequiredException"
                } else {
                    "com.atlassian.plugins.rest.common.security.AuthenticationRequiredException"
                };
                return (S::UNAUTHORIZED, Some(exception), None, NOT_PERMITTED.to_owned());
            }
            Self::Captcha => {
                let status = S::from_u16(settings.captcha_status).unwrap_or(S::UNAUTHORIZED);
                (status, bitbucket!("auth.CaptchaRequiredAuthenticationException"), CAPTCHA.to_owned())
            }
            Self::NotLicensed => {
                (S::UNAUTHORIZED, bitbucket!("auth.NoAccessAuthenticationException"), LICENCE.to_owned())
            }
            Self::NotPermitted => (S::UNAUTHORIZED, bitbucket!("AuthorisationException"), NOT_PERMITTED.to_owned()),
            Self::Forbidden => (S::FORBIDDEN, bitbucket!("AuthorisationException"), NOT_PERMITTED.to_owned()),
            Self::NoSuchProject { key } => {
                (S::NOT_FOUND, bitbucket!("project.NoSuchProjectException"), format!("Project {key} does not exist."))
            }
            Self::NoSuchRepository { key, slug } => (
                S::NOT_FOUND,
                bitbucket!("repository.NoSuchRepositoryException"),
                format!("Repository {key}/{slug} does not exist."),
            ),
            Self::NoSuchCommit { id, slug } => {
                let message = format!("Commit '{id}' does not exist in repository '{slug}'.");
                (S::NOT_FOUND, bitbucket!("commit.NoSuchCommitException"), message)
            }
            Self::NoDefaultBranch { branch } => {
                let message = match settings.missing_default {
                    MissingDefault::NotDefined => "No default branch is defined".to_owned(),
                    MissingDefault::NamedButMissing => {
                        format!("{branch} is set as the default branch, but this branch does not exist")
                    }
                };
                (S::NOT_FOUND, bitbucket!("repository.NoDefaultBranchException"), message)
            }
            Self::NoSuchUser { slug } => {
                (S::NOT_FOUND, bitbucket!("user.NoSuchUserException"), format!("User {slug} does not exist."))
            }
            Self::InvalidArgument { context, message } => {
                let exception = bitbucket!("validation.ArgumentValidationException");
                return (S::BAD_REQUEST, Some(exception), Some(context), message.clone());
            }
            Self::RateLimited { .. } => {
                return (S::TOO_MANY_REQUESTS, None, None, "You have exceeded the rate limit.".to_owned());
            }
            Self::ResourceBusy => {
                let message = "The server is busy and could not handle the request. Please try again later.";
                (S::SERVICE_UNAVAILABLE, bitbucket!("throttle.ResourceBusyException"), message.to_owned())
            }
            Self::Internal { message } => return (S::INTERNAL_SERVER_ERROR, None, None, message.clone()),
            // Answered without an envelope.
            _ => return (S::INTERNAL_SERVER_ERROR, None, None, String::new()),
        };
        (status, Some(exception), None, message)
    }
}

fn xml_not_found() -> Response {
    let body = concat!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
        "<status><message>HTTP 404 Not Found</message><status-code>404</status-code><sub-code>-1</sub-code></status>"
    );
    let xml = HeaderValue::from_static("application/xml;charset=UTF-8");
    with_header((StatusCode::NOT_FOUND, body).into_response(), header::CONTENT_TYPE, xml)
}
