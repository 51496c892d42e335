//! Which of several operators acts: whoever holds the Lease. The others stand by.

mod claim;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::claim::Claimant;
use crate::kubernetes::Error;
use crate::runtime::lead::Lead;

/// Parts of the time that a claim is good for the others: a leader stops one part before, asks for more every two parts, and
/// after a fault every one. Where nothing is changed, 35, 30, 10 and 5 seconds.
const PARTS: u32 = 7;

/// After the Lease was changed or removed while it was looked at.
const AGAIN: Duration = Duration::from_millis(200);
/// How long letting go of it may take: the process is about to end.
const RELEASE: Duration = Duration::from_secs(4);

/// Which Lease, and how long a claim to it is good.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Where it is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// How long the others wait after the last sign of life.
    pub duration: Duration,
}

/// One of those who want the Lease.
pub struct Elector {
    leases: Api<Lease>,
    name: String,
    part: Duration,
    claimant: Claimant,
    lead: Lead,
    /// Told what is waited for.
    ready: watch::Sender<Vec<String>>,
    /// 1 while this process leads.
    leader: Gauge,
    /// Who holds the Lease, as far as is known.
    holder: watch::Sender<Option<String>>,
    /// As it was written last.
    held: Option<Lease>,
    /// Until then `lead` holds.
    until: Instant,
}

/// Whose the Lease is, as far as is known.
enum Whose {
    Own,
    SomebodyElses,
    /// It was changed while it was looked at.
    Unknown,
}

impl Elector {
    /// Wants the Lease for `lead`. Who stands by is ready, as long as the Lease can be asked for.
    pub fn new(
        client: Client,
        options: LeaseOptions,
        lead: Lead,
        ready: watch::Sender<Vec<String>>,
        leader: Gauge,
    ) -> Self {
        let LeaseOptions { namespace, name, duration } = options;
        let (leases, claimant) = (Api::namespaced(client, &namespace), Claimant::new(identity(), duration));
        let part = duration / PARTS;
        let (holder, until) = (watch::Sender::new(None), Instant::now());
        Self { leases, name, part, claimant, lead, ready, leader, holder, held: None, until }
    }

    /// Who holds the Lease, as it was seen last.
    pub fn holder(&self) -> watch::Receiver<Option<String>> {
        self.holder.subscribe()
    }

    /// Does the work whenever this process leads, until told to stop. The work ends when its token is cancelled; if the lead is
    /// lost it begins anew with the next one.
    pub async fn run<F: Future<Output = ()>>(
        mut self,
        stop: &CancellationToken,
        mut work: impl FnMut(CancellationToken) -> F,
    ) {
        info!("standing by, until no other operator holds the lease");
        while stop.run_until_cancelled(self.acquire()).await.is_some() {
            info!("this operator leads");
            self.leader.set(1);
            let term = stop.child_token();
            let mut working = pin!(work(term.clone()));
            tokio::select! {
                () = &mut working => {}
                () = self.keep() => {
                    self.abdicate();
                    term.cancel();
                    warn!("the lead is lost: all work stops, and this operator stands by");
                    working.await;
                }
            }
            self.abdicate();
        }
        self.release().await;
    }

    /// Nothing is asked or written any more, although the work may take a while to end.
    fn abdicate(&self) {
        self.lead.end();
        self.leader.set(0);
    }

    /// Returns when the Lease is its own.
    async fn acquire(&mut self) {
        let mut told = false;
        loop {
            let fault = match timeout(self.part * 2, self.claim()).await {
                Ok(Ok(Whose::Own)) => return,
                Ok(Ok(Whose::SomebodyElses | Whose::Unknown)) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some(Error::Timeout),
            };
            // Once for an outage.
            if let Some(error) = fault.as_ref().filter(|_| !told) {
                warn!(%error, "the lease cannot be asked for; it is tried again and again");
            }
            told = fault.is_some();
            let waited = fault.map(|_| format!("the API server to answer about the lease {}", self.name));
            self.ready.send_replace(waited.into_iter().collect());
            tokio::time::sleep(jittered(self.part)).await;
        }
    }

    /// Returns when the Lease is lost, or could not be kept in time.
    async fn keep(&mut self) {
        let mut pause = self.part * 2;
        while Instant::now() < self.until {
            sleep_until(self.until.min(Instant::now() + jittered(pause))).await;
            pause = self.part;
            match timeout(self.part * 2, timeout_at(self.until, self.claim())).await {
                Ok(Ok(Ok(Whose::Own))) => pause = self.part * 2,
                Ok(Ok(Ok(Whose::SomebodyElses))) => return,
                // Somebody may have taken it.
                Ok(Ok(Ok(Whose::Unknown))) => pause = AGAIN,
                Ok(Ok(Err(error))) => warn!(%error, "the lease could not be renewed"),
                Ok(Err(_)) | Err(_) => warn!("the lease could not be renewed: the API server is silent"),
            }
        }
    }

    /// Asks for the Lease, or for more of it.
    async fn claim(&mut self) -> Result<Whose, Error> {
        // Who holds it knows how it was written; where that is not so any more, the write is refused.
        let found = match self.held.take() {
            Some(held) => Some(held),
            None => self.leases.get_opt(&self.name).await?,
        };
        // A Lease that somebody made by hand may say nothing.
        let spec = found.as_ref().map(|lease| lease.spec.clone().unwrap_or_default());
        self.holder.send_replace(spec.as_ref().and_then(|spec| spec.holder_identity.clone()));
        // From before it is sent: the others count from when they see it.
        let asked = Instant::now();
        let Some(spec) = self.claimant.claim(spec.as_ref(), asked, Timestamp::now()) else {
            return Ok(Whose::SomebodyElses);
        };
        match self.write(found, spec).await {
            Ok(lease) => {
                self.holder.send_replace(lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()));
                self.held = Some(lease);
                self.until = asked + self.part * (PARTS - 1);
                self.lead.extend(self.until);
                Ok(Whose::Own)
            }
            Err(kube::Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                Ok(Whose::Unknown)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn write(&self, found: Option<Lease>, spec: LeaseSpec) -> Result<Lease, kube::Error> {
        let parameters = PostParams::default();
        if let Some(lease) = found {
            // With the version that it was read with.
            self.leases.replace(&self.name, &parameters, &Lease { spec: Some(spec), ..lease }).await
        } else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            self.leases.create(&parameters, &Lease { metadata, spec: Some(spec) }).await
        }
    }

    /// Lets the next one have it at once.
    async fn release(mut self) {
        let releasing = async {
            // It may have been written a moment ago, and nobody waited for the answer.
            let found = match self.held.take() {
                Some(held) => Some(held),
                None => self.leases.get_opt(&self.name).await?,
            };
            let spec = found.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
            if self.claimant.owns(&spec) {
                self.write(found, Claimant::release(&spec, Timestamp::now())).await?;
                self.holder.send_replace(None);
                info!("the lease is released");
            }
            Ok::<_, kube::Error>(())
        };
        match timeout(RELEASE, releasing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "the lease was not released"),
            Err(_) => debug!("the lease was not released: the API server is silent"),
        }
    }
}

/// The Pod's name, which people know, and something that no other process has, nor the next one in the same Pod.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "bitbucket-connector".to_owned());
    format!("{host}_{:016x}", random())
}

/// A little longer, so that those who stand by do not all ask at once.
fn jittered(pause: Duration) -> Duration {
    pause + pause.mul_f64(f64::from(u16::try_from(random() >> 48).unwrap_or(0)) / f64::from(u16::MAX) / 5.0)
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
