//! The gates that all requests pass: one for each password and host, one for each server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::door::{Door, Shut};
use super::pacer::Pacer;
use super::{BaseUrl, Credentials, Error, Fault, Refusal};

/// Passwords that were judged wrong and that nobody uses now are remembered up to this number.
const REMEMBERED: usize = 1000;

/// Host, whatever the port, and fingerprint of the credentials.
type Key = (String, [u8; 32]);

/// All gates of the process.
#[derive(Debug)]
pub struct Gates {
    per_host: usize,
    servers: Mutex<HashMap<String, Weak<Semaphore>>>,
    accounts: Mutex<HashMap<Key, Arc<Account>>>,
}

/// One set of credentials at one host.
#[derive(Debug)]
pub struct Account {
    /// None for a token, which no failed login locks.
    door: Option<Mutex<Door>>,
    pub(super) pacer: Pacer,
}

/// Places for requests at one server, whoever sends them.
pub(super) type Server = Arc<Semaphore>;

/// Permission for one request, given back when it and its clones are dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    account: Option<Arc<OwnedSemaphorePermit>>,
    server: Option<Arc<OwnedSemaphorePermit>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two statements: a panic elsewhere leaves nothing half done in them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gates {
    /// Gates that let at most `per_host` requests at a time reach one server, whoever sends them.
    pub fn new(per_host: usize) -> Self {
        Self { per_host: per_host.max(1), servers: Mutex::default(), accounts: Mutex::default() }
    }

    /// The gate of these credentials at this host, the same one for all who ask: the same password at another port, or by
    /// http, is a login of the same account.
    pub fn account(&self, base: &BaseUrl, credentials: &Credentials) -> Arc<Account> {
        let host = base.host().trim_end_matches('.').to_owned();
        let mut accounts = lock(&self.accounts);
        let now = Instant::now();
        // A password that was judged wrong is not forgotten because its connection was made anew.
        let mut shut = 0;
        accounts.retain(|_, account| {
            let idle = Arc::strong_count(account) == 1;
            shut += usize::from(idle && account.is_shut(now));
            !idle || (account.is_shut(now) && shut <= REMEMBERED)
        });
        Arc::clone(
            accounts.entry((host, credentials.fingerprint())).or_insert_with(|| Arc::new(Account::new(credentials))),
        )
    }

    /// The places at this server.
    pub(super) fn server(&self, base: &BaseUrl) -> Server {
        let mut servers = lock(&self.servers);
        servers.retain(|_, server| server.strong_count() > 0);
        let entry = servers.entry(base.origin()).or_default();
        if let Some(server) = entry.upgrade() {
            return server;
        }
        let server = Arc::new(Semaphore::new(self.per_host));
        *entry = Arc::downgrade(&server);
        server
    }
}

impl Pass {
    /// Waits until a request without credentials may be sent: it cannot hurt an account.
    pub async fn of_nobody(server: &Server) -> Result<Self, Error> {
        let mut pass = Self::default();
        pass.admit(server).await?;
        Ok(pass)
    }

    async fn admit(&mut self, server: &Server) -> Result<(), Error> {
        let place = Arc::clone(server).acquire_owned().await.map_err(|_| Error::GateClosed)?;
        self.server = Some(Arc::new(place));
        Ok(())
    }

    /// Makes room for others at the server.
    pub fn step_back(&mut self) {
        self.server = None;
    }
}

impl Account {
    fn new(credentials: &Credentials) -> Self {
        Self { door: credentials.is_password().then(|| Mutex::new(Door::new())), pacer: Pacer::new() }
    }

    fn door(&self) -> Option<MutexGuard<'_, Door>> {
        self.door.as_ref().map(lock)
    }

    /// Waits until there are not too many requests of this account. Whoever is through waits for their turn next, and
    /// only then for the server, so that an account that has to wait takes no place from others.
    pub(super) async fn knock(&self) -> Result<Pass, Error> {
        let Some(slots) = self.door().map(|door| door.slots(Instant::now())) else { return Ok(Pass::default()) };
        let account = slots.map_err(refused)?.acquire_owned().await.map_err(|_| Error::GateClosed)?;
        Ok(Pass { account: Some(Arc::new(account)), server: None })
    }

    /// Waits until the server is not asked too much at a time.
    pub(super) async fn admit(&self, pass: &mut Pass, server: &Server) -> Result<(), Error> {
        pass.admit(server).await?;
        match (self.door(), &pass.account) {
            // Asked again: while this request waited, another may have found the password wrong.
            (Some(door), Some(account)) => door.admits(account, Instant::now()).map_err(refused),
            _ => Ok(()),
        }
    }

    /// Opens the gate wide for a proven password and closes it for a wrong one, before anybody else is let through.
    /// Whoever the answer names, a password that was judged wrong is wrong.
    pub(super) fn judge(&self, pass: &Pass, recognised: bool, error: Option<&Error>) {
        match error {
            Some(Error::Refused { refusal: Refusal::WrongPassword, .. }) => self.close(),
            Some(Error::Transport { fault: Fault::Proxy(401), .. }) => self.doubt(),
            _ if recognised => self.prove(pass),
            _ => {}
        }
    }

    /// The server recognised the account in the answer to this pass's request.
    fn prove(&self, pass: &Pass) {
        if let (Some(mut door), Some(permit)) = (self.door(), &pass.account) {
            door.prove(permit);
        }
    }

    /// The password was judged wrong.
    fn close(&self) {
        self.door().iter_mut().for_each(|door| door.close());
    }

    /// It may have been: something in front of Bitbucket has answered 401.
    fn doubt(&self) {
        self.door().iter_mut().for_each(|door| door.doubt(Instant::now()));
    }

    /// A status says that this password was judged wrong before.
    pub fn remember(&self) {
        self.door().iter_mut().for_each(|door| door.remember());
    }

    /// A status says that the last verification with this password was a good one.
    pub fn vouch(&self) {
        self.door().iter_mut().for_each(|door| door.vouch());
    }

    /// Whether the server has recognised the account by this password, and has not judged it wrong since.
    pub fn is_proven(&self) -> bool {
        self.door().is_some_and(|door| door.is_proven())
    }

    fn is_shut(&self, now: Instant) -> bool {
        self.door().is_some_and(|door| door.is_shut(now))
    }

    /// Lets the password be tried once more, because a person asked for it. `request` names what the person did.
    pub fn reopen(&self, request: &str) {
        self.door().iter_mut().for_each(|door| door.reopen(request));
    }
}

const fn refused(shut: Shut) -> Error {
    match shut {
        Shut::Wrong => Error::GateClosed,
        Shut::Resting => Error::GateResting,
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
            self.enter_at(&Arc::new(Semaphore::new(16))).await
        }

        async fn enter_at(&self, server: &Server) -> Result<Pass, Error> {
            let mut pass = self.knock().await?;
            self.admit(&mut pass, server).await?;
            Ok(pass)
        }

        fn free(&self) -> usize {
            self.door().unwrap().slots(Instant::now()).unwrap().available_permits()
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
        let gate = gate(&Gates::new(1), "a");
        let server = Arc::new(Semaphore::new(1));
        let sent = gate.enter_at(&server).await.unwrap();
        gate.prove(&sent);
        // One waits for the server, holding a slot; the others wait for slots, or will.
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(gate.enter_at(&server))).collect();
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

    #[tokio::test]
    async fn a_wrong_password_is_not_forgotten_and_is_the_same_at_every_port() {
        let gates = Gates::new(16);
        let credentials = Credentials::Basic { username: "svc".to_owned(), password: "a".into() };
        let at = |url: &str| gates.account(&BaseUrl::parse(url).unwrap(), &credentials);
        at("https://git.example.com").close();
        for url in ["http://git.example.com", "https://GIT.example.com:8443/x", "https://git.example.com."] {
            assert_eq!(at(url).enter().await.unwrap_err(), Error::GateClosed, "{url}");
        }
        at("https://other.example.com").enter().await.unwrap();
        assert_eq!(lock(&gates.accounts).len(), 2);
        (0..REMEMBERED * 2).for_each(|number| gate(&gates, &number.to_string()).close());
        assert!(lock(&gates.accounts).len() <= REMEMBERED + 2, "a bounded number of them");
    }

    #[tokio::test]
    async fn what_a_status_remembers_counts_less_than_what_is_known() {
        let gates = Gates::new(16);
        let (unknown, vouched, proven) = (gate(&gates, "a"), gate(&gates, "b"), gate(&gates, "c"));
        unknown.remember();
        assert_eq!(unknown.enter().await.unwrap_err(), Error::GateClosed);
        unknown.vouch();
        unknown.enter().await.unwrap();
        vouched.vouch();
        vouched.remember();
        vouched.enter().await.unwrap();
        proven.prove(&proven.enter().await.unwrap());
        proven.remember();
        assert!(proven.is_proven());
        // Judged wrong now, all of it is past.
        for gate in [unknown, vouched, proven] {
            gate.close();
            gate.vouch();
            assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
            assert!(!gate.is_proven());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_something_else_answers_is_left_alone_after_four_at_the_most() {
        let gate = gate(&Gates::new(16), "a");
        gate.prove(&gate.enter().await.unwrap());
        let mut sent = Vec::new();
        for _ in 0..4 {
            sent.push(gate.enter().await.unwrap());
        }
        gate.doubt();
        drop(sent);
        assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting, "the others come back first");
        (0..3).for_each(|_| gate.doubt());
        tokio::time::advance(std::time::Duration::from_hours(23)).await;
        assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting);
        gate.reopen("now");
        gate.prove(&gate.enter().await.unwrap());
        gate.doubt();
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        gate.enter().await.unwrap();
    }
}
