//! One connection: to addresses that may be connected to, within bounds, set up as all statements here expect it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::either::Either;

use super::address::PostgresUrl;
use super::fault;
use super::session::Session;
use crate::destination::Error;
use crate::trust::Addresses;

/// How long one address may take, from the first packet to the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After this much silence the server's machine is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// After this the connection is given up.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_mins(1);
/// Beyond the time after which the server ends a statement itself, it has stopped working.
const GRACE: Duration = Duration::from_secs(5);

/// How a session is set up, one round trip. What an admin has limited for the role stays limited.
const SETUP: &str = "
    SET client_min_messages = warning;
    SET timezone = 'UTC';
    SET datestyle = 'ISO';
    -- Right after the first rows came, nothing is known of them, and the planner would read whole tables.
    SET enable_seqscan = off;
    SET jit = off;
    -- Nobody waits for ever for a client that has vanished.
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config(name, '300s', false) FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout') AND setting = '0';
    SELECT setting, current_setting('server_encoding'), current_setting('transaction_read_only') FROM pg_settings
    WHERE name = 'statement_timeout'";

type Stream = Either<TcpStream, UnixStream>;

/// Where a session leads to.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// The address, and the host's name as a certificate has it.
    Tcp(SocketAddr, String),
    /// The path of a socket.
    Socket(PathBuf),
}

/// Connects to the first host that can be used.
pub(super) async fn connect(
    url: &PostgresUrl,
    tls: &MakeRustlsConnect,
    addresses: &Addresses,
) -> Result<Session, Error> {
    let config = &url.config;
    let mut last = None;
    let targets = targets(config);
    let several = targets.len() > 1;
    for (host, address, port) in targets {
        match to_host(url, tls, addresses, host, address, port).await {
            Ok((_, true)) if config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite => {
                last = Some(Error::Unavailable("the PostgreSQL server is read-only".to_owned()));
            }
            Ok((session, _)) => return Ok(session),
            Err(error @ Error::Unavailable(_)) if several => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::Invalid("the address of the PostgreSQL server has no host".to_owned())))
}

/// Host, address and port, as libpq combines the lists.
fn targets(config: &Config) -> Vec<(Option<&Host>, Option<IpAddr>, u16)> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let port = |index: usize| ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
    (0..hosts.len().max(addresses.len()))
        .map(|index| (hosts.get(index), addresses.get(index).copied(), port(index)))
        .collect()
}

/// Tries all addresses of a host. The second value says whether the server can be read only.
async fn to_host(
    url: &PostgresUrl,
    tls: &MakeRustlsConnect,
    addresses: &Addresses,
    host: Option<&Host>,
    address: Option<IpAddr>,
    port: u16,
) -> Result<(Session, bool), Error> {
    let limit = url.config.get_connect_timeout().copied().filter(|limit| *limit < CONNECT_TIMEOUT);
    let limit = limit.unwrap_or(CONNECT_TIMEOUT);
    let name = match host {
        Some(Host::Unix(folder)) => {
            if !addresses.allow_local() {
                return Err(Error::Invalid("a socket in the file system is not connected to".to_owned()));
            }
            let peer = Peer::Socket(folder.join(format!(".s.PGSQL.{port}")));
            return timeout(limit, login(url, tls, peer)).await.map_err(|_| fault::silent())?;
        }
        Some(Host::Tcp(name)) => Some(name.as_str()),
        None => None,
    };
    let found: Vec<SocketAddr> = match (address, name) {
        (Some(address), _) => vec![(address, port).into()],
        (None, Some(name)) => match timeout(limit, tokio::net::lookup_host((name, port))).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) | Err(_) => return Err(fault::unknown_host()),
        },
        (None, None) => vec![],
    };
    let mut last = fault::unknown_host();
    for found in found {
        // What is checked here is what is connected to.
        if !addresses.allow(found.ip()) {
            last = fault::denied();
            continue;
        }
        let peer = Peer::Tcp(found, name.map_or_else(|| found.ip().to_string(), str::to_owned));
        match timeout(limit, login(url, tls, peer)).await.unwrap_or_else(|_| Err(fault::silent())) {
            Err(error @ Error::Unavailable(_)) => last = error,
            result => return result,
        }
    }
    Err(last)
}

fn prepare(stream: &TcpStream, config: &Config) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if config.get_keepalives() {
        // tokio-postgres does not say whether its two hours were asked for.
        let idle = config.get_keepalives_idle().min(KEEPALIVE);
        let keepalive = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(config.get_keepalives_interval().unwrap_or(KEEPALIVE_INTERVAL))
            .with_retries(config.get_keepalives_retries().unwrap_or(KEEPALIVE_RETRIES));
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(config.get_tcp_user_timeout().copied().unwrap_or(UNACKNOWLEDGED)))?;
    Ok(())
}

/// A stream of bytes to a server.
async fn open(peer: &Peer, config: &Config) -> Result<Stream, Error> {
    let opened = match peer {
        Peer::Tcp(address, _) => match TcpStream::connect(address).await {
            Ok(stream) => prepare(&stream, config).map(|()| Either::Left(stream)),
            Err(error) => Err(error),
        },
        Peer::Socket(path) => UnixStream::connect(path).await.map(Either::Right),
    };
    opened.map_err(|error| fault::unreachable(&error))
}

fn named(
    tls: &MakeRustlsConnect,
    name: &str,
) -> Result<<MakeRustlsConnect as MakeTlsConnect<Stream>>::TlsConnect, Error> {
    MakeTlsConnect::<Stream>::make_tls_connect(&mut tls.clone(), name).map_err(|_| fault::unknown_host())
}

/// Logs in. There is no TLS on a socket in the file system, as libpq has it.
async fn login(url: &PostgresUrl, tls: &MakeRustlsConnect, peer: Peer) -> Result<(Session, bool), Error> {
    let refused = |error: tokio_postgres::Error| fault::of(&error);
    let stream = open(&peer, &url.config).await?;
    let (client, task) = match &peer {
        Peer::Tcp(_, name) => {
            let (client, connection) = url.config.connect_raw(stream, named(tls, name)?).await.map_err(refused)?;
            (client, tokio::spawn(watch(connection)))
        }
        Peer::Socket(_) => {
            let mut config = url.config.clone();
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(refused)?;
            (client, tokio::spawn(watch(connection)))
        }
    };
    set_up(url, Session::new(client, task, peer)).await
}

/// Asks the server to end the statement that a session runs. It would go on by itself: until it has rows to send it does
/// not see that nobody waits for them.
pub(super) async fn cancel(
    url: &PostgresUrl,
    tls: &MakeRustlsConnect,
    statement: &CancelToken,
    peer: &Peer,
) -> Result<(), Error> {
    let stream = open(peer, &url.config).await?;
    let cancelled = match peer {
        Peer::Tcp(_, name) => statement.cancel_query_raw(stream, named(tls, name)?).await,
        Peer::Socket(_) => statement.cancel_query_raw(stream, NoTls).await,
    };
    cancelled.map_err(|error| fault::of(&error))
}

/// Carries the messages of a connection. What it ends with is seen by whoever uses the connection.
async fn watch(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

async fn set_up(url: &PostgresUrl, mut session: Session) -> Result<(Session, bool), Error> {
    let sql = format!("SET search_path = {}; {SETUP}", url.schema.quoted());
    let answers = session.client.simple_query(&sql).await.map_err(|error| fault::of(&error))?;
    let row = answers.iter().rev().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |index: usize| row.and_then(|row| row.get(index)).unwrap_or_default();
    if column(1) != "UTF8" {
        return Err(Error::Invalid(
            "the PostgreSQL database has another encoding than UTF8: create one with ENCODING 'UTF8'".to_owned(),
        ));
    }
    session.bound = Duration::from_millis(column(0).parse().unwrap_or(0)) + GRACE;
    let read_only = column(2) == "on";
    Ok((session, read_only))
}
