//! What an operator asks the API server for.

use axum::extract::Request;
use axum::http::{Method, header};
use tokio::sync::watch;

/// A call of the operator's.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method and the resource, such as `GET secrets/NAME`, `PATCH bitbucketconnections/NAME/status`, and of all namespaces
    /// `GET all secrets`.
    pub kind: String,
    /// The how-many-th of its kind it is; watches count apart.
    pub nth: usize,
    pub query: String,
    /// The bearer token that it comes with.
    pub token: String,
}

impl Call {
    /// A request, as the last of these.
    pub(super) fn arrived(request: &Request, calls: &watch::Sender<Vec<Self>>) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let mut call = Self {
            kind: kind(request.method(), uri.path()),
            nth: 1,
            query: uri.query().unwrap_or_default().to_owned(),
            token: token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim().to_owned(),
        };
        calls.send_modify(|calls| {
            let same = |other: &&Self| (&other.kind, other.is_watch()) == (&call.kind, call.is_watch());
            call.nth += calls.iter().filter(same).count();
            calls.push(call.clone());
        });
        call
    }

    /// Whether it is a list or a watch of all namespaces.
    pub fn is_of_all(&self) -> bool {
        self.kind.starts_with("GET all ")
    }

    pub fn is_watch(&self) -> bool {
        self.query.split('&').any(|part| matches!(part, "watch=true" | "watch=1"))
    }
}

fn kind(method: &Method, path: &str) -> String {
    let Some((_, inside)) = path.split_once("/namespaces/") else {
        return format!("{method} all {}", path.rsplit('/').next().unwrap_or_default());
    };
    let Some((_, resource)) = inside.split_once('/') else { return format!("{method} namespaces/NAME") };
    let parts: Vec<_> = resource.split('/').enumerate().map(|(at, part)| if at == 1 { "NAME" } else { part }).collect();
    format!("{method} {}", parts.join("/"))
}
