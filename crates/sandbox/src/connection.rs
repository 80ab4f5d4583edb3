//! Connections that can be cut at any time, so that a client sees a network failure.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// A handle on the connection that carries a request.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Number of the connection, counted from 1 in order of acceptance.
    pub number: u64,
    cut: Arc<AtomicBool>,
}

impl Connection {
    /// Closes the connection at the next write, so that the client does not even get a status line.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// Accepts connections that [`Connection::cut`] can end.
#[derive(Debug)]
pub struct CuttableListener {
    inner: Vec<TcpListener>,
    accepted: Arc<AtomicU64>,
}

impl CuttableListener {
    /// Wraps bound listeners.
    pub fn new(inner: Vec<TcpListener>) -> Self {
        Self { inner, accepted: Arc::default() }
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepting = self.inner.iter_mut().map(|inner| Box::pin(<TcpListener as Listener>::accept(inner)));
        let ((stream, address), ..) = futures::future::select_all(accepting).await;
        // Without it small answers wait for the client's delayed acknowledgement; failure only costs time.
        let _ = stream.set_nodelay(true);
        let number = self.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        (CuttableStream { inner: stream, connection: Connection { number, cut: Arc::default() } }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.first().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }
}

/// A TCP stream that refuses to write once its connection is cut.
#[derive(Debug)]
pub struct CuttableStream {
    inner: TcpStream,
    connection: Connection,
}

impl CuttableStream {
    fn refused(&self) -> Option<io::Error> {
        self.connection
            .cut
            .load(Ordering::SeqCst)
            .then(|| io::Error::new(io::ErrorKind::ConnectionReset, "cut by a fault of the sandbox"))
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.refused() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.refused() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.inner).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
