//! `bitbucket-connector run`: the operator.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::account::duration;
use super::admin::DEBUG;
use super::database::DatabaseArgs;
use super::doors::{Behind, DoorArgs};
use super::lease::LeaseArgs;
use super::trust::TrustArgs;
use super::{Failure, loopback};
use crate::bitbucket::{self, Clients};
use crate::controller::{
    self, Connections, Context, Deaf, Destinations, Elector, Inspector, Memories, Metrics, SecretWatch, Watch,
};
use crate::kubernetes::{connect, within};
use crate::runtime::admin::Pages;
use crate::runtime::lead::Lead;
use crate::runtime::telemetry::LogFormat;
use crate::runtime::traces::{LAST_WORDS, Traces};
use crate::runtime::{admin, shutdown, telemetry};
use crate::trust::Trust;
use crate::webhook::Standby;

/// Between two questions to an API server that does not answer.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// Where rights were given at the same time as the operator, or the API server has only begun, they are not known at once.
const REFUSALS: u32 = 15;

/// Connections whose rows are removed at a time: a database has eight sessions for all.
const REMOVALS: usize = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Look after the connections of this namespace only, not of all. May be repeated or separated by commas
    #[arg(long = "namespace", env = "BITBUCKET_CONNECTOR_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// How a change of a Secret is noticed
    #[arg(long, env = "BITBUCKET_CONNECTOR_WATCH_SECRETS", value_enum, default_value_t)]
    watch_secrets: SecretWatch,
    /// Name of this cluster in the database [default: the uid of namespace kube-system]
    #[arg(long, env = "BITBUCKET_CONNECTOR_CLUSTER_NAME")]
    cluster_name: Option<String>,
    /// Requests that one Bitbucket sees at a time, whatever the number of connections
    #[arg(long, env = "BITBUCKET_CONNECTOR_MAX_REQUESTS_PER_HOST", default_value_t = 16)]
    max_requests_per_host: usize,
    /// Sync runs at a time, of all connections together; the others wait for their turn
    #[arg(long, env = "BITBUCKET_CONNECTOR_MAX_CONCURRENT_SYNCS", default_value = "100")]
    max_concurrent_syncs: NonZeroU16,
    /// How long the rows of a deleted connection are tried to be removed while the database cannot be reached; then they stay
    #[arg(long, env = "BITBUCKET_CONNECTOR_DELETION_TIMEOUT", default_value = "10m", value_parser = duration)]
    deletion_timeout: Duration,
    #[command(flatten)]
    lease: LeaseArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    doors: DoorArgs,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "BITBUCKET_CONNECTOR_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Address of /debug/state and /debug/log-level, one of the loopback interface: they are for this machine alone
    #[arg(long, env = "BITBUCKET_CONNECTOR_DEBUG_LISTEN", default_value = DEBUG, value_parser = loopback)]
    debug_listen: SocketAddr,
    /// How log lines are written
    #[arg(long, env = "BITBUCKET_CONNECTOR_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace
    #[arg(long, env = "BITBUCKET_CONNECTOR_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

/// Runs until a signal.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args {
        database,
        namespaces,
        watch_secrets,
        cluster_name,
        max_requests_per_host,
        max_concurrent_syncs,
        deletion_timeout,
        lease,
        trust,
        doors,
        listen,
        debug_listen,
        log_format,
        log_level,
    } = args;
    let database = database.url()?;
    lease.check(&database)?;
    let (traces, no_traces) = Traces::from_env().map_or_else(|error| (None, Some(error)), |traces| (traces, None));
    let log_level = telemetry::init(log_format, &log_level, traces.as_ref()).map_err(Failure::Usage)?;
    if let Some(error) = no_traces {
        warn!("there will be no traces: {error}");
    }
    let stop = shutdown::on_signal()?;
    let (listener, local) = bind(listen, debug_listen).await?;
    let doors = doors.bind().await?;

    let (client, config) =
        connect().await.map_err(|error| Failure::Other(format!("no way to the API server: {error}")))?;
    let (ready, is_ready) = watch::channel(vec!["the API server".to_owned()]);
    let mut registry = admin::registry();
    let connections = Connections::default();
    let metrics = Metrics::register(&mut registry, connections.clone());
    let requests = bitbucket::Metrics::register(&mut registry);
    let (elector, lead) = match lease.options(&client) {
        Some(options) => {
            let lead = Lead::contested();
            let elector = Elector::new(client.clone(), options, lead.clone(), ready.clone(), metrics.leader.clone());
            (Some(elector), lead)
        }
        None => (None, Lead::alone()),
    };
    let inspector = Inspector::default();
    let standby = elector.as_ref().map(|_| Arc::new(Standby::new(client.clone(), database.clone())));
    let behind =
        Behind { config, inspector: inspector.clone(), namespaces: namespaces.clone(), standby: standby.clone() };
    let calls = doors.serve(behind, &stop);
    let pages = Pages {
        waited: is_ready.clone(),
        metrics: registry,
        state: state(inspector.clone(), lead.clone(), elector.as_ref().map(Elector::holder), is_ready),
        log_level,
    };
    let probes = tokio::spawn(admin::serve(listener, local, pages, stop.clone()));
    let cluster = match cluster_name {
        Some(name) => Some(name),
        None => stop.run_until_cancelled(cluster_uid(&client)).await,
    };
    let Some(cluster) = cluster else { return Ok(ExitCode::SUCCESS) };
    if let Some(standby) = &standby {
        standby.call_cluster(&cluster);
    }
    let addresses = trust.addresses();
    let destinations = Arc::new(Destinations::new(database, addresses.clone(), lead.clone()));
    let trust = Trust::from(trust);
    let turns = Arc::new(Semaphore::new(max_concurrent_syncs.get().into()));
    // Of each term: what is remembered of objects and passwords is worth nothing after somebody else has looked after
    // them.
    let work = |stop: CancellationToken| {
        let (wake, wakes) = mpsc::unbounded_channel();
        let context = Arc::new(Context {
            client: client.clone(),
            clients: Clients::led(max_requests_per_host, addresses.clone(), lead.clone(), requests.clone()),
            trust: trust.clone(),
            destinations: Arc::clone(&destinations),
            lead: lead.clone(),
            turns: Arc::clone(&turns),
            removals: Arc::new(Semaphore::new(REMOVALS)),
            connections: connections.clone(),
            metrics: metrics.clone(),
            deletion_timeout,
            cluster: cluster.clone(),
            wake,
            stop: stop.clone(),
            deaf: Deaf::default(),
            memories: Memories::default(),
            hints: Mutex::default(),
        });
        inspector.watch(&context);
        let (namespaces, ready) = (namespaces.clone(), ready.clone());
        controller::run(context, Watch { namespaces, secrets: watch_secrets, wakes, ready, stop })
    };
    if let Some(elector) = elector {
        elector.run(&stop, work).await;
    } else {
        metrics.leader.set(1);
        work(stop.clone()).await;
    }
    info!("bitbucket-connector ended");
    last_words(traces, probes, calls).await?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever has asked for a page and does not take it is not waited for.
async fn last_words(
    traces: Option<Traces>,
    probes: JoinHandle<std::io::Result<()>>,
    calls: JoinHandle<((), (), ())>,
) -> Result<(), Failure> {
    let sent = tokio::task::spawn_blocking(move || traces.iter().for_each(Traces::end));
    let (ended, called, sent) = tokio::join!(timeout(LAST_WORDS, probes), timeout(LAST_WORDS, calls), sent);
    sent?;
    if let Ok(called) = called {
        called?;
    }
    if let Ok(ended) = ended {
        ended??;
    }
    Ok(())
}

/// Opens the ports, and says where they are. Without that for this machine the operator works too.
async fn bind(listen: SocketAddr, of_this_machine: SocketAddr) -> Result<(TcpListener, Option<TcpListener>), Failure> {
    let listener = admin::bind(listen)
        .await
        .map_err(|error| Failure::Other(format!("cannot listen at {listen} (--listen): {error}")))?;
    let local = admin::bind(of_this_machine).await;
    if let Err(error) = &local {
        warn!(%error, "the commands state and log-level will not work: cannot listen at {of_this_machine} (--debug-listen)");
    }
    let local_address = local.as_ref().map_or(Ok(of_this_machine), TcpListener::local_addr)?;
    info!(version = env!("CARGO_PKG_VERSION"), address = %listener.local_addr()?, debug = %local_address, "bitbucket-connector started");
    Ok((listener, local.ok()))
}

/// What the page of the state says.
fn state(
    inspector: Inspector,
    lead: Lead,
    holder: Option<watch::Receiver<Option<String>>>,
    waited: watch::Receiver<Vec<String>>,
) -> Box<dyn Fn() -> Value + Send + Sync> {
    Box::new(move || {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "leads": lead.holds(),
            "leaseHolder": holder.as_ref().and_then(|holder| holder.borrow().clone()),
            // Alone, it leads for ever.
            "leadEndsInSeconds": lead.left().filter(|left| *left < Duration::MAX).map(|left| left.as_secs()),
            "waitsFor": *waited.borrow(),
            "controller": inspector.look(),
        })
    })
}

/// The uid of namespace kube-system, which no two clusters share; `default` where it may not be read for half a minute. Waits for an
/// API server that does not answer, or does not know yet who may do what: under another name all rows would be made a second time.
async fn cluster_uid(client: &Client) -> String {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (mut told, mut refusals) = (false, 0);
    loop {
        let error = match within(namespaces.get("kube-system")).await {
            Ok(namespace) => return namespace.uid().unwrap_or_default(),
            Err(error) => error,
        };
        refusals += u32::from(error.is_refusal());
        if refusals > REFUSALS {
            warn!(%error, "the uid of namespace kube-system cannot be read; the cluster is called \"default\" in the database, see --cluster-name");
            return "default".to_owned();
        }
        if !std::mem::replace(&mut told, true) {
            warn!(%error, "waiting for the API server");
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}
