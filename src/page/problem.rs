//! What somebody reads in place of a page.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::callers::Refusal;

/// There is no such page.
pub const NOT_FOUND: Problem = Problem(Refusal::UnknownMethod);

/// Why there is no page.
#[derive(Debug)]
pub struct Problem(pub Refusal);

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    title: &'a str,
    message: &'a str,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<crate::kubernetes::Error> for Problem {
    fn from(error: crate::kubernetes::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title) = match &self.0 {
            Refusal::NotAuthed => (StatusCode::UNAUTHORIZED, "Who are you?"),
            Refusal::NoPermission(_) => (StatusCode::FORBIDDEN, "Kubernetes does not let you do that"),
            Refusal::ConnectionNotFound => (StatusCode::NOT_FOUND, "There is no such connection"),
            Refusal::UnknownMethod => (StatusCode::NOT_FOUND, "There is no such page"),
            // Who came by `kubectl bitbucket open` is led to the one that leads, and so by nothing else than this.
            Refusal::StandsBy => (StatusCode::SERVICE_UNAVAILABLE, "This operator does not lead"),
            Refusal::Unavailable(_) => (StatusCode::BAD_GATEWAY, "Not just now"),
            Refusal::TooMany(..) => (StatusCode::TOO_MANY_REQUESTS, "Not just now"),
            Refusal::Conflict => (StatusCode::CONFLICT, "Somebody else was faster"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "That was not done"),
        };
        let mut response = page(status, &Page { title, message: &message(&self.0) });
        if matches!(self.0, Refusal::StandsBy | Refusal::TooMany(..)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What was seen, and what to do.
pub fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotAuthed => "The API server does not know the token, or none came with the request. Come in by `kubectl bitbucket open`, which brings yours.",
        Refusal::ConnectionNotFound => "There is no BitbucketConnection of this name, or it is gone. The list shows those that there are.",
        Refusal::UnknownMethod => "Nothing is at this address. Begin at the list of connections.",
        Refusal::CredentialExists => "There is an object of this name already. Choose another name.",
        Refusal::CredentialNotFound => "The Secret is gone. Look at the connection anew.",
        Refusal::Conflict => "Somebody has changed the object at the same time. Look at it, and try again.",
        Refusal::TooLarge => "The form holds more than any that is meant. Shorten it.",
        Refusal::TooManyAttempts(text) => text,
        Refusal::StandsBy => "This operator does not lead, or not yet: another one has the database open. `kubectl bitbucket open` finds the one that leads; load the page again in a moment.",
        Refusal::NoPermission(text)
        | Refusal::InvalidJson(text)
        | Refusal::InvalidArguments(text)
        | Refusal::ManagedElsewhere(text)
        | Refusal::TooMany(_, text)
        | Refusal::Unavailable(text) => text,
        Refusal::Unverified(reason, text) => return format!("{}: {text}", reason.as_str()),
    }
    .to_owned()
}

/// A page with this status.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the page cannot be written: {error}\n")).into_response()
        }
    }
}
