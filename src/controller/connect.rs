//! The way to the API server.

use std::path::PathBuf;

use kube::config::Kubeconfig;
use kube::{Client, Config};

/// Finds it as kubectl does, or as a Pod. The file of a certificate authority is read again about every minute, as that of a
/// token is: kube does so in a Pod only, and otherwise nothing would be trusted any more after the authority was replaced.
pub async fn connect() -> kube::Result<Client> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    if config.root_cert_file.is_none() {
        config.root_cert_file = authority();
    }
    Client::try_from(config)
}

/// The file that the kubeconfig names, where it does not hold the certificates itself.
fn authority() -> Option<PathBuf> {
    let read = Kubeconfig::from_env().ok().flatten().or_else(|| Kubeconfig::read().ok())?;
    let context = read.contexts.into_iter().find(|context| Some(&context.name) == read.current_context.as_ref())?;
    let name = context.context?.cluster;
    let cluster = read.clusters.into_iter().find(|cluster| cluster.name == name)?.cluster?;
    cluster.certificate_authority.filter(|_| cluster.certificate_authority_data.is_none()).map(PathBuf::from)
}
