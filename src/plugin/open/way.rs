//! The way to the operator's page: an address of this machine, or a Pod's port.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::either::Either;

use super::forward::Forward;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the page is.
pub(super) enum Way {
    Address(SocketAddr),
    Pods(Box<Forward>),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it was not reached within {} seconds", CONNECT_TIMEOUT.as_secs())]
    Late,
    #[error("nothing answers at {0}: {1}")]
    Address(SocketAddr, io::Error),
    #[error("{0}")]
    Pod(String),
}

impl Way {
    /// A number that changes when another Pod is to be asked: connections to the one before are not used again.
    pub fn number(&self) -> u64 {
        match self {
            Self::Address(_) => 0,
            Self::Pods(forward) => forward.number(),
        }
    }

    /// The server that was reached when this was the number only stands by. Whether there is another one to ask.
    pub fn stands_by(&self, number: u64) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Pods(forward) => forward.stands_by(number),
        }
    }

    async fn connect(&self) -> Result<Stream, Error> {
        let connecting = async {
            match self {
                Self::Address(address) => {
                    let stream = TcpStream::connect(address).await.map_err(|error| Error::Address(*address, error))?;
                    Ok(Stream(Either::Left(stream)))
                }
                Self::Pods(forward) => Ok(Stream(Either::Right(forward.connect().await?))),
            }
        };
        timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(Error::Late))
    }
}

/// Makes connections for hyper's client.
#[derive(Clone)]
pub(super) struct Connector(pub Arc<Way>);

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let way = self.0.clone();
        Box::pin(async move { way.connect().await.map(TokioIo::new) })
    }
}

/// A connection.
pub(super) struct Stream(Either<TcpStream, DuplexStream>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
