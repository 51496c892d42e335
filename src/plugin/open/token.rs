//! Whose token the operator's page is asked with.

#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request, Response};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::client::ConfigExt;
use kube::{Api, Config};
use tokio::sync::Mutex;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::cli::Failure;
use crate::kubernetes::{causes, within};
use crate::plugin::cluster::{Cluster, told, wrong};

/// How long a ServiceAccount's token is good, in seconds.
const LIFETIME: i64 = 3600;

const NO_TOKEN: &str = "the kubeconfig has no token for this user (a client certificate or a password is nothing that the operator's page \
                        could be shown): name a ServiceAccount of the namespace whose rights are enough, with --service-account NAME";
const NO_AS: &str = "--as is not possible here (or in the kubeconfig): a token says who somebody is, and nothing else. Name a \
                     ServiceAccount of the namespace that has those rights, with --service-account NAME";

/// Where the token comes from.
pub(super) enum Token {
    /// The caller's own, as kube gets it, by files and programs, and renews it.
    Own(BoxCloneSyncService<Request<Body>, Response<Option<HeaderValue>>, BoxError>),
    /// A ServiceAccount's, which the caller may ask for.
    Account(Box<Account>),
}

pub(super) struct Account {
    accounts: Api<ServiceAccount>,
    name: String,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    header: HeaderValue,
    /// From then on another one is asked for. By the wall clock: the other one stands still while a machine sleeps.
    renewed: Timestamp,
    ends: Timestamp,
}

impl Token {
    /// The caller's own.
    pub async fn own(config: &Config) -> Result<Self, Failure> {
        if config.auth_info.impersonate.is_some() {
            return Err(Failure::Usage(NO_AS.to_owned()));
        }
        let layer = config.auth_layer().map_err(|error| wrong(&causes(&error)))?;
        let layer = layer.ok_or_else(|| Failure::Usage(NO_TOKEN.to_owned()))?;
        let token = Self::Own(BoxCloneSyncService::new(layer.layer(service_fn(seen))));
        token.header().await.map_err(Failure::Usage)?;
        Ok(token)
    }

    /// The token of a ServiceAccount in the namespace, got by the caller's rights.
    pub async fn of(cluster: &Cluster, name: &str) -> Result<Self, Failure> {
        let accounts = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let account = Account { accounts, name: name.to_owned(), kept: Mutex::new(None) };
        account.header(Timestamp::now()).await.map_err(Failure::Other)?;
        Ok(Self::Account(Box::new(account)))
    }

    /// The header for one request, or what is wrong.
    pub async fn header(&self) -> Result<HeaderValue, String> {
        match self {
            Self::Own(service) => {
                let answer = service.clone().oneshot(Request::new(Body::empty())).await;
                let header = answer.map_err(|error| format!("the kubeconfig: {}", causes(&*error)))?.into_body();
                // A password would be a header too.
                header.filter(|header| header.as_bytes().starts_with(b"Bearer ")).ok_or_else(|| NO_TOKEN.to_owned())
            }
            Self::Account(account) => account.header(Timestamp::now()).await,
        }
    }
}

/// Takes a request that is never sent, for what kube has put into it.
async fn seen(request: Request<Body>) -> Result<Response<Option<HeaderValue>>, BoxError> {
    Ok(Response::new(request.headers().get(AUTHORIZATION).cloned()))
}

impl Account {
    async fn header(&self, now: Timestamp) -> Result<HeaderValue, String> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renewed) {
            return Ok(kept.header.clone());
        }
        match (self.ask(now).await, kept.as_ref()) {
            (Ok(fresh), _) => Ok(kept.insert(fresh).header.clone()),
            // There is a while left to try again in.
            (Err(_), Some(old)) if now < old.ends => Ok(old.header.clone()),
            (Err(error), _) => Err(format!("no token for the ServiceAccount {}: {error}", self.name)),
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Kept, String> {
        let spec = TokenRequestSpec { expiration_seconds: Some(LIFETIME), ..TokenRequestSpec::default() };
        let wanted = TokenRequest { spec, ..TokenRequest::default() };
        let params = PostParams::default();
        let call = self.accounts.create_token_request(&self.name, &params, &wanted);
        let answer = within(call).await.map_err(|error| told(&error).to_string())?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        let header = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
        let mut header = header.ok_or("the API server has answered with none")?;
        header.set_sensitive(true);
        // It may be another time than what was asked for.
        let seconds = answer.spec.expiration_seconds.unwrap_or(0).clamp(0, LIFETIME);
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        Ok(Kept { header, renewed: after(seconds * 4 / 5), ends: after(seconds) })
    }
}
