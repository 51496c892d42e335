//! Answers that are kept as bytes and given again, so that a bench measures its client and not git.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::rest;

/// What an answer depends on, as long as nothing of the server changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Path and query, as they were sent.
    target: String,
    user: Option<u64>,
    packed: bool,
    /// Kept answers are those of one state of the server.
    age: u64,
}

#[derive(Clone)]
struct Kept {
    headers: HeaderMap,
    body: Bytes,
}

/// The answers kept so far.
#[derive(Default)]
pub(crate) struct Replies {
    kept: Mutex<HashMap<Key, Kept>>,
    /// How often they were forgotten.
    age: AtomicU64,
}

impl Replies {
    /// Which state of the server it is. Looked at before anything is read of it: what changes afterwards is not kept.
    pub fn age(&self) -> u64 {
        self.age.load(Ordering::SeqCst)
    }

    /// Forgets them: the server has changed.
    pub fn forget(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The answer that was given to this before.
    pub fn get(&self, key: &Key) -> Option<Response> {
        let Kept { headers, body } = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key)?.clone();
        Some(respond(headers, body))
    }

    /// Keeps a good answer, packed where the caller wants it so, and gives it.
    pub async fn keep(&self, key: Key, response: Response) -> Response {
        if response.status() != StatusCode::OK {
            return response;
        }
        let (parts, body) = response.into_parts();
        let (mut headers, Ok(mut body)) = (parts.headers, to_bytes(body, usize::MAX).await) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if key.packed
            && let Some(packed) = pack(&body)
        {
            body = packed;
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if key.age == self.age() {
            kept.insert(key, Kept { headers: headers.clone(), body: body.clone() });
        }
        respond(headers, body)
    }
}

impl Key {
    /// Of a request whose answer can be kept.
    pub fn of(parts: &Parts, user: Option<u64>, compression: bool, age: u64) -> Option<Self> {
        let keepable = parts.method == Method::GET && rest::accepts(&parts.headers, "json");
        let packed = compression && unpacks(&parts.headers);
        keepable.then(|| Self { target: parts.uri.to_string(), user, packed, age })
    }
}

/// Whether the caller takes gzip.
fn unpacks(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn pack(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).ok()?;
    Some(encoder.finish().ok()?.into())
}

fn respond(headers: HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip_says_so() {
        let unpacks = |value: &'static str| {
            super::unpacks(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(unpacks("gzip") && unpacks("br, GZIP;q=0.5") && unpacks("gzip;q=1"));
        assert!(
            !unpacks("identity")
                && !unpacks("gzip;q=0")
                && !unpacks("gzip; q=0.0")
                && !super::unpacks(&HeaderMap::new())
        );
    }

    #[tokio::test]
    async fn what_was_begun_before_a_change_is_not_kept() {
        let replies = Replies::default();
        let key = |age| Key { target: "/x".to_owned(), user: None, packed: false, age };
        let (begun, answer) = (key(replies.age()), || Response::new(Body::from("{}")));
        replies.forget();
        replies.keep(begun.clone(), answer()).await;
        assert!(replies.get(&begun).is_none());
        let now = key(replies.age());
        replies.keep(now.clone(), answer()).await;
        assert!(replies.get(&now).is_some());
        replies.forget();
        assert!(replies.get(&now).is_none());
    }
}
