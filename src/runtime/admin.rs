//! The pages: `/livez`, `/readyz` and `/metrics` for everybody; `/debug/state` and `/debug/log-level` at an address of the loopback
//! interface, so that in a Pod they are for whoever may exec into it or forward its ports. Not by looking at who asks: the proxies of
//! service meshes ask from there for everybody.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::telemetry::LogLevel;

/// Where the state is.
pub const STATE: &str = "/debug/state";
/// Where the log level is read and written.
pub const LOG_LEVEL: &str = "/debug/log-level";

/// The prefix of every metric's name.
const METRICS: &str = "bitbucket_connector";

/// What <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md> calls its text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages show.
pub struct Pages {
    /// What is not there yet.
    pub waited: watch::Receiver<Vec<String>>,
    /// What is counted.
    pub metrics: Registry,
    /// What the process is at.
    pub state: Box<dyn Fn() -> Value + Send + Sync>,
    /// What is logged.
    pub log_level: LogLevel,
}

/// A registry for metrics under this program's name.
pub fn registry() -> Registry {
    Registry::with_prefix(METRICS)
}

/// Serves the pages until told to stop; those for this machine where there is a listener for them.
pub async fn serve(
    listener: TcpListener,
    local: Option<TcpListener>,
    pages: Pages,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let pages = Arc::new(pages);
    let of_this_machine = Router::new()
        .route(STATE, get(state))
        .route(LOG_LEVEL, get(log_level).put(set_log_level))
        .with_state(Arc::clone(&pages));
    let public = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(pages);
    let local = async {
        let Some(listener) = local else { return Ok(()) };
        axum::serve(listener, of_this_machine).with_graceful_shutdown(stop.clone().cancelled_owned()).await
    };
    let public = axum::serve(listener, public).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    tokio::try_join!(public, local).map(drop)
}

/// Opens the port, so that one in use is an error at the start and not a probe that fails later.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn readyz(State(pages): State<Arc<Pages>>) -> (StatusCode, String) {
    let waited = pages.waited.borrow();
    if waited.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waited.join("\nwaiting for ")))
    }
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let mut page = String::new();
    match text::encode(&mut page, &pages.metrics) {
        Ok(()) => Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], page)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}\n"))),
    }
}

async fn state(State(pages): State<Arc<Pages>>) -> Json<Value> {
    Json((pages.state)())
}

async fn log_level(State(pages): State<Arc<Pages>>) -> String {
    format!("{}\n", pages.log_level.get())
}

async fn set_log_level(State(pages): State<Arc<Pages>>, filter: String) -> Result<String, (StatusCode, String)> {
    let filter = filter.trim();
    pages.log_level.set(filter).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    info!(filter, "the log level is changed");
    Ok(log_level(State(pages)).await)
}
