//! The port, and what is kept from it: connections that say nothing, and more calls at a time than are answered well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::answer::Trespass;
use super::methods::router;
use super::throttle::Throttle;
use super::tls::{Certificate, Files};
use crate::callers::Callers;
use crate::callers::Refusal;
use crate::runtime::port::{self, Incomplete};

/// Calls that are answered at a time; each may hold a page of the API server's.
const CALLS: usize = 16;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// No call has more to say. Bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// How long it may take to come.
const SLOWEST_BODY: Duration = Duration::from_secs(10);
/// How long calls may go on once the process is told to stop.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// An open port.
pub struct Server {
    listener: TcpListener,
    certificate: Certificate,
}

struct Guard {
    throttle: Throttle,
    places: Semaphore,
}

impl Server {
    /// Opens the port and reads the certificate, so that what is wrong with them is an error at the start.
    pub async fn bind(listen: SocketAddr, files: Files) -> Result<Self, String> {
        let certificate = Certificate::read(files).await?;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| format!("cannot listen at {listen}: {error}"))?;
        Ok(Self { listener, certificate })
    }

    /// Where it is.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers calls until told to stop.
    pub async fn serve(self, callers: Arc<Callers>, stop: CancellationToken) -> std::io::Result<()> {
        let Self { listener, certificate } = self;
        let guard = Arc::new(Guard { throttle: Throttle::default(), places: Semaphore::new(CALLS) });
        let methods: Router = router().with_state(callers).layer(middleware::from_fn_with_state(guard, guarded));
        let server = axum_server::from_tcp_rustls(listener.into_std()?, certificate.config.clone())?;
        let (server, handle) = port::guard(server, SILENCE);
        let stopping = port::close(handle, stop.clone(), LAST_CALLS);
        let serving = server.serve(methods.into_make_service_with_connect_info::<SocketAddr>());
        let (result, (), ()) = tokio::join!(serving, stopping, certificate.follow(stop.clone()));
        result
    }
}

/// Lets a call through, unless its sender has failed too often or too many others are under way.
async fn guarded(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let request = match port::whole(request, LARGEST_BODY, SLOWEST_BODY).await {
        Ok(request) => request,
        Err(Incomplete::TooLarge) => return Refusal::TooLarge.into_response(),
        Err(Incomplete::Late) => {
            let text = "The body did not come within ten seconds. Call again.";
            return Refusal::InvalidArguments(text.to_owned()).into_response();
        }
    };
    let peer = peer.ip().to_canonical();
    if let Some(wait) = guard.throttle.wait(peer) {
        let text = "Too many calls from this address had no right to what they asked for. Wait as long as Retry-After says, and mend what the answers before have named.";
        return Refusal::TooMany(wait, text.to_owned()).into_response();
    }
    let Ok(_place) = guard.places.try_acquire() else {
        let text = "Too many calls are under way. Call again.";
        return Refusal::Unavailable(text.to_owned()).into_response();
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    // What was refused is whoever's who called.
    if method == Method::POST && response.status().is_success() {
        info!(path, status = response.status().as_u16(), "the Data Cloud API has done what it was called for");
    }
    if response.extensions().get::<Trespass>().is_some() {
        guard.throttle.failed(peer);
    }
    response
}
