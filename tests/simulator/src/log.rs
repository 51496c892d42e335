use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use serde::Serialize;
use tokio::sync::watch;

use crate::auth::Scheme;

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Counts from 1 and never starts again.
    pub sequence: u64,
    /// The method.
    pub method: String,
    /// The path as it was sent, context path included.
    pub path: String,
    /// The query as it was sent, without the question mark; empty if there was none.
    pub query: String,
    /// How the request said who sends it.
    pub scheme: Option<Scheme>,
    /// The login that was sent, or that the token belongs to, right or wrong.
    pub claimed_user: Option<String>,
    /// Who was recognised. Known only once the credential was checked.
    pub user: Option<String>,
    /// None as long as there is no answer.
    pub status: Option<u16>,
    /// Whether the caller went away before there was an answer.
    pub abandoned: bool,
    /// Header names in lower case with their values, but for credentials and cookies.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The value of a query parameter, still encoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// How many requests came in, remembered or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Those that were answered, by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// So many requests are remembered; a server that runs for days must not grow for days.
pub(crate) const KEPT: usize = 100_000;

/// And so many while answers are replayed, which is done to be fast.
pub(crate) const KEPT_IN_REPLAY: usize = 1_000;

#[derive(Default)]
struct Inner {
    sequence: u64,
    seen: VecDeque<Seen>,
    counts: Counts,
    /// Requests now being answered, and the most there ever were at once. The key `None` counts everyone.
    now: HashMap<Option<String>, (usize, usize)>,
}

/// What came in. Readers can wait for more.
pub(crate) struct Log {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Log {
    /// Writes down a request, and remembers the last `kept` of them. The ticket must be kept until it is answered.
    pub fn arrive(
        self: &Arc<Self>,
        request: (&Method, &Uri, &HeaderMap),
        scheme: Option<Scheme>,
        claimed: Option<String>,
        kept: usize,
    ) -> Ticket {
        let (method, uri, headers) = request;
        let mut inner = self.lock();
        inner.sequence += 1;
        inner.counts.requests += 1;
        let sequence = inner.sequence;
        for key in [None, Some(claimed.clone().unwrap_or_default())] {
            let gauge = inner.now.entry(key).or_default();
            gauge.0 += 1;
            gauge.1 = gauge.1.max(gauge.0);
        }
        inner.seen.push_back(Seen {
            sequence,
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            scheme,
            claimed_user: claimed.clone(),
            user: None,
            status: None,
            abandoned: false,
            headers: harmless(headers),
        });
        let surplus = inner.seen.len().saturating_sub(kept);
        inner.seen.drain(..surplus);
        drop(inner);
        self.notify();
        Ticket { log: Arc::clone(self), sequence, claimed }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.iter().cloned().collect()
    }

    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Forgets what came in, and the gauges' maxima. Sequence numbers go on.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.seen.clear();
        inner.counts = Counts::default();
        inner.now.retain(|_, gauge| gauge.0 > 0);
        for gauge in inner.now.values_mut() {
            gauge.1 = gauge.0;
        }
        drop(inner);
        self.notify();
    }

    /// The most requests at once: of everyone, or of one user ("" is nobody).
    pub fn most_at_once(&self, user: Option<&str>) -> usize {
        self.lock().now.get(&user.map(str::to_owned)).map_or(0, |gauge| gauge.1)
    }

    /// Waits until `enough` says so of what was seen. Asked again after every arrival and every answer.
    pub async fn until(&self, mut enough: impl FnMut(&[Seen]) -> bool) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if enough(self.lock().seen.make_contiguous()) {
                return;
            }
            // The sender lives as long as the log.
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn update(&self, sequence: u64, change: impl FnOnce(&mut Seen)) {
        let mut inner = self.lock();
        // Sequence numbers are ascending, whatever was cleared.
        if let Ok(at) = inner.seen.binary_search_by_key(&sequence, |seen| seen.sequence) {
            change(&mut inner.seen[at]);
        }
        drop(inner);
        self.notify();
    }

    fn notify(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. Dropped without an answer, the caller has gone.
pub(crate) struct Ticket {
    log: Arc<Log>,
    pub sequence: u64,
    claimed: Option<String>,
}

impl Ticket {
    pub fn recognised(&self, user: &str) {
        self.log.update(self.sequence, |seen| seen.user = Some(user.to_owned()));
    }

    pub fn answered(&self, status: u16) {
        *self.log.lock().counts.statuses.entry(status).or_default() += 1;
        self.log.update(self.sequence, |seen| seen.status = Some(status));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.log.lock();
        for key in [None, Some(self.claimed.clone().unwrap_or_default())] {
            if let Some(gauge) = inner.now.get_mut(&key) {
                gauge.0 = gauge.0.saturating_sub(1);
            }
        }
        drop(inner);
        self.log.update(self.sequence, |seen| seen.abandoned = seen.status.is_none());
    }
}

fn harmless(headers: &HeaderMap) -> Vec<(String, String)> {
    let secret =
        |name: &HeaderName| [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name);
    let pairs = headers.iter().filter(|(name, _)| !secret(name));
    pairs.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
