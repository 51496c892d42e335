//! `/livez` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Serves the probes until told to stop. `ready` says whether all connections are known.
pub async fn serve(
    listener: TcpListener,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let pages = Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz)).with_state(ready);
    axum::serve(listener, pages).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Opens the port, so that one in use is an error at the start and not a probe that fails later.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

async fn readyz(State(ready): State<watch::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *ready.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the API server to list the BitbucketConnections\n")
    }
}
