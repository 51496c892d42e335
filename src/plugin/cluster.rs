//! The cluster and the namespace, as kubectl finds them.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::api::BitbucketConnection;
use crate::cli::Failure;

/// As whom the plugin writes (`metadata.managedFields`).
pub(super) const FIELD_MANAGER: &str = "kubectl-bitbucket";

/// How long an API server may take to begin an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// kubectl's own flags.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster, as for kubectl")]
pub(super) struct ClusterArgs {
    /// The namespace [default: the context's]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The kubeconfig [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// The user of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    user: Option<String>,
    /// Act as this user
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,
    /// Act as a member of this group too; may be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP", requires = "impersonate")]
    impersonate_groups: Vec<String>,
}

/// A cluster, and the namespace that is meant.
pub(super) struct Cluster {
    pub client: Client,
    pub namespace: String,
}

impl ClusterArgs {
    /// The cluster; nothing is sent yet, unless a program of the kubeconfig gets the credentials.
    pub async fn connect(&self) -> Result<Cluster, Failure> {
        Cluster::of(self.config().await?)
    }

    /// The way to it, and as whom; `default_namespace` is the one that is meant.
    pub async fn config(&self) -> Result<Config, Failure> {
        let options =
            KubeConfigOptions { context: self.context.clone(), cluster: self.cluster.clone(), user: self.user.clone() };
        let found = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let meant =
            self.kubeconfig.is_some() || self.context.is_some() || self.cluster.is_some() || self.user.is_some();
        let mut config = match found {
            Ok(kubeconfig) => {
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| wrong(&error))?
            }
            // In a Pod there is none.
            Err(error) if !meant => Config::incluster().map_err(|_| wrong(&error))?,
            Err(error) => return Err(wrong(&error)),
        };
        // A kubeconfig may have them too.
        if self.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&self.impersonate);
            let groups = Some(self.impersonate_groups.clone()).filter(|groups| !groups.is_empty());
            config.auth_info.impersonate_groups = groups;
        }
        config.connect_timeout = Some(TIMEOUT);
        if let Some(namespace) = &self.namespace {
            config.default_namespace.clone_from(namespace);
        }
        Ok(config)
    }
}

/// What is wrong with the kubeconfig.
pub(super) fn wrong(error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("the kubeconfig: {error}"))
}

impl Cluster {
    /// The cluster of a config.
    pub fn of(config: Config) -> Result<Self, Failure> {
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Self { client, namespace })
    }

    /// The connections of the namespace.
    pub fn connections(&self) -> Api<BitbucketConnection> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// What an API server's answer means to a person.
pub(super) fn told(error: &crate::kubernetes::Error) -> Failure {
    use crate::kubernetes::Error;
    let crd = "there is no BitbucketConnection in this cluster: is bitbucket-connector installed, and is it the right context?";
    match error {
        Error::Kube(kube::Error::Api(status)) if status.is_not_found() && !status.message.contains('"') => {
            Failure::Other(crd.to_owned())
        }
        Error::Kube(kube::Error::Api(status)) => Failure::Other(status.message.clone()),
        error => Failure::Other(error.to_string()),
    }
}
