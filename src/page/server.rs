//! The port, and what every answer says to a browser.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::weeks::Weeks;
use super::{actions, assets, connection, create, list, problem, request};
use crate::callers::{Callers, Refusal};
use crate::runtime::port::{self, Incomplete};

/// Calls that are answered at a time; each may hold a page of the API server's, and a line for each connection.
const CALLS: usize = 16;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// How long calls may go on once the process is told to stop.
const LAST_CALLS: Duration = Duration::from_secs(5);
/// How long a form may take to come.
const SLOWEST_FORM: Duration = Duration::from_secs(10);
/// The certificates of an authority are the longest that somebody writes into a form. Bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// What browsers may do with a page: show it, with what comes from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With none, browsers would not say of a form which page it is from.
    (header::REFERRER_POLICY, "same-origin"),
    // What somebody may see now, they may not see later.
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// An open port.
pub struct Server(TcpListener);

impl Server {
    /// Opens the port. It speaks plain HTTP, so it is one of this machine only.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        TcpListener::bind(listen).await.map(Self)
    }

    /// Where it is.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers calls until told to stop.
    pub async fn serve(self, callers: Arc<Callers>, stop: CancellationToken) -> std::io::Result<()> {
        let (server, handle) = port::guard(axum_server::from_tcp(self.0.into_std()?)?, SILENCE);
        let stopping = port::close(handle, stop, LAST_CALLS);
        tokio::join!(server.serve(router(callers).into_make_service()), stopping).0
    }
}

fn router(callers: Arc<Callers>) -> Router {
    let places = Arc::new(Semaphore::new(CALLS));
    Router::new()
        .route("/", get(list::show))
        .route("/new", get(create::show).post(create::submit))
        .route("/connections/{namespace}/{name}", get(connection::show))
        .route("/connections/{namespace}/{name}/request", post(actions::request))
        .route("/connections/{namespace}/{name}/suspend", post(actions::suspend))
        .route("/connections/{namespace}/{name}/resume", post(actions::resume))
        .route("/assets/{name}", get(assets::asset))
        .fallback(async || problem::NOT_FOUND)
        .layer(Extension(Arc::new(Weeks::default())))
        .layer(middleware::from_fn(request::same_origin))
        .layer(middleware::from_fn_with_state(places, guarded))
        .with_state(callers)
}

/// Lets a call through once all of it has come, unless too many others are under way, and adds what every answer says.
async fn guarded(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // While a form comes, it takes no place from others.
    let mut response = match port::whole(request, LARGEST_FORM, SLOWEST_FORM).await {
        Ok(request) => answered(&places, request, next).await,
        Err(incomplete) => problem::Problem(refusal(incomplete)).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn answered(places: &Semaphore, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        let text = "Too many calls are under way. Load the page again.";
        return problem::Problem(Refusal::TooMany(Duration::from_secs(1), text.to_owned())).into_response();
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if method == Method::POST && response.status() == StatusCode::SEE_OTHER {
        info!(connection = connection_of(&path), path, "the page has done what it was asked for");
    }
    response
}

/// Which connection an action is about, by which its line in the log is found.
fn connection_of(path: &str) -> Option<&str> {
    let (connection, _action) = path.strip_prefix("/connections/")?.rsplit_once('/')?;
    Some(connection)
}

fn refusal(incomplete: Incomplete) -> Refusal {
    match incomplete {
        Incomplete::Late => {
            Refusal::InvalidArguments("The form did not come within ten seconds. Send it again.".to_owned())
        }
        Incomplete::TooLarge => Refusal::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_of_its_connection() {
        for (path, connection) in
            [("/connections/team/a/suspend", Some("team/a")), ("/new", None), ("/connections/a", None)]
        {
            assert_eq!(connection_of(path), connection, "{path}");
        }
    }
}
