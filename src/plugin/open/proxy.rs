//! Takes a browser's requests to the operator's page, with the token of whoever has called.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::{self, Method, StatusCode, Uri};
use axum::response::Response;
use futures::stream;
use http_body_util::{BodyExt, Full, LengthLimitError};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::answers::{enter, said};
use super::guard::{Guard, Passage};
use super::headers::{to_browser, to_server};
use super::token::Token;
use super::way::{Connector, Error, Way};
use crate::kubernetes::causes;

/// The largest body that goes to the server.
const MOST_SENT: usize = 1024 * 1024;
/// The largest that comes from it.
const MOST_ANSWERED: usize = 16 * 1024 * 1024;
/// How long the server may say nothing, before an answer and within it: a verification alone may take a minute.
const SILENCE: Duration = Duration::from_mins(2);
/// Forwarded streams break when nobody uses them; a new one costs less than a request that nobody answers.
const IDLE: Duration = Duration::from_secs(30);

const DONE: &str = "If it was to change something, that may have been done: look before you ask for it again.";
const AGAIN: &str = "Reload this page to try again; if the operator stays away, look at its Pods and their logs.";

/// The way from a browser to the server.
pub(super) struct Proxy {
    guard: Guard,
    token: Token,
    way: Arc<Way>,
    client: Client<Connector, Full<Bytes>>,
    /// What is shown first.
    first: String,
    silence: Duration,
    /// Connections that broke, and were replaced by new ones.
    replaced: AtomicU64,
}

impl Proxy {
    pub fn new(guard: Guard, token: Token, way: Way, first: String) -> Self {
        let way = Arc::new(way);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let client = builder.build(Connector(way.clone()));
        Self { guard, token, way, client, first, silence: SILENCE, replaced: AtomicU64::new(0) }
    }

    /// The way in.
    pub fn url(&self) -> String {
        self.guard.url()
    }

    /// What answers the requests.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(answered).with_state(self)
    }

    /// The server's answer.
    async fn forward(&self, request: Request) -> Result<Response, Response> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MOST_SENT).await.map_err(|error| {
            let large = std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
            if large {
                said(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "This is more than the 1 MiB that may be sent at a time. Send less.",
                )
            } else {
                said(StatusCode::BAD_REQUEST, "The request ended before all of it had come. Send it again.")
            }
        })?;
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let headers = to_server(parts.headers);
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        let mut fresh = 0;
        loop {
            // By this name connections are found that can be used again.
            let number = self.way.number();
            let uri = format!("http://operator-{number}-{fresh}{path}").parse::<Uri>();
            let uri = uri.map_err(|_| said(StatusCode::BAD_REQUEST, "This is no path of a page."))?;
            let mut own = http::Request::new(Full::new(body.clone()));
            (*own.method_mut(), *own.uri_mut(), *own.headers_mut()) = (parts.method.clone(), uri, headers.clone());
            let token = self.token.header().await;
            let token = token
                .map_err(|error| said(StatusCode::BAD_GATEWAY, &format!("There is no token any more: {error}")))?;
            own.headers_mut().insert(AUTHORIZATION, token);
            let answer = match timeout(self.silence, self.client.request(own)).await {
                Ok(Ok(answer)) => answer.map(Body::new),
                // That the one before broke may be noticed only now: a new one is tried, as if nothing had been asked for.
                Ok(Err(error)) if fresh == 0 && reads && !error.is_connect() => {
                    fresh = self.replaced.fetch_add(1, Ordering::Relaxed) + 1;
                    continue;
                }
                Ok(Err(error)) => return Err(fault(&error)),
                Err(_) => return Err(late(self.silence)),
            };
            // Who stands by has done nothing.
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE && self.way.stands_by(number) {
                continue;
            }
            return Ok(self.passed_on(answer));
        }
    }

    fn passed_on(&self, answer: Response) -> Response {
        let (mut parts, body) = answer.into_parts();
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MOST_ANSWERED) {
            return said(
                StatusCode::BAD_GATEWAY,
                "The operator's answer is larger than the 16 MiB that are shown. Ask for less.",
            );
        }
        parts.headers = to_browser(parts.headers);
        let silence = self.silence;
        let pieces = stream::try_unfold((body, MOST_ANSWERED), move |(mut body, left)| async move {
            let Ok(frame) = timeout(silence, body.frame()).await else { return Err("the operator is silent".into()) };
            let Some(frame) = frame.transpose()? else { return Ok(None) };
            let piece = frame.into_data().unwrap_or_default();
            let left = left.checked_sub(piece.len()).ok_or("the operator's answer is too large")?;
            Ok::<_, axum::BoxError>(Some((piece, (body, left))))
        });
        Response::from_parts(parts, Body::from_stream(pieces))
    }
}

async fn answered(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    match proxy.guard.judge(request.method(), request.uri(), request.headers()) {
        Ok(Passage::Enter { from_elsewhere }) => enter(&proxy.guard.set_cookie(), &proxy.first, from_elsewhere),
        Ok(Passage::Forward) => proxy.forward(request).await.unwrap_or_else(|answer| answer),
        Err(refusal) => said(refusal.status(), refusal.text()),
    }
}

/// Why the server has not answered.
fn fault(error: &hyper_util::client::legacy::Error) -> Response {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<Error>() {
            let status = if matches!(own, Error::Late) { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            return said(status, &format!("There is no way to the operator's page: {own}. {AGAIN}"));
        }
        cause = error.source();
    }
    said(StatusCode::BAD_GATEWAY, &format!("The operator has not answered: {}. {DONE} {AGAIN}", causes(error)))
}

fn late(silence: Duration) -> Response {
    let seconds = silence.as_secs();
    let text = format!("The operator has not answered within {seconds} seconds. {DONE} {AGAIN}");
    said(StatusCode::GATEWAY_TIMEOUT, &text)
}
