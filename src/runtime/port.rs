//! A port that strangers may call: how many of them at a time, how long they may say nothing, how much they may say, and how it is
//! closed.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum_server::accept::Accept;
use axum_server::{Handle, Server};
use futures::future::Either;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections at a time; each may hold what it has begun to send. One more is closed.
const CONNECTIONS: usize = 256;

/// Bounds what a server takes from whoever connects: `silence` is how long it may take until a head has come.
pub fn guard<A>(
    server: Server<SocketAddr, A>,
    silence: Duration,
) -> (Server<SocketAddr, Bounded<A>>, Handle<SocketAddr>) {
    bound(server, silence, CONNECTIONS)
}

fn bound<A>(
    server: Server<SocketAddr, A>,
    silence: Duration,
    most: usize,
) -> (Server<SocketAddr, Bounded<A>>, Handle<SocketAddr>) {
    let handle = Handle::new();
    let connections = handle.clone();
    let mut server = server.handle(handle.clone()).first_request_timeout(silence).http1_only().map(|inner| Bounded {
        inner,
        connections,
        most,
    });
    server.http_builder().http1().header_read_timeout(silence);
    (server, handle)
}

/// Closes the port when told to stop; calls under way may go on for `last_calls`.
pub async fn close(handle: Handle<SocketAddr>, stop: CancellationToken, last_calls: Duration) {
    stop.cancelled().await;
    handle.graceful_shutdown(Some(last_calls));
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// Its body did not come in time.
    Late,
    /// There is more of it than there may be, or it broke off.
    TooLarge,
}

/// The request with all of its body, of at most so many bytes. Whoever is answered before all is said may find the connection closed, and
/// not the answer.
pub async fn whole(request: Request, most: usize, slowest: Duration) -> Result<Request, Incomplete> {
    let (parts, body) = request.into_parts();
    let body = timeout(slowest, to_bytes(body, most)).await.map_err(|_| Incomplete::Late)?;
    Ok(Request::from_parts(parts, Body::from(body.map_err(|_| Incomplete::TooLarge)?)))
}

/// Takes a connection as `inner` does, unless there are too many.
#[derive(Clone)]
pub struct Bounded<A> {
    inner: A,
    connections: Handle<SocketAddr>,
    most: usize,
}

impl<I, S, A: Accept<I, S>> Accept<I, S> for Bounded<A> {
    type Stream = A::Stream;
    type Service = A::Service;
    type Future = Either<Ready<io::Result<(A::Stream, A::Service)>>, A::Future>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        // This one is counted already.
        if self.connections.connection_count() > self.most {
            return Either::Left(ready(Err(io::Error::other("too many connections"))));
        }
        Either::Right(self.inner.accept(stream, service))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Whether a call through the connection is answered; else it has been closed.
    async fn is_answered(connection: &mut TcpStream) -> bool {
        let mut answer = [0; 12];
        let call = async {
            connection.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
            connection.read_exact(&mut answer).await
        };
        call.await.is_ok() && &answer == b"HTTP/1.1 200"
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_the_next_finds_the_place_of_one_that_has_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = axum_server::from_tcp(listener.into_std().unwrap()).unwrap();
        let (server, handle) = bound(server, Duration::from_mins(5), 2);
        let stop = CancellationToken::new();
        let service = Router::new().route("/", get(async || "")).into_make_service();
        let serving = tokio::spawn(server.serve(service));
        let closing = tokio::spawn(close(handle.clone(), stop.clone(), Duration::ZERO));
        let mut connections = Vec::new();
        for expected in [true, true, false] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            assert_eq!(is_answered(&mut connection).await, expected);
            connections.push(connection);
        }
        connections.swap_remove(0);
        let again = async {
            while !is_answered(&mut TcpStream::connect(address).await.unwrap()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), again).await.unwrap();
        stop.cancel();
        closing.await.unwrap();
        serving.await.unwrap().unwrap();
    }
}
