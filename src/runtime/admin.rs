//! `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The prefix of every metric's name.
const METRICS: &str = "bitbucket_connector";

/// What <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md> calls its text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry for metrics under this program's name.
pub fn registry() -> Registry {
    Registry::with_prefix(METRICS)
}

/// Serves the pages until told to stop. `waited` says what is not there yet.
pub async fn serve(
    listener: TcpListener,
    waited: watch::Receiver<Vec<String>>,
    metrics: Registry,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let pages = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz).with_state(waited))
        .route("/metrics", get(page).with_state(Arc::new(metrics)));
    axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Opens the port, so that one in use is an error at the start and not a probe that fails later.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn readyz(State(waited): State<watch::Receiver<Vec<String>>>) -> (StatusCode, String) {
    let waited = waited.borrow();
    if waited.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waited.join("\nwaiting for ")))
    }
}

async fn page(State(metrics): State<Arc<Registry>>) -> impl IntoResponse {
    let mut page = String::new();
    match text::encode(&mut page, &metrics) {
        Ok(()) => Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], page)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}\n"))),
    }
}
