//! What all clients of a process share: the limits towards hosts and accounts, the addresses that are not
//! connected to, and the connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use reqwest::redirect;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::bounds::LARGE_BODIES;
use super::client::{Client, Options};
use super::gate::{Account, Gates, Server};
use super::metrics::Metrics;
use super::resolver::Resolver;
use super::way::{InvalidWay, Way};
use super::{BaseUrl, Credentials};
use crate::runtime::lead::Lead;
use crate::trust::Addresses;

/// Makes the clients of a process.
#[derive(Debug)]
pub struct Clients {
    gates: Gates,
    addresses: Arc<Addresses>,
    lead: Lead,
    /// Trust in authorities takes milliseconds and memory to set up: once for each way, not for each connection.
    connections: Mutex<HashMap<[u8; 32], Weak<reqwest::Client>>>,
    large_bodies: Arc<Semaphore>,
    metrics: Metrics,
}

impl Clients {
    /// Clients that send at most `per_host` requests at a time to one host, whoever sends them, and connect to
    /// these addresses only.
    pub fn new(per_host: usize, addresses: Addresses) -> Arc<Self> {
        Self::led(per_host, addresses, Lead::alone(), Metrics::default())
    }

    /// Clients that send something only while `lead` holds, and count it.
    pub fn led(per_host: usize, addresses: Addresses, lead: Lead, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            gates: Gates::new(per_host),
            addresses: Arc::new(addresses),
            lead,
            connections: Mutex::default(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            metrics,
        })
    }

    /// A client for one account at one Bitbucket.
    pub fn client(
        self: &Arc<Self>,
        base: BaseUrl,
        credentials: Credentials,
        way: &Way,
        options: Options,
    ) -> Result<Client, InvalidWay> {
        Ok(Client::new(Arc::clone(self), self.connections(way)?, base, credentials, way, options))
    }

    /// The gate of these credentials at this Bitbucket.
    pub fn account(&self, base: &BaseUrl, credentials: &Credentials) -> Arc<Account> {
        self.gates.account(base, credentials)
    }

    /// When this user was last logged in at the Bitbucket of this host, by whoever uses these clients.
    pub fn logged_in(&self, base: &BaseUrl, username: &str) -> Option<Instant> {
        self.gates.logged_in(base, username)
    }

    /// The places at this server.
    pub(super) fn server(&self, base: &BaseUrl) -> Server {
        self.gates.server(base)
    }

    /// Room for bodies that are not small: what is read at a time is bounded for the whole process.
    pub(super) const fn large_bodies(&self) -> &Arc<Semaphore> {
        &self.large_bodies
    }

    pub(super) const fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The addresses that are connected to.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Whether this process may ask.
    pub(super) const fn lead(&self) -> &Lead {
        &self.lead
    }

    /// The connections of a way, which live as long as somebody holds them.
    fn connections(&self, way: &Way) -> Result<Arc<reqwest::Client>, InvalidWay> {
        // The map is whole between any two statements.
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, connections| connections.strong_count() > 0);
        let entry = all.entry(way.fingerprint()).or_default();
        if let Some(connections) = entry.upgrade() {
            return Ok(connections);
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("bitbucket-connector/", env!("CARGO_PKG_VERSION")))
            // Credentials go to one origin. Where a redirect leads is judged by who reads the answer.
            .redirect(redirect::Policy::none())
            .dns_resolver(Resolver(Arc::clone(&self.addresses)));
        let connections = Arc::new(way.apply(builder)?.build().map_err(|_| InvalidWay::NoAuthorities)?);
        *entry = Arc::downgrade(&connections);
        Ok(connections)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::bitbucket::{Fault, Patience, Proxy};

    #[test]
    fn the_connections_of_one_way_are_shared_while_somebody_holds_them() {
        crate::runtime::tls::install();
        let clients = Clients::new(16, Addresses::all());
        let way = Way::new(Duration::from_secs(1));
        let first = clients.connections(&way).unwrap();
        assert!(Arc::ptr_eq(&first, &clients.connections(&Way::new(Duration::from_secs(2))).unwrap()));
        let proxy = Proxy::new("http://proxy.example.com", None).unwrap();
        let other = clients.connections(&Way { proxy: Some(proxy), ..way.clone() }).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        drop((first, other));
        clients.connections(&way).unwrap();
        assert_eq!(clients.connections.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_others_does_not_take_the_server_for_slow() {
        crate::runtime::tls::install();
        let clients = Clients::new(16, Addresses::all());
        let base = BaseUrl::parse("https://git.example.com").unwrap();
        let patience = Patience { stop: CancellationToken::new(), waits: &[] };
        let (options, timeout) = (Options { concurrency: 1, patience, reopen: None }, Duration::from_secs(30));
        let client =
            clients.client(base, Credentials::Token("tok-hunter2".into()), &Way::new(timeout), options).unwrap();
        let room = Arc::clone(clients.large_bodies());
        let others = room.acquire_many_owned(u32::try_from(LARGE_BODIES).unwrap()).await.unwrap();
        assert_eq!(client.room_for_a_large_body().await.unwrap_err(), Fault::Crowded(timeout));
        drop(others);
        drop(client.room_for_a_large_body().await.unwrap());
    }
}
