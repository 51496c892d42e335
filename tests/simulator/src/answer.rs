use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, PRAGMA, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde::Serialize;

use crate::refusal::Refusal;
use crate::state::User;

/// JSON with the media type Bitbucket gives it (recorded).
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    let kind = HeaderValue::from_static("application/json;charset=UTF-8");
    with_header((status, body).into_response(), CONTENT_TYPE, kind)
}

/// A 200 with a JSON body.
pub(crate) fn ok(body: &impl Serialize) -> Result<Response, Refusal> {
    let body = serde_json::to_string(body).map_err(|error| Refusal::Internal { message: error.to_string() })?;
    Ok(json(StatusCode::OK, body))
}

pub(crate) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// A page of the web interface. Real ones are large: 18 KB were seen where JSON was expected.
pub(crate) fn html(status: StatusCode, title: &str) -> Response {
    let filler = "<!-- aui -->".repeat(1500);
    let body =
        format!("<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1>{filler}</body></html>");
    with_header((status, body).into_response(), CONTENT_TYPE, HeaderValue::from_static("text/html;charset=UTF-8"))
}

/// The headers of every answer that comes from Bitbucket itself (recorded on 6.x to 8.x): who is asking is told even on a 404.
pub(crate) fn add_headers(headers: &mut HeaderMap, sequence: u64, user: Option<&User>) {
    let minute = sequence / 60 % 1440;
    insert(headers, "x-arequestid", &format!("@SIMULATORx{minute}x{sequence}x0"));
    for value in ["private, no-cache", "no-cache, no-transform"] {
        headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
    }
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("x-ausername,x-auserid,cookie,accept-encoding"));
    if let Some(user) = user {
        // A header holds ASCII; Atlassian's servers percent-encode the rest.
        insert(headers, "x-ausername", &utf8_percent_encode(&user.name, CONTROLS).to_string());
        insert(headers, "x-auserid", &user.id.to_string());
        insert(headers, "x-asessionid", &format!("{:x}", 0x1_0000 + user.id));
    }
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
