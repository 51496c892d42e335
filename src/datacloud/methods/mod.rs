//! The methods, one file a family, and what they are called with.

mod connections;
mod credentials;
mod import_filters;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use kube::Config;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::Refusal;
use super::arguments::{Arguments, invalid};
use super::attempts::Attempts;
use super::caller::Caller;
use crate::api::BitbucketConnection;
use crate::controller::{Context, Inspector};

/// No call has more to say. Bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// How long it may take to come.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// What the methods are, for programs.
const OPENAPI: &str = include_str!("../openapi.yaml");

/// The word for this connector, where DX has `github` or `jira_cloud`; DX publishes none for it.
const TYPE: &str = "bitbucket_data_center_commits";

/// What all calls share.
pub struct Api {
    /// The way to the API server, without anybody's credentials.
    pub server: Config,
    /// Leads to what the operator of this process works with.
    pub inspector: Inspector,
    /// The passwords that were tried.
    pub attempts: Arc<Attempts>,
    /// Verifications at a time: they wait for Bitbucket beside the operator's own.
    pub verifications: Arc<Semaphore>,
    /// The namespaces that the operator looks after; none are all.
    pub namespaces: Vec<String>,
}

impl Api {
    /// Whether the operator acts for a connection: it does not in other namespaces than its own, whoever asks it to.
    fn looks_after(&self, object: &BitbucketConnection) -> bool {
        self.namespaces.is_empty()
            || object.metadata.namespace.as_ref().is_some_and(|own| self.namespaces.contains(own))
    }

    /// What Bitbucket is asked with. There is one only while this operator leads: two would not know of each other's attempts.
    fn context(&self) -> Result<Arc<Context>, Refusal> {
        let leads = self.inspector.context().filter(|context| context.lead.holds());
        leads.ok_or_else(|| {
            Refusal::Unavailable(
                "This operator stands by, and another one asks Bitbucket. Call again: the Service leads to each in turn."
                    .to_owned(),
            )
        })
    }
}

/// All methods.
pub fn router() -> Router<Arc<Api>> {
    let of_connection = Router::new()
        .route("/credentials.list", get(credentials::list))
        .route("/credentials.info/{id}", get(credentials::info))
        .route("/credentials.create", post(credentials::create))
        .route("/credentials.update", post(credentials::update))
        .route("/credentials.delete", post(credentials::delete))
        .route("/importFilters.list", get(import_filters::list))
        .route("/importFilters.setMode", post(import_filters::set_mode))
        .route("/importFilters.add", post(import_filters::add))
        .route("/importFilters.remove", post(import_filters::remove));
    Router::new()
        .route("/api/connections.list", get(connections::list))
        .route("/api/openapi.yaml", get(async || ([(header::CONTENT_TYPE, "application/yaml")], OPENAPI)))
        .nest("/api/connections/{connection_id}", of_connection)
        .fallback(async || Refusal::UnknownMethod)
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, Refusal::UnknownMethod))
}

/// The namespace that a caller looks in; None is all.
struct Scope(Option<String>);

/// The connection that a call is about, and as whom it is made.
struct Connection {
    caller: Caller,
    object: BitbucketConnection,
    query: HashMap<String, String>,
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        Self::new(&api.server, &parts.headers)
    }
}

impl FromRequestParts<Arc<Api>> for Scope {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Refusal> {
        scope(&mut query(parts)?).map(Self)
    }
}

impl FromRequestParts<Arc<Api>> for Connection {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let mut query = query(parts)?;
        let namespace = scope(&mut query)?;
        let id = number(parts, "connection_id").await.ok_or(Refusal::ConnectionNotFound)?;
        let object = caller.connection(id, namespace.as_deref()).await?;
        if !api.looks_after(&object) {
            return Err(Refusal::ConnectionNotFound);
        }
        Ok(Self { caller, object, query })
    }
}

impl FromRequest<Arc<Api>> for Arguments {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let Ok(body) = timeout(SLOWEST_BODY, to_bytes(body, LARGEST_BODY)).await else {
            return Err(Refusal::InvalidArguments("The body did not come within ten seconds. Call again.".to_owned()));
        };
        let body: Bytes = body.map_err(|_| Refusal::TooLarge)?;
        Self::read(&parts.headers, &body)
    }
}

fn query(parts: &Parts) -> Result<HashMap<String, String>, Refusal> {
    let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
    query.map(|Query(query)| query).map_err(|_| invalid("query", "cannot be read"))
}

/// A name that is none would be part of the path of a request to the API server.
fn scope(query: &mut HashMap<String, String>) -> Result<Option<String>, Refusal> {
    let Some(namespace) = query.remove("namespace") else { return Ok(None) };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&namespace.len()) && namespace.bytes().all(plain) {
        Ok(Some(namespace))
    } else {
        Err(invalid("namespace", "is no name of a namespace"))
    }
}

/// A number in the path; what is none is nothing's id.
async fn number(parts: &mut Parts, name: &str) -> Option<u64> {
    let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, &()).await.ok()?;
    path.get(name)?.parse().ok()
}
