//! What the proxy says by itself.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

/// A text for a person.
pub(super) fn said(status: StatusCode, text: &str) -> Response {
    own(status, "text/plain; charset=utf-8", format!("{text}\n"), [])
}

/// Lets a browser in: it gets the cookie, and goes on to `first`, which needs no escapes. Where another page has led here, a redirect
/// would still be that page's doing, and browsers would leave out the cookie: then it is this page that leads on.
pub(super) fn enter(cookie: &str, first: &str, from_elsewhere: bool) -> Response {
    let page = if from_elsewhere { leading_to(first) } else { String::new() };
    let status = if from_elsewhere { StatusCode::OK } else { StatusCode::SEE_OTHER };
    let more = [(SET_COOKIE, cookie), (LOCATION, first)];
    let more = more.into_iter().filter(|(name, _)| !(from_elsewhere && name == LOCATION));
    own(status, "text/html; charset=utf-8", page, more)
}

/// A page that leads to another one at once.
pub(super) fn leading_to(url: &str) -> String {
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\"><title>bitbucket-connector</title>\n\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"><a href=\"{url}\">To the connections</a>\n"
    )
}

fn own<'a>(
    status: StatusCode,
    kind: &'static str,
    text: String,
    more: impl IntoIterator<Item = (HeaderName, &'a str)>,
) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let usual = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in usual.into_iter().chain(more) {
        // Of our own making, and without escapes.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
