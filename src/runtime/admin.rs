//! The pages: `/livez`, `/readyz` and `/metrics` for everybody; `/debug/state` and `/debug/log-level` for this machine alone, which in a
//! Pod is whoever may exec into it or forward its ports.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
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

/// Serves the pages until told to stop.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) -> std::io::Result<()> {
    let pages = Arc::new(pages);
    let local = Router::new()
        .route(STATE, get(state))
        .route(LOG_LEVEL, get(log_level).put(set_log_level))
        .route_layer(from_fn(local_only));
    let pages = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(local)
        .with_state(pages)
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Opens the port, so that one in use is an error at the start and not a probe that fails later.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn local_only(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    // A listener of both families sees IPv4 as a part of IPv6.
    if peer.ip().to_canonical().is_loopback() {
        return next.run(request).await;
    }
    let what = "this page is for the operator's own machine: kubectl exec, or kubectl port-forward\n";
    (StatusCode::FORBIDDEN, what).into_response()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_for_this_machine_is_for_nobody_else() {
        let asked_by = async |peer: &str| {
            let peer: SocketAddr = peer.parse().unwrap();
            let page = Router::new().route("/", get(|| async { "seen" })).route_layer(from_fn(local_only));
            let request = Request::builder().uri("/").extension(ConnectInfo(peer)).body(axum::body::Body::empty());
            tower::ServiceExt::oneshot(page, request.unwrap()).await.unwrap().status()
        };
        for own in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(asked_by(own).await, StatusCode::OK, "{own}");
        }
        for other in ["10.0.0.7:1", "[::ffff:10.0.0.7]:1", "[fe80::1]:1", "192.0.2.1:1"] {
            assert_eq!(asked_by(other).await, StatusCode::FORBIDDEN, "{other}");
        }
    }
}
