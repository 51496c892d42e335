//! What callers are answered: `{"ok": true, …}`, or `{"ok": false, "error": "…", "message": "…"}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::api::Reason;
use crate::callers::Refusal;

/// A method's answer.
pub type Answer = Result<Done, Refusal>;

/// A call that was done.
#[derive(Debug)]
pub struct Done {
    status: StatusCode,
    more: Map<String, Value>,
}

impl Done {
    /// With these fields beside `ok`.
    pub fn with(more: Value) -> Self {
        let Value::Object(more) = more else { return Self { status: StatusCode::OK, more: Map::new() } };
        Self { status: StatusCode::OK, more }
    }

    /// Something is there that was not.
    pub fn created(more: Value) -> Self {
        Self { status: StatusCode::CREATED, ..Self::with(more) }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([("ok".to_owned(), Value::Bool(true))]);
        body.extend(self.more);
        (self.status, Json(body)).into_response()
    }
}

impl Refusal {
    /// DX's name of it, or one in its manner.
    pub const fn error(&self) -> &'static str {
        match self {
            Self::NotAuthed => "not_authed",
            Self::NoPermission(_) => "no_permission",
            Self::ConnectionNotFound => "connection_not_found",
            Self::CredentialNotFound => "credential_not_found",
            Self::CredentialExists => "credential_already_exists",
            Self::InvalidJson(_) => "invalid_json",
            Self::InvalidArguments(_) => "invalid_arguments",
            Self::ManagedElsewhere(_) => "managed_elsewhere",
            Self::Unverified(reason, _) => snake(*reason),
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::TooMany(..) => "too_many_requests",
            Self::Conflict => "conflict",
            Self::TooLarge => "request_too_large",
            Self::UnknownMethod => "unknown_method",
            Self::StandsBy | Self::Unavailable(_) => "unavailable",
        }
    }

    /// What was seen, and what to do.
    fn message(&self) -> String {
        match self {
            Self::NotAuthed => "The API server does not know the token. Send one of Kubernetes as `Authorization: Bearer …`; `kubectl create token NAME` makes one for a ServiceAccount.",
            Self::ConnectionNotFound => "There is no BitbucketConnection with this id among those that may be listed with this token. connections.list names them; `?namespace=` looks in one namespace only.",
            Self::CredentialNotFound => "The connection has no credential with this id. credentials.list names the one that it has.",
            Self::CredentialExists => "The connection has a credential, and each has one. Change it by credentials.update.",
            Self::Conflict => "Somebody has changed the object at the same time. Look at it, and call again.",
            Self::TooLarge => "The body is larger than any that is meant for this API. Send the arguments alone.",
            Self::UnknownMethod => "There is no such method, or it is called by GET in place of POST or the other way round. The methods are described in docs/data-cloud-api.md.",
            Self::TooManyAttempts(text) => text,
            Self::StandsBy => "This operator stands by, and another one asks Bitbucket. Call again: the Service leads to each in turn.",
            Self::NoPermission(text)
            | Self::InvalidJson(text)
            | Self::InvalidArguments(text)
            | Self::ManagedElsewhere(text)
            | Self::Unverified(_, text)
            | Self::TooMany(_, text)
            | Self::Unavailable(text) => text,
        }
        .to_owned()
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::TooMany(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::UnknownMethod => StatusCode::NOT_FOUND,
            Self::StandsBy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// With a response whose sender was looking for what is not theirs.
#[derive(Clone, Copy, Debug)]
pub struct Trespass;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"ok": false, "error": self.error(), "message": self.message()});
        let mut response = (self.status(), Json(body)).into_response();
        if matches!(self, Self::NotAuthed | Self::NoPermission(_) | Self::ConnectionNotFound) {
            response.extensions_mut().insert(Trespass);
        }
        let seconds = match &self {
            Self::TooMany(wait, _) => wait.as_secs().max(1),
            Self::StandsBy | Self::Unavailable(_) => 1,
            _ => return response,
        };
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        // Behind a Service the next connection may lead to another operator.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// As DX would write it; its own names are written so already.
pub const fn snake(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidUrl => "invalid_url",
        Reason::SecretNotFound => "secret_not_found",
        Reason::InvalidSecret => "invalid_secret",
        Reason::ServerUnreachable => "server_unreachable",
        Reason::TlsFailure => "tls_failure",
        Reason::RateLimited => "rate_limited",
        Reason::ServerError => "server_error",
        Reason::ProxyRefused => "proxy_refused",
        Reason::UnexpectedAnswer => "unexpected_answer",
        other => other.as_str(),
    }
}
