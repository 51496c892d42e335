//! Connections to the operator's Pod, by the API server's port-forwarding.

use std::sync::Mutex;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::io::DuplexStream;

use super::pods::{Place, holds, places};
use super::way::Error;
use crate::cli::Failure;
use crate::kubernetes::within;
use crate::plugin::cluster::told;
use crate::plugin::report::OPERATOR;

const NONE: &str = "no running Pod of a bitbucket-connector with a port named page is found";

/// The operator's Pods. All are in one namespace: whoever may make a Pod elsewhere could call it so, and would be sent the token.
pub(super) struct Forward {
    client: Client,
    pub namespace: String,
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
    /// Looks for them everywhere, or in one namespace.
    pub async fn find(client: Client, namespace: Option<&str>) -> Result<Self, Failure> {
        let pods: Api<Pod> =
            namespace.map_or_else(|| Api::all(client.clone()), |name| Api::namespaced(client.clone(), name));
        let listed = within(pods.list(&ListParams::default().labels(OPERATOR))).await.map_err(|error| {
            let more = "Name the operator's namespace with --operator-namespace, or an address of this machine with --address.";
            let more = if error.is_forbidden() && namespace.is_none() { more } else { "" };
            Failure::Other(format!("the operator's Pod is not found: {}. {more}", told(&error)).trim_end().to_owned())
        })?;
        let with_page = listed.items.iter().filter(|pod| !places(std::slice::from_ref(*pod)).is_empty());
        let mut namespaces: Vec<String> = with_page.filter_map(ResourceExt::namespace).collect();
        namespaces.sort();
        namespaces.dedup();
        match &namespaces[..] {
            [only] => Ok(Self { client, namespace: only.clone(), chosen: Mutex::default() }),
            [] => {
                let what = "Does the operator run, and does it show the page? Or is it in another cluster (--context), or at an address \
                            of this machine (--address)?";
                Err(Failure::Other(format!("{NONE}. {what}")))
            }
            several => Err(Failure::Other(format!(
                "there are operators in several namespaces, and yours would be sent your token: name it with --operator-namespace ({})",
                several.join(", ")
            ))),
        }
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
        chosen.place = opened.is_ok().then_some(place);
        opened
    }

    /// Who holds the Lease, else one that is not known to stand by.
    async fn choose(&self) -> Result<Place, Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let listed = within(pods.list(&ListParams::default().labels(OPERATOR))).await;
        let mut found = places(&listed.map_err(|error| Error::Pod(told(&error).to_string()))?.items);
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

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
