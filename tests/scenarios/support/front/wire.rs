//! Connections that can be broken, and a port that can be closed and opened again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A hold on one connection, below HTTP.
#[derive(Default)]
pub struct Wire {
    broken: AtomicBool,
    waker: AtomicWaker,
}

impl Wire {
    pub fn cut(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    fn is_whole(&self, context: &Context<'_>) -> io::Result<()> {
        self.waker.register(context.waker());
        if self.broken.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// All of them.
#[derive(Default)]
pub struct Wires(Mutex<Vec<Weak<Wire>>>);

impl Wires {
    pub fn cut(&self) {
        self.0.lock().unwrap().drain(..).filter_map(|wire| wire.upgrade()).for_each(|wire| wire.cut());
    }
}

pub struct Connection {
    stream: TcpStream,
    wire: Arc<Wire>,
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wire.is_whole(context)?;
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wire.is_whole(context)?;
        Pin::new(&mut this.stream).poll_write(context, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Listens where it is told, and while it is wanted.
pub struct Listener {
    pub inner: Option<TcpListener>,
    pub address: SocketAddr,
    pub wires: Arc<Wires>,
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
                self.wires.cut();
                self.actual.send_replace(false);
                let _ = self.wanted.wait_for(|wanted| *wanted).await;
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
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                Ok(()) = self.wanted.changed() => continue,
            };
            stream.set_nodelay(true).unwrap();
            let wire = Arc::<Wire>::default();
            self.wires.0.lock().unwrap().push(Arc::downgrade(&wire));
            return (Connection { stream, wire }, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// What a handler learns of its connection.
#[derive(Clone)]
pub struct Peer(pub Arc<Wire>);

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(Arc::clone(&stream.io().wire))
    }
}
