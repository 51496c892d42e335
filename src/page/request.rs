//! What comes with a request: as whom, about which connection, and from which page.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{NOT_FOUND, Problem};
use crate::api::BitbucketConnection;
use crate::callers::{Caller, Callers, Refusal, is_name};

/// As whom everything is done.
pub struct Visitor(pub Caller);

impl FromRequestParts<Arc<Callers>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, callers: &Arc<Callers>) -> Result<Self, Problem> {
        let caller = Caller::new(callers.server(), &parts.headers)?;
        // 503 leads whoever came by `kubectl bitbucket open` to the operator that leads: it must be said before anything is done.
        callers.context()?;
        Ok(Self(caller))
    }
}

/// The connection that the address names, and as whom it was looked at.
pub struct Connection {
    /// As whom.
    pub caller: Caller,
    /// As it was when the request came.
    pub object: BitbucketConnection,
}

impl FromRequestParts<Arc<Callers>> for Connection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, callers: &Arc<Callers>) -> Result<Self, Problem> {
        let Visitor(caller) = Visitor::from_request_parts(parts, callers).await?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, &()).await;
        let path = path.map(|Path(path)| path).unwrap_or_default();
        let part = |name: &str| path.get(name).filter(|part| is_name(part)).ok_or(NOT_FOUND);
        let object = caller.connection(part("namespace")?, part("name")?).await?;
        if !callers.looks_after(&object) {
            return Err(Refusal::ConnectionNotFound.into());
        }
        Ok(Self { caller, object })
    }
}

/// Nobody else's page has something done: a browser says of each form which page it is from.
pub async fn same_origin(request: Request, next: Next) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD || is_own(request.headers()) {
        return next.run(request).await;
    }
    let text = "The request does not come from this page. Open the page, and do it there.";
    Problem(Refusal::NoPermission(text.to_owned())).into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_page_is_told_by_its_origin() {
        for (origin, host, own) in [
            (Some("http://127.0.0.1:8001"), Some("127.0.0.1:8001"), true),
            (Some("https://page.example.com"), Some("page.example.com"), true),
            (Some("http://127.0.0.1:8002"), Some("127.0.0.1:8001"), false),
            (Some("http://evil.example.com"), Some("127.0.0.1:8001"), false),
            (Some("null"), Some("127.0.0.1:8001"), false),
            (None, Some("127.0.0.1:8001"), false),
            (Some("http://127.0.0.1:8001"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::ORIGIN, origin), (header::HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_own(&headers), own, "{origin:?} {host:?}");
        }
    }
}
