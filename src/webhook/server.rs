//! The port that Bitbucket calls, and what becomes of a call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::keys::Keys;
use super::payload::{PING, REFS_CHANGED, hint};
use super::signature::{is_signature, is_signed};
use super::standby::Standby;
use crate::api::webhook::WebhookSecretReference;
use crate::controller::{Context, Inspector};
use crate::kubernetes::Guarded;
use crate::runtime::port;

/// A push of thousands of branches is said in less. Bytes.
const LARGEST_BODY: usize = 1 << 18;
/// How long a body may take to come, and how long a connection may say nothing.
const SLOWEST: Duration = Duration::from_secs(5);
/// Calls at a time, so that bodies take bounded memory.
const CALLS: usize = 64;
/// How long calls may go on once the process is told to stop.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// An open port.
pub struct Server(TcpListener);

/// What calls lead to.
pub struct Receiver {
    /// Leads to what the operator of this process works with.
    pub inspector: Inspector,
    /// Leads to the operator that leads, where there may be another one.
    pub standby: Option<Arc<Standby>>,
}

struct Shared {
    receiver: Receiver,
    keys: Keys,
    places: Semaphore,
}

/// Who follows a hint.
enum Follower {
    Own(Arc<Context>),
    Other(Arc<Standby>),
}

impl Server {
    /// Opens the port.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        TcpListener::bind(listen).await.map(Self)
    }

    /// Where it is.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers calls until told to stop.
    pub async fn serve(self, receiver: Receiver, stop: CancellationToken) -> std::io::Result<()> {
        let (inspector, standby) = (receiver.inspector.clone(), receiver.standby.clone());
        let shared = Shared { receiver, keys: Keys::new(), places: Semaphore::new(CALLS) };
        let calls = Router::new().route("/webhooks/{namespace}/{name}", post(receive)).with_state(Arc::new(shared));
        let (server, handle) = port::guard(axum_server::from_tcp(self.0.into_std()?)?, SLOWEST);
        let stopping = port::close(handle, stop.clone(), LAST_CALLS);
        let collecting = async {
            if let Some(standby) = standby {
                standby.collect(&inspector, &stop).await;
            }
        };
        tokio::join!(server.serve(calls.into_make_service()), stopping, collecting).0
    }
}

/// Whoever cannot sign learns nothing, not even whether there is such a connection.
const UNKNOWN: (StatusCode, &str) = (
    StatusCode::UNAUTHORIZED,
    "there is no such connection with a webhook, or the signature is not made with its secret\n",
);

/// One call.
async fn receive(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-event-key") == Some(PING) {
        return (StatusCode::OK, "this is bitbucket-connector\n");
    }
    let signature = text("x-hub-signature");
    if !is_signature(signature) {
        return UNKNOWN;
    }
    let Ok(_place) = shared.places.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many calls are under way\n");
    };
    let Ok(body) = timeout(SLOWEST, to_bytes(body, LARGEST_BODY)).await else {
        return (StatusCode::REQUEST_TIMEOUT, "the body did not come within five seconds\n");
    };
    let Ok(body) = body else { return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 256 KiB\n") };
    let object = ObjectRef::<Guarded>::new(&name).within(&namespace);
    let Some(follower) = shared.receiver.follower() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "this operator stands by\n");
    };
    if !shared.is_known(&follower, &object, signature, &body).await {
        return UNKNOWN;
    }
    if text("x-event-key") != Some(REFS_CHANGED) {
        return (StatusCode::OK, "only repo:refs_changed is looked at\n");
    }
    let Some(hint) = hint(&body) else { return (StatusCode::BAD_REQUEST, "the body is no repo:refs_changed\n") };
    debug!(connection = format!("{namespace}/{name}"), repository = hint.source_id, "somebody has pushed");
    match follower {
        Follower::Own(context) => context.hint(object, hint),
        Follower::Other(standby) => {
            if let Err(error) = standby.tell(&object, hint).await {
                warn!(%error, "another operator leads, and cannot be told what was pushed; the next run finds it");
                return (StatusCode::SERVICE_UNAVAILABLE, "the operator that leads cannot be told\n");
            }
        }
    }
    (StatusCode::ACCEPTED, "the repository is looked at\n")
}

impl Receiver {
    /// This operator, while it leads; else the other one, where there may be one.
    fn follower(&self) -> Option<Follower> {
        let own = self.inspector.context().filter(|context| context.lead.holds()).map(Follower::Own);
        own.or_else(|| self.standby.clone().map(Follower::Other))
    }
}

impl Follower {
    /// The webhook of a connection. Who leads knows all connections; who stands by asks.
    async fn webhook(&self, object: &ObjectRef<Guarded>) -> Option<WebhookSecretReference> {
        match self {
            Self::Own(context) => {
                let found = context.connection(object)?;
                Some(found.0.as_ref().ok()?.spec.webhook.as_ref()?.secret_ref.clone())
            }
            Self::Other(standby) => standby.webhook(object).await,
        }
    }

    fn client(&self) -> &Client {
        match self {
            Self::Own(context) => &context.client,
            Self::Other(standby) => standby.client(),
        }
    }
}

impl Shared {
    /// Whether the body was signed with the key of this connection. What is not there takes a signature's time too.
    async fn is_known(
        &self,
        follower: &Follower,
        object: &ObjectRef<Guarded>,
        signature: Option<&str>,
        body: &[u8],
    ) -> bool {
        for doubted in [false, true] {
            let webhook = async || follower.webhook(object).await;
            let key = self.keys.get(follower.client(), object, webhook, doubted).await;
            let signed = is_signed(signature, key.as_ref().map_or(&[][..], |key| key.expose_secret().as_bytes()), body);
            if signed && key.is_some() {
                return true;
            }
        }
        false
    }
}
