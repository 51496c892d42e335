//! The methods, one file a family; `extract` has what they are called with.

mod connections;
mod credentials;
mod extract;
mod import_filters;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};

use self::extract::{Connection, Scope};
use crate::callers::{Callers, Refusal};

/// What the methods are, for programs.
const OPENAPI: &str = include_str!("../openapi.yaml");

/// The word for this connector, where DX has `github` or `jira_cloud`; DX publishes none for it.
const TYPE: &str = "bitbucket_data_center_commits";

/// All methods.
pub fn router() -> Router<Arc<Callers>> {
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
