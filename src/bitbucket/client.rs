//! Sending one request and reading its whole answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{ACCEPT, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answer::Answer;
use super::error::{Error, Fault};
use super::gate::{Account, Gates, Pass};
use super::patience::Patience;
use super::refusal::Refusal;
use super::way::{InvalidWay, Way};
use super::{BaseUrl, Credentials, headers};

/// A page of 1,000 repositories takes about 2 MB, one of 100 commits with long messages may take more.
const BODY_LIMIT: usize = 64 << 20;

/// What a client needs beside the URL and the credentials.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests in flight at a time.
    pub concurrency: usize,
    /// How often a request is tried again, and what stops it.
    pub patience: Patience,
}

/// One account at one Bitbucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: BaseUrl,
    credentials: Credentials,
    account: Arc<Account>,
    slots: Arc<Semaphore>,
    timeout: Duration,
    patience: Patience,
    requests: Arc<AtomicU64>,
    /// The account that the first answer named.
    recognised: Arc<OnceLock<String>>,
}

/// A good answer.
pub(super) struct Reply<T> {
    /// What it holds; None for 204.
    pub value: Option<T>,
    /// The account that it names.
    pub username: Option<String>,
    /// Method and path.
    pub request: String,
}

/// Whether a request carries the credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Account,
    Nobody,
}

impl Client {
    /// A client for one account at one Bitbucket.
    pub fn new(
        gates: &Gates,
        base: BaseUrl,
        credentials: Credentials,
        way: &Way,
        options: Options,
    ) -> Result<Self, InvalidWay> {
        let http = way.client()?;
        let account = gates.account(&base, &credentials);
        let slots = Arc::new(Semaphore::new(options.concurrency.max(1)));
        let patience = options.patience;
        Ok(Self {
            http,
            base,
            credentials,
            account,
            slots,
            timeout: way.timeout,
            patience,
            requests: Arc::default(),
            recognised: Arc::default(),
        })
    }

    /// The Bitbucket that is asked.
    pub const fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The gate that the requests go through.
    pub const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// What stops the client at its next request.
    pub const fn stop(&self) -> &CancellationToken {
        &self.patience.stop
    }

    /// Requests sent so far, by this client and its clones.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends a GET, again where that may help, and reads the whole answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        identity: Identity,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Reply<T>, Error> {
        let mut url = self.base.rest(segments);
        let request = format!("GET {}", url.path());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.patience.send(|| self.once(identity, &url, &request)).await
    }

    async fn once<T: DeserializeOwned>(&self, identity: Identity, url: &Url, request: &str) -> Result<Reply<T>, Error> {
        let Ok(_slot) = self.slots.acquire().await else { return Err(Error::GateClosed) };
        let pass = match identity {
            Identity::Account => self.account.enter().await?,
            Identity::Nobody => self.account.enter_as_nobody().await?,
        };
        let mut builder = self.http.get(url.clone()).header(ACCEPT, HeaderValue::from_static("application/json"));
        if identity == Identity::Account {
            builder = self.credentials.apply(builder);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer =
            self.receive(builder).await.map_err(|fault| Error::Transport { request: request.to_owned(), fault })?;
        let mut result = answer.read(request);
        if identity == Identity::Account {
            if answer.username.as_deref().is_some_and(|name| self.is_another(name)) {
                result = Err(Error::Transport { request: request.to_owned(), fault: Fault::OtherAccount });
            } else {
                result = result.map_err(|error| self.of_these_credentials(error));
                self.judge(&pass, answer.username.is_some(), result.as_ref().err());
            }
        }
        Ok(Reply { value: result?, username: answer.username, request: request.to_owned() })
    }

    async fn receive(&self, builder: reqwest::RequestBuilder) -> Result<Answer, Fault> {
        let response = builder.send().await.map_err(|error| self.fault(&error))?;
        let found = response.headers();
        let mut answer = Answer {
            status: response.status().as_u16(),
            username: headers::username(found),
            numbered: found.contains_key("x-arequestid"),
            json: headers::is_json(found),
            retry_after: headers::retry_after(found),
            body: Vec::new(),
        };
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.fault(&error))?;
            if answer.body.len() + chunk.len() > BODY_LIMIT {
                return Err(Fault::TooLarge(BODY_LIMIT));
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    /// Whether an earlier answer named another account. One set of credentials is one account.
    fn is_another(&self, name: &str) -> bool {
        self.recognised.get_or_init(|| name.to_owned()) != name
    }

    /// A token has no password that could be judged wrong: so answered, it is nobody's.
    fn of_these_credentials(&self, error: Error) -> Error {
        match error {
            Error::Refused { request, status, refusal: Refusal::WrongPassword } if !self.credentials.is_password() => {
                Error::Refused { request, status, refusal: Refusal::Anonymous }
            }
            error => error,
        }
    }

    /// Opens the gate wide for a proven password and closes it for a wrong one, before anybody else is let
    /// through.
    fn judge(&self, pass: &Pass, recognised: bool, error: Option<&Error>) {
        if recognised {
            self.account.prove(pass);
        } else if error.and_then(Error::refusal) == Some(Refusal::WrongPassword) {
            self.account.close();
        }
    }

    fn fault(&self, error: &reqwest::Error) -> Fault {
        if caused_by_tls(error) {
            return Fault::Tls("the certificate is not trusted for this host");
        }
        if error.is_timeout() {
            Fault::Timeout(self.timeout)
        } else if error.is_dns() {
            Fault::Unreachable("the host name is not known")
        } else if error.is_connect() {
            Fault::Unreachable("the connection was refused or cut")
        } else {
            Fault::Unreachable("the connection was cut before the answer was complete")
        }
    }
}

/// Whether the TLS handshake failed. The texts of the errors are not shown: they may quote what the server sent.
fn caused_by_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    // An `io::Error` hides what it wraps from `source`.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|inner| caused_by_tls(inner))
        || error.source().is_some_and(caused_by_tls)
}
