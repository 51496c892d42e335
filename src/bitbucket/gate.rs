//! The gates that all requests pass: one for each password and host, one for each server.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::door::{Door, Shut};
use super::pacer::{Pacer, UnderWay};
use super::state::ServerState;
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
    /// In lower case, as Bitbucket compares them; None for a token.
    username: Option<String>,
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
    /// Among the requests of one client.
    _slot: Option<Arc<OwnedSemaphorePermit>>,
    /// Among those that the account's pace allows for.
    _under_way: Option<Arc<UnderWay>>,
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
        let host = base.server().to_owned();
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

    /// When this user was last logged in at this host by a password that somebody uses: Bitbucket counts wrong ones anew from there on.
    pub(super) fn logged_in(&self, base: &BaseUrl, username: &str) -> Option<Instant> {
        let username = username.to_lowercase();
        let accounts = lock(&self.accounts);
        let theirs = accounts
            .iter()
            .filter(|((host, _), account)| host == base.server() && account.username.as_ref() == Some(&username));
        theirs.filter_map(|(_, account)| account.door()?.proven_at()).max()
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

    /// How all servers stand.
    pub(super) fn servers(&self) -> Vec<ServerState> {
        let servers = lock(&self.servers);
        let mut states: Vec<_> = servers
            .iter()
            .filter_map(|(server, places)| Some((server, places.upgrade()?.available_permits())))
            .map(|(server, free)| (server.clone(), self.per_host.saturating_sub(free)))
            .map(|(server, under_way)| ServerState { server, under_way, most: self.per_host })
            .collect();
        states.sort_by(|one, other| one.server.cmp(&other.server));
        states
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

    /// The same, which keeps the slot too until it is dropped.
    pub fn holding(self, slot: OwnedSemaphorePermit) -> Self {
        Self { _slot: Some(Arc::new(slot)), ..self }
    }

    /// The same, of a request that is sent now.
    pub fn departed(self, under_way: UnderWay) -> Self {
        Self { _under_way: Some(Arc::new(under_way)), ..self }
    }

    /// Makes room for others at the server.
    pub fn step_back(&mut self) {
        self.server = None;
    }
}

impl Account {
    fn new(credentials: &Credentials) -> Self {
        let username = match credentials {
            Credentials::Basic { username, .. } => Some(username.to_lowercase()),
            Credentials::Token(_) => None,
        };
        let door = username.as_ref().map(|_| Mutex::new(Door::new()));
        Self { username, door, pacer: Pacer::new() }
    }

    fn door(&self) -> Option<MutexGuard<'_, Door>> {
        self.door.as_ref().map(lock)
    }

    /// Waits until there are not too many requests of this account. Whoever is through waits for their turn next, and
    /// only then for the server, so that an account that has to wait takes no place from others.
    pub(super) async fn knock(&self) -> Result<Pass, Error> {
        let Some(slots) = self.door().map(|door| door.slots(Instant::now())) else { return Ok(Pass::default()) };
        let account = slots.map_err(refused)?.acquire_owned().await.map_err(|_| Error::GateClosed)?;
        Ok(Pass { account: Some(Arc::new(account)), ..Pass::default() })
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
            Some(Error::Transport { fault: Fault::Proxy(401) | Fault::Broken(401), .. }) => self.doubt(),
            Some(error) if !recognised && error.may_hide_a_judgement() => self.lose(),
            _ if recognised => self.prove(pass),
            _ => {}
        }
    }

    /// The server recognised the account in the answer to this pass's request.
    fn prove(&self, pass: &Pass) {
        if let (Some(mut door), Some(permit)) = (self.door(), &pass.account) {
            door.prove(permit, Instant::now());
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

    /// No answer came, or none that tells.
    fn lose(&self) {
        self.door().iter_mut().for_each(|door| door.lose());
    }

    /// Whether nobody can tell what was thought of this password the last time, so that it is left alone.
    pub fn is_doubted(&self) -> bool {
        self.door().is_some_and(|door| door.is_doubted())
    }

    /// A status says that it was doubted in an earlier process.
    pub fn remember_rest(&self) {
        self.door().iter_mut().for_each(|door| door.remember_rest());
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

    /// How it stands, in a word.
    pub(super) fn word(&self, now: Instant) -> &'static str {
        self.door().map_or("token", |door| door.word(now))
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
