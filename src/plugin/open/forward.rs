//! Connections to the operator's Pod, by the API server's port-forwarding.

#[cfg(test)]
mod tests;

use std::sync::Mutex;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::io::DuplexStream;

use super::pods::{Place, holds, places};
use super::way::Error;
use crate::cli::Failure;
use crate::kubernetes::within;
use crate::plugin::cluster::told;
use crate::plugin::report::OPERATOR;

const NONE: &str = "no running Pod of a bitbucket-connector with a port named page is found";
const HERE: &str = "Name the namespace where the operator runs with --operator-namespace, and see that its page is switched on \
                    (page.enabled); or name an address of this machine with --address.";

/// The operator's Pods. They are not looked for: whoever may make a Pod somewhere could call it so, and would be sent the token.
pub(super) struct Forward {
    client: Client,
    namespace: String,
    chosen: Mutex<Chosen>,
}

#[derive(Default)]
struct Chosen {
    /// The Pod that new connections go to.
    place: Option<Place>,
    number: u64,
    /// Those that only stand by, as far as is known.
    standing_by: Vec<String>,
    /// Those that there were when one was chosen.
    known: Vec<String>,
}

impl Forward {
    /// Looks for them where they are said to be, and nowhere else.
    pub async fn find(client: Client, namespace: &str) -> Result<Self, Failure> {
        let forward = Self { client, namespace: namespace.to_owned(), chosen: Mutex::default() };
        let pods = forward.pods().await.map_err(|error| {
            Failure::Other(format!("the Pods of namespace {namespace} cannot be listed: {}. {HERE}", told(&error)))
        })?;
        if places(&pods).is_empty() {
            return Err(Failure::Other(format!("{NONE} in namespace {namespace}. {HERE}")));
        }
        Ok(forward)
    }

    async fn pods(&self) -> Result<Vec<Pod>, crate::kubernetes::Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(within(pods.list(&ListParams::default().labels(OPERATOR))).await?.items)
    }

    pub fn number(&self) -> u64 {
        self.chosen().number
    }

    /// The Pod of this number only stands by. Whether there is another one to ask.
    pub fn stands_by(&self, number: u64) -> bool {
        let mut chosen = self.chosen();
        if number != chosen.number {
            return true;
        }
        chosen.number += 1;
        let place = chosen.place.take();
        chosen.standing_by.extend(place.map(|place| place.name));
        let others = chosen.known.iter().any(|name| !chosen.standing_by.contains(name));
        if !others {
            chosen.standing_by.clear();
        }
        others
    }

    /// A new connection to the Pod that was chosen; if that fails, to one that is chosen anew.
    pub async fn connect(&self) -> Result<DuplexStream, Error> {
        let before = self.chosen().place.clone();
        if let Some(place) = before
            && let Ok(stream) = self.open(&place).await
        {
            return Ok(stream);
        }
        let place = self.choose().await?;
        let opened = self.open(&place).await;
        let mut chosen = self.chosen();
        if chosen.place.as_ref().is_some_and(|before| before.name != place.name) {
            // What an answer says is said of the Pod of its number.
            chosen.number += 1;
        }
        chosen.place = opened.is_ok().then_some(place);
        opened
    }

    /// Who holds the Lease, else one that is not known to stand by.
    async fn choose(&self) -> Result<Place, Error> {
        let mut found = places(&self.pods().await.map_err(|error| Error::Pod(told(&error).to_string()))?);
        if found.len() > 1 {
            let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
            // Who may not read it finds out by the answers.
            let lease = within(leases.get(&found[0].lease)).await.ok();
            let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
            found.sort_by_key(|place| !holds(&holder, &place.name));
        }
        let mut chosen = self.chosen();
        chosen.known = found.iter().map(|place| place.name.clone()).collect();
        let active = found.iter().find(|place| !chosen.standing_by.contains(&place.name));
        active
            .or_else(|| found.first())
            .cloned()
            .ok_or_else(|| Error::Pod(format!("{NONE} in namespace {}", self.namespace)))
    }

    async fn open(&self, place: &Place) -> Result<DuplexStream, Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut forwarder = within(pods.portforward(&place.name, &[place.port])).await.map_err(|error| {
            Error::Pod(format!("the port of Pod {} is not forwarded: {}", place.name, told(&error)))
        })?;
        let (stream, fault) = (forwarder.take_stream(place.port), forwarder.take_error(place.port));
        let name = place.name.clone();
        tokio::spawn(async move {
            // Of a Pod where nothing listens it says so only now.
            if let Some(fault) = fault
                && let Some(said) = fault.await
            {
                eprintln!("warning: the port of Pod {name}: {}", said.trim());
                forwarder.abort();
            }
        });
        stream.ok_or_else(|| Error::Pod(format!("the port of Pod {} is not forwarded", place.name)))
    }

    fn chosen(&self) -> std::sync::MutexGuard<'_, Chosen> {
        self.chosen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
