//! An HTTP proxy before the API server, for one operator: plain http towards the operator. It knows each call, and does with
//! it what the test wants.

mod call;
mod watches;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, body};
use bitbucket_simulator::Hold;
use bitbucket_simulator::net::{Listener, Peer, Wire, Wires};
use futures::StreamExt;
use kube::Config;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::call::Call;
use self::watches::Watches;
pub use self::watches::{End, gone, gone_event};
use super::within;

/// What becomes of a call.
pub enum Act {
    /// The API server answers it.
    Pass,
    /// This is the answer, and the API server does not hear of it.
    Answer(StatusCode, HeaderMap, String),
    /// The connection breaks, and the API server does not hear of it.
    Cut,
    /// The API server does it, and the connection breaks before the answer comes.
    Deafen,
    /// It waits before the API server hears of it.
    Before(Hold),
    /// The API server does it, and the answer waits.
    After(Hold),
    /// The answer, or each event of a watch, comes changed.
    Change(fn(&str) -> String),
    /// Of all namespaces, this one alone is told of: others are other tests'.
    Within(String),
}

impl Act {
    /// An answer with the body that an API server sends with such a status.
    pub fn status(status: StatusCode, reason: &str, message: &str) -> Self {
        Self::body(
            status,
            &json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                "message": message, "code": status.as_u16()
            }),
        )
    }

    /// What an API server says of a resource that it does not know.
    pub fn unknown() -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "text/plain; charset=utf-8".parse().unwrap())]);
        Self::Answer(StatusCode::NOT_FOUND, headers, "404 page not found\n".to_owned())
    }

    pub fn body(status: StatusCode, body: &Value) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        Self::Answer(status, headers, body.to_string())
    }
}

pub type Rule = Box<dyn FnMut(&Call) -> Act + Send>;

struct Shared {
    server: String,
    http: reqwest::Client,
    calls: watch::Sender<Vec<Call>>,
    rule: Mutex<Rule>,
    watches: Watches,
    wires: Arc<Wires>,
}

/// The proxy. It ends when this is dropped, and its connections with it.
pub struct Front {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    wanted: watch::Sender<bool>,
    is_open: watch::Receiver<bool>,
    serving: JoinHandle<()>,
}

impl Front {
    /// In front of the API server of this configuration.
    pub async fn new(config: &Config) -> Self {
        let roots = config.root_cert.iter().flatten().map(|der| reqwest::Certificate::from_der(der).unwrap());
        // What is packed goes through as it is.
        let http = reqwest::Client::builder().tls_certs_only(roots).no_proxy().no_gzip().build().unwrap();
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = inner.local_addr().unwrap();
        let wires = Arc::<Wires>::default();
        let shared = Arc::new(Shared {
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            http,
            calls: watch::Sender::default(),
            rule: Mutex::new(Box::new(|_| Act::Pass)),
            watches: Watches::new(),
            wires: Arc::clone(&wires),
        });
        let (wanted, is_wanted) = watch::channel(true);
        let (actual, is_open) = watch::channel(true);
        let listener = Listener { inner: Some(inner), address, wires, wanted: is_wanted, actual };
        let router = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let serving = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, shared, wanted, is_open, serving }
    }

    /// From now on this says what becomes of each call.
    pub fn on(&self, rule: impl FnMut(&Call) -> Act + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on all calls come through.
    pub fn pass(&self) {
        self.on(|_| Act::Pass);
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// From now on they count anew.
    pub fn forget_calls(&self) {
        self.shared.calls.send_replace(Vec::new());
    }

    /// Waits until the calls so far are as wanted.
    pub async fn until(&self, mut so: impl FnMut(&[Call]) -> bool) {
        let mut calls = self.shared.calls.subscribe();
        let _ = within("the calls that are waited for", calls.wait_for(|calls| so(calls))).await;
    }

    /// From now on no event of a watch comes through.
    pub fn hold_watches(&self) {
        self.shared.watches.hold();
    }

    /// Lets them come through, and what was held back first.
    pub fn release_watches(&self) {
        self.shared.watches.release();
    }

    /// Ends the watches that are open.
    pub fn end_watches(&self, end: End) {
        self.shared.watches.end(end);
    }

    /// Breaks all connections, and refuses new ones or takes them again.
    pub async fn set_open(&self, open: bool) {
        self.wanted.send_replace(open);
        let _ = self.is_open.clone().wait_for(|actual| *actual == open).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
        self.shared.wires.end_all();
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer { wire, .. }): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let call = Call::arrived(&request, &shared.calls);
    let act = shared.rule.lock().unwrap()(&call);
    match act {
        Act::Pass => forward(&shared, &call, request, &wire, None).await,
        Act::Change(change) => forward(&shared, &call, request, &wire, Some(change)).await,
        Act::Answer(status, headers, body) => (status, headers, body).into_response(),
        Act::Within(namespace) => {
            let mut request = request;
            *request.uri_mut() = narrowed(request.uri(), &namespace);
            forward(&shared, &call, request, &wire, None).await
        }
        Act::Cut => broken(&wire),
        Act::Deafen => {
            drop(forward(&shared, &call, request, &wire, None).await);
            broken(&wire)
        }
        Act::Before(hold) => {
            hold.park().await;
            forward(&shared, &call, request, &wire, None).await
        }
        Act::After(hold) => {
            let answer = forward(&shared, &call, request, &wire, None).await;
            hold.park().await;
            answer
        }
    }
}

/// The same right is needed for it.
fn narrowed(uri: &Uri, namespace: &str) -> Uri {
    let query = uri.query().map(|query| format!("{query}&")).unwrap_or_default();
    format!("{}?{query}fieldSelector=metadata.namespace%3D{namespace}", uri.path()).parse().unwrap()
}

/// What is answered is not sent any more.
fn broken(wire: &Wire) -> Response {
    wire.end();
    ().into_response()
}

async fn forward(
    shared: &Shared,
    call: &Call,
    request: Request,
    wire: &Wire,
    change: Option<fn(&str) -> String>,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.remove(header::HOST);
    let url = format!("{}{}", shared.server, parts.uri);
    let asked = shared.http.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(answer) = asked else { return broken(wire) };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    let body = if call.is_watch() && status.is_success() {
        let events = answer.bytes_stream();
        match change {
            Some(change) => {
                shared.watches.pass(lines(events).map(move |line| line.map(|line| change(&line).into())).boxed())
            }
            None => shared.watches.pass(events),
        }
    } else {
        let Ok(bytes) = answer.bytes().await else { return broken(wire) };
        match change {
            Some(change) => {
                headers.remove(header::CONTENT_LENGTH);
                Body::from(change(&String::from_utf8_lossy(&bytes)))
            }
            None => Body::from(bytes),
        }
    };
    (status, headers, body).into_response()
}

/// Whole lines, each with its end.
fn lines<E: Send + 'static>(
    bytes: impl futures::Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> impl futures::Stream<Item = Result<String, E>> + Send {
    let mut rest = Vec::new();
    bytes.flat_map(move |bytes| {
        let lines = bytes.map(|bytes| {
            rest.extend_from_slice(&bytes);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let whole: Vec<u8> = rest.drain(..end).collect();
            String::from_utf8_lossy(&whole).split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>()
        });
        let lines: Vec<Result<String, E>> = match lines {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        futures::stream::iter(lines)
    })
}
