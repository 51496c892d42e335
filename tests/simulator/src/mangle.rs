//! Answers that are not Bitbucket's, and Bitbucket's answers after something went wrong with them.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use serde_json::Value;

use crate::answer::{html, json, with_header};
use crate::fault::{Action, JsonEdit};

/// The answer of something in front of Bitbucket.
pub(crate) fn instead(action: &Action) -> Option<Response> {
    match action {
        Action::Status { status, headers, body } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, body.clone()).into_response();
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            for (name, value) in headers {
                add_header(&mut response, name, value);
            }
            Some(response)
        }
        Action::Html200 => Some(html(StatusCode::OK, "Log in")),
        Action::Redirect { status, location } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FOUND);
            let location = HeaderValue::from_str(location).ok()?;
            Some(with_header(status.into_response(), LOCATION, location))
        }
        Action::Garbage => Some(json(StatusCode::OK, "{\"values\":[\u{1}}\u{fffd}".to_owned())),
        _ => None,
    }
}

/// Bitbucket's answer after the action.
pub(crate) async fn changed(action: &Action, mut response: Response) -> Response {
    match action {
        Action::CloseAfterBytes(count) => {
            let (mut parts, body) = taken_apart(response).await;
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            let head = body.slice(..body.len().min(*count));
            let cut = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            // Time for what was written to arrive: the reset would overtake it.
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                cut
            });
            Response::from_parts(parts, Body::from_stream(stream::iter([Ok(head)]).chain(cut)))
        }
        Action::CutBody(count) => {
            let (mut parts, body) = taken_apart(response).await;
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(body.slice(..body.len().min(*count))))
        }
        Action::Trickle { bytes, every } => {
            let (mut parts, body) = taken_apart(response).await;
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Response::from_parts(parts, trickle(body, (*bytes).max(1), *every))
        }
        Action::Flood(bytes) => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, flood(*bytes))
        }
        Action::ReplaceBytes(text, bytes) => {
            let (mut parts, body) = taken_apart(response).await;
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(replaced(&body, text.as_bytes(), bytes)))
        }
        Action::EditJson(edits) => edited(edits, response).await,
        Action::AddHeader(name, value) => {
            add_header(&mut response, name, value);
            response
        }
        _ => response,
    }
}

fn trickle(body: Bytes, bytes: usize, every: Duration) -> Body {
    let portions = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let portion = rest.split_to(rest.len().min(bytes));
        Some((Ok::<_, io::Error>(portion), rest))
    });
    Body::from_stream(portions.fuse())
}

fn flood(bytes: u64) -> Body {
    const PORTION: &[u8] = &[b' '; 1 << 16];
    let portions = stream::unfold(bytes, |left| async move {
        let next = usize::try_from(left).map_or(PORTION.len(), |left| left.min(PORTION.len()));
        (next > 0).then(|| (Ok::<_, io::Error>(Bytes::from_static(&PORTION[..next])), left - next as u64))
    });
    // What packs answers asks once more after the end.
    Body::from_stream(portions.fuse())
}

fn replaced(body: &[u8], text: &[u8], bytes: &[u8]) -> Vec<u8> {
    let (mut all, mut rest) = (Vec::with_capacity(body.len()), body);
    while let Some(first) = rest.first() {
        if !text.is_empty() && rest.starts_with(text) {
            all.extend_from_slice(bytes);
            rest = &rest[text.len()..];
        } else {
            all.push(*first);
            rest = &rest[1..];
        }
    }
    all
}

async fn edited(edits: &[JsonEdit], response: Response) -> Response {
    let (mut parts, body) = taken_apart(response).await;
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(mut document) => {
            for edit in edits {
                edit.apply(&mut document);
            }
            Body::from(document.to_string())
        }
        Err(_) => Body::from(body),
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, body)
}

async fn taken_apart(response: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    // Bodies made here are in memory: reading them cannot fail.
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

fn add_header(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        response.headers_mut().insert(name, value);
    }
}
