//! The flags of the doors that others may knock at: the Data Cloud API, webhooks and the page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join3;
use kube::Config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Failure, loopback};
use crate::callers::Callers;
use crate::controller::Inspector;
use crate::datacloud::{self, Files};
use crate::page;
use crate::webhook::{self, Receiver, Standby};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Doors")]
pub(super) struct DoorArgs {
    /// Address of the Data Cloud API, as 0.0.0.0:8443 [default: there is none]
    #[arg(
        long,
        env = "BITBUCKET_CONNECTOR_DATA_CLOUD_LISTEN",
        value_name = "ADDRESS",
        requires_all = ["data_cloud_tls_cert_file", "data_cloud_tls_key_file"]
    )]
    data_cloud_listen: Option<SocketAddr>,
    /// File with its certificate in PEM form, with those between it and the authority; it is read again when it changes
    #[arg(long, env = "BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_CERT_FILE", value_name = "FILE")]
    data_cloud_tls_cert_file: Option<PathBuf>,
    /// File with the certificate's private key in PEM form
    #[arg(long, env = "BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_KEY_FILE", value_name = "FILE")]
    data_cloud_tls_key_file: Option<PathBuf>,
    /// Address at which Bitbucket says that somebody has pushed, as 0.0.0.0:8090 [default: there is none]
    #[arg(long, env = "BITBUCKET_CONNECTOR_WEBHOOK_LISTEN", value_name = "ADDRESS")]
    webhook_listen: Option<SocketAddr>,
    /// Address of the page, as 127.0.0.1:8082, which others reach by `kubectl bitbucket open` [default: there is none]
    #[arg(long, env = "BITBUCKET_CONNECTOR_PAGE_LISTEN", value_name = "ADDRESS", value_parser = loopback)]
    page_listen: Option<SocketAddr>,
}

/// Those that are open.
pub(super) struct Doors {
    data_cloud: Option<datacloud::Server>,
    webhook: Option<webhook::Server>,
    page: Option<page::Server>,
}

/// What they lead to.
pub(super) struct Behind {
    /// The way to the API server, without anybody's credentials.
    pub config: Config,
    pub inspector: Inspector,
    /// The namespaces that are looked after; none are all.
    pub namespaces: Vec<String>,
    /// The way to another operator, where there may be one.
    pub standby: Option<Arc<Standby>>,
}

impl DoorArgs {
    /// Opens the ports, those that there are to be.
    pub async fn bind(self) -> Result<Doors, Failure> {
        let mut doors = Doors { data_cloud: None, webhook: None, page: None };
        if let (Some(listen), Some(certificate), Some(key)) =
            (self.data_cloud_listen, self.data_cloud_tls_cert_file, self.data_cloud_tls_key_file)
        {
            let server = datacloud::Server::bind(listen, Files { certificate, key }).await;
            let server = server.map_err(|problem| Failure::Other(format!("the Data Cloud API: {problem}")))?;
            info!(address = %server.address()?, "the Data Cloud API is there");
            doors.data_cloud = Some(server);
        }
        if let Some(listen) = self.webhook_listen {
            let server = webhook::Server::bind(listen).await;
            let server = server
                .map_err(|error| Failure::Other(format!("cannot listen at {listen} (--webhook-listen): {error}")))?;
            info!(address = %server.address()?, "webhooks are received");
            doors.webhook = Some(server);
        }
        if let Some(listen) = self.page_listen {
            let server = page::Server::bind(listen).await;
            let server = server
                .map_err(|error| Failure::Other(format!("cannot listen at {listen} (--page-listen): {error}")))?;
            info!(address = %server.address()?, "the page is there");
            doors.page = Some(server);
        }
        Ok(doors)
    }
}

impl Doors {
    /// Answers calls until told to stop. Where one of them ends before, the operator goes on.
    pub fn serve(self, behind: Behind, stop: &CancellationToken) -> JoinHandle<((), (), ())> {
        let Behind { config, inspector, namespaces, standby } = behind;
        let receiver = Receiver { inspector: inspector.clone(), standby };
        let callers = Callers::new(config, inspector, namespaces);
        let (stopped, stopping, page_stop) = (stop.clone(), stop.clone(), stop.clone());
        let visited = callers.clone();
        let calls = async move {
            let Some(server) = self.data_cloud else { return };
            if let Err(error) = server.serve(callers, stopped).await {
                warn!(%error, "the Data Cloud API has ended");
            }
        };
        let hooks = async move {
            let Some(server) = self.webhook else { return };
            if let Err(error) = server.serve(receiver, stopping).await {
                warn!(%error, "webhooks are received no more");
            }
        };
        let visits = async move {
            let Some(server) = self.page else { return };
            if let Err(error) = server.serve(visited, page_stop).await {
                warn!(%error, "the page has ended");
            }
        };
        tokio::spawn(join3(calls, hooks, visits))
    }
}
