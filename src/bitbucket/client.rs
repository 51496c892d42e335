//! Sending one request and reading its whole answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answer::Answer;
use super::clients::Clients;
use super::error::{Error, Fault, Hop};
use super::gate::{Account, Pass};
use super::patience::Patience;
use super::place::Place;
use super::refusal::Refusal;
use super::way::Way;
use super::{BaseUrl, Credentials, fault, headers};

/// A page of 1,000 repositories takes about 2 MB, one of 100 commits with long messages may take more.
const BODY_LIMIT: usize = 64 << 20;

/// What a client needs beside the URL and the credentials.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests in flight at a time.
    pub concurrency: usize,
    /// How often a request is tried again, and what stops it.
    pub patience: Patience,
    /// What a person did to have a password tried once more that was judged wrong.
    pub reopen: Option<String>,
}

/// One account at one Bitbucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    clients: Arc<Clients>,
    http: Arc<reqwest::Client>,
    given: Place,
    /// Where the given place turned out to be; None: just there.
    learned: Arc<OnceLock<Option<Place>>>,
    /// What is connected to, and whether its address is refused.
    hop: Hop,
    denied: Option<Hop>,
    credentials: Credentials,
    slots: Arc<Semaphore>,
    timeout: Duration,
    patience: Patience,
    reopen: Option<String>,
    requests: Arc<AtomicU64>,
    /// The account that the first answer named.
    recognised: Arc<OnceLock<String>>,
    /// Whether it was proven by an answer that does not name it.
    nameless: Arc<AtomicBool>,
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
    /// The account, where nobody else is answered: a good answer proves it.
    Proof,
    Nobody,
}

impl Client {
    pub(super) fn new(
        clients: Arc<Clients>,
        http: Arc<reqwest::Client>,
        base: BaseUrl,
        credentials: Credentials,
        way: &Way,
        options: Options,
    ) -> Self {
        // An address that is given as such is not looked up, so it is judged here.
        let refused = |address: Option<_>| address.is_some_and(|address| !clients.addresses().allow(address));
        let (hop, denied) = match &way.proxy {
            Some(proxy) => (Hop::Proxy, refused(proxy.literal()).then_some(Hop::Proxy)),
            None => (Hop::Host, None),
        };
        let denied = refused(base.literal()).then_some(Hop::Host).or(denied);
        let Options { concurrency, patience, reopen } = options;
        let given = Place::new(&clients, base, &credentials, reopen.as_deref());
        Self {
            clients,
            http,
            given,
            learned: Arc::default(),
            hop,
            denied,
            credentials,
            slots: Arc::new(Semaphore::new(concurrency.max(1))),
            timeout: way.timeout,
            patience,
            reopen,
            requests: Arc::default(),
            recognised: Arc::default(),
            nameless: Arc::default(),
        }
    }

    /// The Bitbucket that is asked.
    pub fn base(&self) -> &BaseUrl {
        &self.place().base
    }

    /// Whether the URL was given with http, and the server wants https.
    pub fn moved_to_https(&self) -> bool {
        matches!(self.learned.get(), Some(Some(_)))
    }

    pub(super) fn place(&self) -> &Place {
        self.learned.get().and_then(Option::as_ref).unwrap_or(&self.given)
    }

    /// Whether it is known that this is the place.
    pub(super) fn is_settled(&self) -> bool {
        self.learned.get().is_some()
    }

    /// This is the place, unless another was learned before.
    pub(super) fn settle(&self, elsewhere: Option<BaseUrl>) {
        self.learned.get_or_init(|| {
            elsewhere.map(|base| Place::new(&self.clients, base, &self.credentials, self.reopen.as_deref()))
        });
    }

    /// Whether the account was proven, although something on the way keeps its name from us.
    pub(super) fn is_proven_without_name(&self) -> bool {
        self.nameless.load(Ordering::Relaxed)
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
        let place = match identity {
            Identity::Account | Identity::Proof => Box::pin(self.settled()).await?,
            Identity::Nobody => self.place(),
        };
        let mut url = place.base.rest(segments);
        let request = format!("GET {}", url.path());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.patience.send(|| self.once(identity, &place.account, &url, &request)).await
    }

    async fn once<T: DeserializeOwned>(
        &self,
        identity: Identity,
        account: &Account,
        url: &Url,
        request: &str,
    ) -> Result<Reply<T>, Error> {
        let broken = |fault| Error::Transport { request: request.to_owned(), fault };
        if let Some(hop) = self.denied {
            return Err(broken(Fault::Denied(hop)));
        }
        let Ok(_slot) = self.slots.acquire().await else { return Err(Error::GateClosed) };
        let pass = match identity {
            Identity::Account | Identity::Proof => account.enter().await?,
            Identity::Nobody => account.enter_as_nobody().await?,
        };
        let accept = HeaderValue::from_static("application/json");
        let mut builder = self.http.get(url.clone()).header(ACCEPT, accept).timeout(self.timeout);
        if identity != Identity::Nobody {
            builder = self.credentials.apply(builder);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.receive(builder, url).await.map_err(broken)?;
        let mut result = answer.read(request);
        if identity != Identity::Nobody {
            if answer.username.as_deref().is_some_and(|name| self.is_another(name)) {
                result = Err(broken(Fault::OtherAccount));
            } else {
                result = result.map_err(|error| self.of_these_credentials(error));
                let (named, proven) = (answer.username.is_some(), identity == Identity::Proof && result.is_ok());
                if proven {
                    self.nameless.store(!named, Ordering::Relaxed);
                }
                judge(account, &pass, named || proven, result.as_ref().err());
            }
        }
        Ok(Reply { value: result?, username: answer.username, request: request.to_owned() })
    }

    async fn receive(&self, builder: reqwest::RequestBuilder, url: &Url) -> Result<Answer, Fault> {
        let fault = |error| fault::of(&error, self.hop, self.timeout);
        let response = builder.send().await.map_err(fault)?;
        let found = response.headers();
        let mut answer = Answer {
            status: response.status().as_u16(),
            username: headers::username(found),
            numbered: found.contains_key("x-arequestid"),
            json: headers::is_json(found),
            retry_after: headers::retry_after(found),
            https: found.get(LOCATION).and_then(|to| headers::port_of_https(url, to)),
            body: Vec::new(),
        };
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let broken = Fault::Broken(answer.status);
            let chunk = chunk.map_err(|error| if fault::is_malformed(&error) { broken } else { fault(error) })?;
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
}

/// Opens the gate wide for a proven password and closes it for a wrong one, before anybody else is let
/// through.
fn judge(account: &Account, pass: &Pass, recognised: bool, error: Option<&Error>) {
    if recognised {
        account.prove(pass);
    } else if error.and_then(Error::refusal) == Some(Refusal::WrongPassword) {
        account.close();
    }
}
