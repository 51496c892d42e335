//! The methods, one file a family; `extract` has what they are called with.

mod connections;
mod credentials;
mod extract;
mod import_filters;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use kube::Config;
use tokio::sync::Semaphore;

use self::extract::{Connection, Scope};
use super::answer::Refusal;
use super::attempts::Attempts;
use crate::api::BitbucketConnection;
use crate::controller::{Context, Inspector};

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
