//! Below HTTP: connections that can be ended or made to say what is not HTTP, and a port that can be closed and opened again.
//! Whoever tests with another server than this one's needs them too.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Default)]
enum Fate {
    #[default]
    Whole,
    /// These bytes go out in place of whatever is to be written next; then it ends.
    Replaced(Vec<u8>),
    Ended,
}

/// A hold on one connection, below HTTP: it can be ended, or made to say something that is not HTTP.
#[derive(Default)]
pub struct Wire {
    fate: Mutex<Fate>,
    waker: AtomicWaker,
}

impl Wire {
    /// Ends the connection, in the middle of whatever is under way.
    pub fn end(&self) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = Fate::Ended;
        self.waker.wake();
    }

    /// These bytes go out in place of whatever is to be written next; then it ends.
    pub fn replace(&self, bytes: Vec<u8>) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = Fate::Replaced(bytes);
    }
}

/// A connection that is taken.
pub struct Connection {
    stream: TcpStream,
    wire: Arc<Wire>,
    wires: Arc<Wires>,
}

fn ended<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wire.waker.register(context.waker());
        if matches!(*this.wire.fate.lock().unwrap_or_else(PoisonError::into_inner), Fate::Ended) {
            return ended();
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut fate = this.wire.fate.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *fate {
            Fate::Whole => {}
            Fate::Ended => return ended(),
            Fate::Replaced(bytes) => {
                while !bytes.is_empty() {
                    let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
                    bytes.drain(..written);
                }
                *fate = Fate::Ended;
                return ended();
            }
        }
        drop(fate);
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, buffer))?;
        this.wires.sent.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Open connections, so that they can be ended all at once.
#[derive(Default)]
pub struct Wires {
    open: Mutex<Vec<Weak<Wire>>>,
    /// Bytes that callers took, or that are on their way to them.
    sent: AtomicU64,
}

impl Wires {
    fn add(&self, wire: &Arc<Wire>) {
        let mut wires = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        wires.retain(|wire| wire.strong_count() > 0);
        wires.push(Arc::downgrade(wire));
    }

    /// Ends them.
    pub fn end_all(&self) {
        for wire in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(wire) = wire.upgrade() {
                wire.end();
            }
        }
    }

    /// Bytes that callers took, or that are on their way to them.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Listens, stops listening and listens again at the same address.
pub struct Listener {
    /// None while it does not listen.
    pub inner: Option<TcpListener>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The connections that it has taken.
    pub wires: Arc<Wires>,
    /// What is wanted.
    pub wanted: watch::Receiver<bool>,
    /// What is.
    pub actual: watch::Sender<bool>,
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if !*self.wanted.borrow_and_update() {
                self.inner = None;
                self.wires.end_all();
                self.actual.send_replace(false);
                if self.wanted.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let Some(listener) = &self.inner else {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => self.inner = Some(listener),
                    // The port may be in use for a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
                continue;
            };
            self.actual.send_if_modified(|actual| !std::mem::replace(actual, true));
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Ok(()) = self.wanted.changed() => continue,
            };
            if let Ok((stream, peer)) = accepted {
                let _ = stream.set_nodelay(true);
                let wire = Arc::<Wire>::default();
                self.wires.add(&wire);
                return (Connection { stream, wire, wires: Arc::clone(&self.wires) }, peer);
            }
            // Out of file descriptors, perhaps: not to be tried again at once.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// What a handler learns of its connection.
#[derive(Clone)]
pub struct Peer {
    /// Whose it is.
    pub address: SocketAddr,
    /// The hold on it.
    pub wire: Arc<Wire>,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self { address: *stream.remote_addr(), wire: Arc::clone(&stream.io().wire) }
    }
}
