//! The way to the API server.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::Kubeconfig;
use kube::{Client, Config};

/// How long a watch may last, in seconds. Load balancers cut idle connections after four minutes; it must end by itself before.
pub const WATCH_TIMEOUT_SECONDS: u32 = 200;
/// A server, or a load balancer before it, may take a request and never answer. Longer than a watch lasts, which may have nothing
/// to tell.
const SILENCE: Duration = Duration::from_secs(WATCH_TIMEOUT_SECONDS as u64 + 10);

/// Finds it as kubectl does, or as a Pod. The file of a certificate authority is read again about every minute, as that of a
/// token is: kube does so in a Pod only, and otherwise nothing would be trusted any more after the authority was replaced.
pub async fn connect() -> kube::Result<(Client, Config)> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    if config.root_cert_file.is_none() {
        config.root_cert_file = authority();
    }
    config.read_timeout = Some(SILENCE);
    // Or the time for which nobody needed the connection would count.
    config.reset_reader_on_write = true;
    Ok((Client::try_from(config.clone())?, config))
}

/// The file that the kubeconfig names, where it does not hold the certificates itself.
fn authority() -> Option<PathBuf> {
    let read = Kubeconfig::read().ok()?;
    let context = read.contexts.into_iter().find(|context| Some(&context.name) == read.current_context.as_ref())?;
    let name = context.context?.cluster;
    let cluster = read.clusters.into_iter().find(|cluster| cluster.name == name)?.cluster?;
    cluster.certificate_authority.filter(|_| cluster.certificate_authority_data.is_none()).map(PathBuf::from)
}
