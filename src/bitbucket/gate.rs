//! How many requests may be in flight, and the gate that keeps a wrong password from locking the account.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BaseUrl, Credentials, Error};

/// Bitbucket's CAPTCHA locks an account at the fifth wrong password in a row.
const PASSWORD_REQUESTS: usize = 4;

/// Origin, and fingerprint of the credentials.
type Key = (String, [u8; 32]);

/// All gates of the process: one per account and host, and one per host.
#[derive(Debug)]
pub struct Gates {
    per_host: usize,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    accounts: Mutex<HashMap<Key, Weak<Account>>>,
}

/// One set of credentials at one host.
#[derive(Debug)]
pub struct Account {
    closed: AtomicBool,
    proven: AtomicBool,
    password: bool,
    slots: Arc<Semaphore>,
    host: Arc<Semaphore>,
}

/// Permission for one request, given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    _account: Option<OwnedSemaphorePermit>,
    _host: OwnedSemaphorePermit,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two statements: a panic elsewhere leaves nothing half done in them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gates {
    /// Gates that let at most `per_host` requests at a time reach one host, whoever sends them.
    pub fn new(per_host: usize) -> Self {
        Self { per_host: per_host.max(1), hosts: Mutex::default(), accounts: Mutex::default() }
    }

    /// The gate of these credentials at this host; the same one for all who ask while somebody holds it.
    pub fn account(&self, base: &BaseUrl, credentials: &Credentials) -> Arc<Account> {
        let host = self.host(base);
        let mut accounts = lock(&self.accounts);
        accounts.retain(|_, gate| gate.strong_count() > 0);
        let entry = accounts.entry((base.origin(), credentials.fingerprint())).or_default();
        if let Some(gate) = entry.upgrade() {
            return gate;
        }
        let gate = Arc::new(Account {
            closed: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            password: credentials.is_password(),
            // A password that nobody has proven yet goes out once at a time.
            slots: Arc::new(Semaphore::new(1)),
            host,
        });
        *entry = Arc::downgrade(&gate);
        gate
    }

    fn host(&self, base: &BaseUrl) -> Arc<Semaphore> {
        let mut hosts = lock(&self.hosts);
        hosts.retain(|_, host| host.strong_count() > 0);
        let entry = hosts.entry(base.origin()).or_default();
        if let Some(host) = entry.upgrade() {
            return host;
        }
        let host = Arc::new(Semaphore::new(self.per_host));
        *entry = Arc::downgrade(&host);
        host
    }
}

impl Account {
    /// Waits until a request without credentials may be sent: it cannot hurt the account.
    pub(super) async fn enter_as_nobody(&self) -> Result<Pass, Error> {
        let host = Arc::clone(&self.host).acquire_owned().await.map_err(|_| Error::GateClosed)?;
        Ok(Pass { _account: None, _host: host })
    }

    /// Waits until a request with the credentials may be sent.
    pub(super) async fn enter(&self) -> Result<Pass, Error> {
        let account = if self.password {
            Some(Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Error::GateClosed)?)
        } else {
            None
        };
        let host = Arc::clone(&self.host).acquire_owned().await.map_err(|_| Error::GateClosed)?;
        // Asked only now: while this request waited, another may have found the password wrong.
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::GateClosed);
        }
        Ok(Pass { _account: account, _host: host })
    }

    /// The server recognised the account.
    pub(super) fn prove(&self) {
        if !self.proven.swap(true, Ordering::SeqCst) {
            self.slots.add_permits(PASSWORD_REQUESTS - 1);
        }
    }

    /// The server judged the password wrong: nothing is sent through here again.
    pub fn close(&self) {
        if self.password {
            self.closed.store(true, Ordering::SeqCst);
        }
    }

    /// Lets the password be tried once more, because a person asked for it.
    pub fn reopen(&self, _request: &str) {
        self.closed.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(gates: &Gates, password: &str) -> Arc<Account> {
        let base = BaseUrl::parse("https://git.example.com").unwrap();
        gates.account(&base, &Credentials::Basic { username: "svc".to_owned(), password: password.into() })
    }

    #[tokio::test]
    async fn one_password_has_one_gate_and_is_tried_once_before_it_is_proven() {
        let gates = Gates::new(16);
        let (first, second) = (gate(&gates, "a"), gate(&gates, "a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &gate(&gates, "b")));
        let pass = first.enter().await.unwrap();
        assert_eq!(second.slots.available_permits(), 0);
        first.close();
        drop(pass);
        assert_eq!(second.enter().await.unwrap_err(), Error::GateClosed);
        second.reopen("now");
        second.enter().await.unwrap();
    }

    #[tokio::test]
    async fn a_proven_password_has_at_most_four_requests_in_flight() {
        let gates = Gates::new(16);
        let gate = gate(&gates, "a");
        gate.prove();
        gate.prove();
        assert_eq!(gate.slots.available_permits(), 4);
    }
}
