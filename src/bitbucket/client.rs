//! Sending one request and reading its whole answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answerable, Reply};
use super::clients::Clients;
use super::endpoints::{Endpoint, Identity};
use super::error::{Error, Fault, Hop};
use super::exchange::Question;
use super::gate::Pass;
use super::metrics::Metrics;
use super::pacer::Turn;
use super::patience::Patience;
use super::place::Place;
use super::rate::Rate;
use super::way::Way;
use super::{BaseUrl, Credentials};

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
    /// What the client's user allows for.
    rate: Arc<Rate>,
    timeout: Duration,
    patience: Patience,
    /// A larger body of a good answer is refused, whatever is asked for. Bytes.
    largest: usize,
    reopen: Option<String>,
    requests: Arc<AtomicU64>,
    credentials_sent: Arc<AtomicBool>,
    /// The account that the first answer named.
    recognised: Arc<OnceLock<String>>,
    /// Whether it was proven by an answer that does not name it.
    nameless: Arc<AtomicBool>,
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
        let rate = Arc::default();
        let given = Place::new(&clients, base, &credentials, reopen.as_deref(), &rate);
        Self {
            clients,
            http,
            given,
            learned: Arc::default(),
            hop,
            denied,
            credentials,
            slots: Arc::new(Semaphore::new(concurrency.max(1))),
            rate,
            timeout: way.timeout,
            patience,
            largest: usize::MAX,
            reopen,
            requests: Arc::default(),
            credentials_sent: Arc::default(),
            recognised: Arc::default(),
            nameless: Arc::default(),
        }
    }

    /// The client of a user who allows for this rate.
    #[must_use]
    pub fn paced(mut self, rate: Rate) -> Self {
        self.rate = Arc::new(rate);
        self.place().account.pacer.join(&self.rate);
        self
    }

    /// The same, for what can be done without: nothing is tried again, and answers of more than `largest` bytes are refused.
    #[must_use]
    pub fn impatient(&self, largest: usize) -> Self {
        Self { patience: Patience { waits: &[], ..self.patience.clone() }, largest, ..self.clone() }
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
            elsewhere.map(|base| Place::new(&self.clients, base, &self.credentials, self.reopen.as_deref(), &self.rate))
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

    /// Whether credentials went out, by this client and its clones.
    pub fn has_sent_credentials(&self) -> bool {
        self.credentials_sent.load(Ordering::Relaxed)
    }

    /// Whether the account is told by a password, and not by a token.
    pub const fn has_password(&self) -> bool {
        self.credentials.is_password()
    }

    /// Whether the server has recognised the account by these credentials, and has not judged them wrong since.
    pub fn is_proven(&self) -> bool {
        self.place().account.is_proven()
    }

    /// Sends a GET, again where that may help, and reads the whole answer.
    pub(super) async fn get<T: Answerable>(
        &self,
        endpoint: Endpoint,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Reply<T>, Error> {
        let place = match endpoint.identity() {
            Identity::Account | Identity::Proof => Box::pin(self.settled()).await?,
            Identity::Nobody => self.place(),
        };
        let mut url = place.base.rest(segments);
        let request = format!("GET {}", url.path());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let question = Question { endpoint, url, request, largest: T::LARGEST.min(self.largest) };
        self.patience.send(|| self.once(place, question.clone())).await
    }

    async fn once<T: Answerable>(&self, place: &Place, question: Question) -> Result<Reply<T>, Error> {
        if let Some(hop) = self.denied {
            return Err(Error::Transport { request: question.request, fault: Fault::Denied(hop) });
        }
        let waiting = Instant::now();
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return Err(Error::GateClosed) };
        let pass = match question.endpoint.identity() {
            Identity::Account | Identity::Proof => self.enter(place).await?,
            Identity::Nobody => Pass::of_nobody(&place.server).await?,
        };
        self.metrics().waited(waiting.elapsed());
        self.exchange(&place.account, pass.holding(slot), question).await
    }

    /// Waits until a request with the credentials may be sent, and learns before what the account may send.
    async fn enter(&self, Place { account, server, .. }: &Place) -> Result<Pass, Error> {
        let mut pass = account.knock().await?;
        loop {
            let turn = account.pacer.turn().await;
            account.admit(&mut pass, server).await?;
            match turn {
                Turn::Ask(question) => account.pacer.learn(question, self.budget(account, &pass).await),
                Turn::Go => {
                    if let Some(under_way) = account.pacer.depart() {
                        return Ok(pass.departed(under_way));
                    }
                    // While it waited for the server, that has asked for a pause.
                }
            }
            pass.step_back();
        }
    }

    /// The account was proven, which is asked for only where an answer did not name it.
    pub(super) fn proven(&self) {
        self.nameless.store(true, Ordering::Relaxed);
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) const fn hop(&self) -> Hop {
        self.hop
    }

    pub(super) fn sent_requests(&self) -> &AtomicU64 {
        &self.requests
    }

    pub(super) fn sends_credentials(&self) {
        self.credentials_sent.store(true, Ordering::Relaxed);
    }

    pub(super) fn metrics(&self) -> &Metrics {
        self.clients.metrics()
    }

    /// Whether this process may ask.
    pub(super) fn leads(&self) -> bool {
        self.clients.lead().holds()
    }

    /// Waits for room to read more than a small body, as long as a request may take.
    pub(super) async fn room_for_a_large_body(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let room = Arc::clone(self.clients.large_bodies()).acquire_owned();
        match tokio::time::timeout(self.timeout, room).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(Fault::Crowded(self.timeout)),
        }
    }

    /// The account, as far as an answer has named it.
    pub(super) fn recognised(&self) -> Option<&str> {
        self.recognised.get().map(String::as_str)
    }

    /// Whether an earlier answer named another account. One set of credentials is one account.
    pub(super) fn is_another(&self, name: &str) -> bool {
        self.recognised.get_or_init(|| name.to_owned()) != name
    }
}
