//! How many requests may be in flight, and the gate that keeps a wrong password from locking the account.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pacer::Pacer;
use super::{BaseUrl, Credentials, Error, Refusal};

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
    password: bool,
    door: Mutex<Door>,
    host: Arc<Semaphore>,
    pub(super) pacer: Pacer,
}

/// Whether a password may go out, and how often at a time.
#[derive(Debug)]
struct Door {
    closed: bool,
    proven: bool,
    /// Another one after each closing: a request that has waited since before that may not go out any more.
    slots: Arc<Semaphore>,
    /// The requests for another try that were made since the password was last proven.
    requests: HashSet<[u8; 32]>,
}

/// Permission for one request, given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Pass {
    account: Option<OwnedSemaphorePermit>,
    host: Option<OwnedSemaphorePermit>,
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
        let (password, door) = (credentials.is_password(), Mutex::new(Door::default()));
        let gate = Arc::new(Account { password, door, host, pacer: Pacer::new() });
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

impl Default for Door {
    fn default() -> Self {
        // A password that nobody has proven yet goes out once at a time.
        Self { closed: false, proven: false, slots: Arc::new(Semaphore::new(1)), requests: HashSet::new() }
    }
}

impl Pass {
    /// Makes room for others at the host.
    pub(super) fn step_back(&mut self) {
        self.host = None;
    }
}

impl Door {
    /// Whether this is a permit of before the last closing.
    fn is_stale(&self, permit: &OwnedSemaphorePermit) -> bool {
        self.closed || !Arc::ptr_eq(&self.slots, permit.semaphore())
    }
}

impl Account {
    /// Waits until a request without credentials may be sent: it cannot hurt the account.
    pub(super) async fn enter_as_nobody(&self) -> Result<Pass, Error> {
        let mut pass = Pass::default();
        self.admit(&mut pass).await?;
        Ok(pass)
    }

    /// Waits until there are not too many requests of this account. Whoever is through waits for their turn next, and
    /// only then for the host, so that an account that has to wait takes no place from others.
    pub(super) async fn knock(&self) -> Result<Pass, Error> {
        if !self.password {
            return Ok(Pass::default());
        }
        let slots = {
            let door = lock(&self.door);
            if door.closed {
                return Err(Error::GateClosed);
            }
            Arc::clone(&door.slots)
        };
        let account = slots.acquire_owned().await.map_err(|_| Error::GateClosed)?;
        Ok(Pass { account: Some(account), host: None })
    }

    /// Waits until the host is not asked too much at a time.
    pub(super) async fn admit(&self, pass: &mut Pass) -> Result<(), Error> {
        pass.host = Some(Arc::clone(&self.host).acquire_owned().await.map_err(|_| Error::GateClosed)?);
        // Asked again: while this request waited, another may have found the password wrong.
        if pass.account.as_ref().is_some_and(|account| lock(&self.door).is_stale(account)) {
            return Err(Error::GateClosed);
        }
        Ok(())
    }

    /// Opens the gate wide for a proven password and closes it for a wrong one, before anybody else is let through.
    pub(super) fn judge(&self, pass: &Pass, recognised: bool, error: Option<&Error>) {
        if recognised {
            self.prove(pass);
        } else if error.and_then(Error::refusal) == Some(Refusal::WrongPassword) {
            self.close();
        }
    }

    /// The server recognised the account in the answer to this pass's request.
    fn prove(&self, pass: &Pass) {
        let Some(permit) = &pass.account else { return };
        let mut door = lock(&self.door);
        // An answer from before the closing proves nothing about the password now.
        if door.is_stale(permit) {
            return;
        }
        door.requests.clear();
        if !door.proven {
            door.proven = true;
            door.slots.add_permits(PASSWORD_REQUESTS - 1);
        }
    }

    /// The password was judged wrong: nothing is sent through here, nor by those who wait already, before
    /// somebody asks for another try. That one goes out alone again.
    pub fn close(&self) {
        if self.password {
            let mut door = lock(&self.door);
            door.slots.close();
            let requests = std::mem::take(&mut door.requests);
            *door = Door { closed: true, requests, ..Door::default() };
        }
    }

    /// Lets the password be tried once more, because a person asked for it. `request` names what the person
    /// did: of all connections that share the password and are told the same, only the first one opens.
    pub fn reopen(&self, request: &str) {
        let mut door = lock(&self.door);
        if door.requests.insert(Sha256::digest(request).into()) {
            door.closed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(gates: &Gates, password: &str) -> Arc<Account> {
        let base = BaseUrl::parse("https://git.example.com").unwrap();
        gates.account(&base, &Credentials::Basic { username: "svc".to_owned(), password: password.into() })
    }

    impl Account {
        async fn enter(&self) -> Result<Pass, Error> {
            let mut pass = self.knock().await?;
            self.admit(&mut pass).await?;
            Ok(pass)
        }

        fn free(&self) -> usize {
            lock(&self.door).slots.available_permits()
        }
    }

    #[tokio::test]
    async fn one_password_has_one_gate_and_is_tried_once_before_it_is_proven() {
        let gates = Gates::new(16);
        let (first, second) = (gate(&gates, "a"), gate(&gates, "a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &gate(&gates, "b")));
        let pass = first.enter().await.unwrap();
        assert_eq!(second.free(), 0);
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
        let pass = gate.enter().await.unwrap();
        gate.prove(&pass);
        gate.prove(&pass);
        drop(pass);
        assert_eq!(gate.free(), 4);
    }

    #[tokio::test]
    async fn a_request_for_another_try_opens_once() {
        let gates = Gates::new(16);
        let gate = gate(&gates, "a");
        // The same request may come before the gate closes: it is the same try.
        gate.reopen("monday");
        gate.close();
        gate.reopen("monday");
        assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
        gate.reopen("tuesday");
        gate.close();
        gate.reopen("monday");
        gate.reopen("tuesday");
        assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
        // A password that was good in between may be asked for in the same words.
        gate.reopen("wednesday");
        gate.prove(&gate.enter().await.unwrap());
        gate.close();
        gate.reopen("wednesday");
        gate.enter().await.unwrap();
    }

    #[tokio::test]
    async fn who_waited_while_the_gate_closed_goes_home() {
        let gates = Gates::new(1);
        let gate = gate(&gates, "a");
        let sent = gate.enter().await.unwrap();
        gate.prove(&sent);
        // One waits for the host, holding a slot; the others wait for slots, or will.
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(gate.enter())).collect();
        for entry in &mut waiting {
            assert!(futures::poll!(entry).is_pending());
        }
        gate.close();
        gate.reopen("now");
        // The late answer to what was sent before says nothing about now.
        gate.prove(&sent);
        drop(sent);
        for entry in waiting {
            assert_eq!(entry.await.unwrap_err(), Error::GateClosed);
        }
        assert_eq!(gate.free(), 1);
    }
}
