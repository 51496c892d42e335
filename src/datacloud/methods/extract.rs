//! What methods are called with, taken from a request: as whom, of which connection, with which arguments.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;

use crate::api::BitbucketConnection;
use crate::callers::{Caller, Callers, Refusal, is_namespace};
use crate::datacloud::arguments::{Arguments, invalid};
use crate::datacloud::ids::find;

/// The namespace that a caller looks in; None is all.
pub struct Scope(pub Option<String>);

/// The connection that a call is about, and as whom it is made.
pub struct Connection {
    /// Whose rights count.
    pub caller: Caller,
    /// As it was when the call came.
    pub object: BitbucketConnection,
    /// What of the query the method has not yet taken.
    pub query: HashMap<String, String>,
}

impl FromRequestParts<Arc<Callers>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, callers: &Arc<Callers>) -> Result<Self, Refusal> {
        Self::new(callers.server(), &parts.headers)
    }
}

impl FromRequestParts<Arc<Callers>> for Scope {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Callers>) -> Result<Self, Refusal> {
        scope(&mut query(parts)?).map(Self)
    }
}

impl FromRequestParts<Arc<Callers>> for Connection {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, callers: &Arc<Callers>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, callers).await?;
        let mut query = query(parts)?;
        let namespace = scope(&mut query)?;
        let id = number(parts, "connection_id").await.ok_or(Refusal::ConnectionNotFound)?;
        let object = find(&caller, id, namespace.as_deref()).await?;
        if !callers.looks_after(&object) {
            return Err(Refusal::ConnectionNotFound);
        }
        Ok(Self { caller, object, query })
    }
}

impl FromRequest<Arc<Callers>> for Arguments {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<Callers>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        // It has come already, and is no larger than it may be.
        let body: Bytes = to_bytes(body, usize::MAX).await.map_err(|_| Refusal::TooLarge)?;
        Self::read(&parts.headers, &body)
    }
}

fn query(parts: &Parts) -> Result<HashMap<String, String>, Refusal> {
    let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
    query.map(|Query(query)| query).map_err(|_| invalid("query", "cannot be read"))
}

fn scope(query: &mut HashMap<String, String>) -> Result<Option<String>, Refusal> {
    let Some(namespace) = query.remove("namespace") else { return Ok(None) };
    if is_namespace(&namespace) { Ok(Some(namespace)) } else { Err(invalid("namespace", "is no name of a namespace")) }
}

/// A number in the path; what is none is nothing's id.
async fn number(parts: &mut Parts, name: &str) -> Option<u64> {
    let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, &()).await.ok()?;
    path.get(name)?.parse().ok()
}
