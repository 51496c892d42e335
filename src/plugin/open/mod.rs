//! `open`: the operator's page in a browser, as whoever calls.
//!
//! The page takes a Kubernetes token with each request, which browsers have none of. A proxy on this machine adds it, for the one browser
//! that was let in.

mod answers;
mod browser;
mod forward;
mod guard;
mod headers;
mod pods;
mod proxy;
mod token;
mod way;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::browser::Page;
use self::forward::Forward;
use self::guard::Guard;
use self::proxy::Proxy;
use self::token::Token;
use self::way::Way;
use super::cluster::{Cluster, ClusterArgs};
use super::shown::say;
use crate::cli::{Failure, loopback};
use crate::runtime::port;

/// How long a browser may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// What a name in a path is written in.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection that is shown first [default: all of the namespace]
    name: Option<String>,
    /// Port on this machine [default: one that is free]
    #[arg(long, default_value = "0", hide_default_value = true)]
    port: u16,
    /// Print the URL, and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Act as this ServiceAccount of the namespace, where the kubeconfig has no token: one is asked for
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Where the operator runs; its Pod there is sent the token
    #[arg(long, value_name = "NAME", default_value = "bitbucket-connector")]
    operator_namespace: String,
    /// Where its page is on this machine, as 127.0.0.1:8082, in place of its Pod. Whoever listens there is sent the token
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = port_here, conflicts_with = "operator_namespace")]
    address: Option<SocketAddr>,
}

/// Serves until a signal comes.
pub(super) async fn run(cluster: &ClusterArgs, args: Args) -> Result<ExitCode, Failure> {
    let config = cluster.config().await?;
    let namespace = config.default_namespace.clone();
    let token = match &args.service_account {
        Some(name) => Token::of(&Cluster::of(config.clone())?, name).await?,
        None => Token::own(&config).await?,
    };
    let way = if let Some(address) = args.address {
        Way::Address(address)
    } else {
        Way::Pods(Box::new(Forward::find(Cluster::of(config)?.client, &args.operator_namespace).await?))
    };
    let listener = listen(args.port)?;
    let port = listener.local_addr()?.port();
    let guard = Guard::new(port).map_err(|_| Failure::Other("this machine has no random numbers".to_owned()))?;
    let proxy = Arc::new(Proxy::new(guard, token, way, first(&namespace, args.name.as_deref())));
    let url = proxy.url();
    let (bounded, _) = port::guard(axum_server::from_tcp(listener)?, HEAD_TIMEOUT);
    let serving = bounded.serve(proxy.router().into_make_service());
    say(format!("{url}\n"))?;
    eprintln!("The URL lets one browser in, once; Ctrl-C ends it.");
    let page = (!args.no_browser).then(|| Page::new(&url, port));
    let showing = async {
        match &page {
            Some(Ok(page)) => page.show().await,
            Some(Err(error)) => eprintln!("warning: no browser is opened ({error}); open the URL yourself"),
            None => {}
        }
    };
    let (served, ()) = tokio::join!(serving, showing);
    served?;
    Ok(ExitCode::SUCCESS)
}

fn listen(port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Failure::Other(format!("port {port} of 127.0.0.1: {error}. Choose another one with --port."))
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The path of what is shown first.
fn first(namespace: &str, name: Option<&str>) -> String {
    let namespace = utf8_percent_encode(namespace, NAME);
    match name {
        Some(name) => format!("/connections/{namespace}/{}", utf8_percent_encode(name, NAME)),
        None => format!("/?namespace={namespace}"),
    }
}

/// Only of this machine: the token goes there as it is.
fn port_here(text: &str) -> Result<SocketAddr, String> {
    let address = loopback(text)?;
    (address.port() != 0).then_some(address).ok_or_else(|| "must name a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_of_this_machine_are_addresses() {
        for good in ["127.0.0.1:8082", "127.1.2.3:1", "[::1]:8082"] {
            assert!(port_here(good).is_ok(), "{good}");
        }
        for bad in ["10.0.0.1:8082", "0.0.0.0:8082", "[::]:8082", "127.0.0.1", "127.0.0.1:0", "localhost:8082", ""] {
            assert!(port_here(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_first_is_a_path_whatever_the_names_are() {
        assert_eq!(first("team-a", None), "/?namespace=team-a");
        assert_eq!(first("team-a", Some("a.b")), "/connections/team-a/a.b");
        assert_eq!(first("a", Some("b\"><\r\n/?#")), "/connections/a/b%22%3E%3C%0D%0A%2F%3F%23");
    }
}
