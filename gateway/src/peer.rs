//! Who is at the other end of a connection, and how much has come from there. The count tells a socket in the middle of a message from one that is silent:
//! what reads messages hands on whole ones only.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// A connection that lingers is read for no longer than this, and for no more bytes than these.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 1024 * 1024;

/// What is known of a connection beside the stream that reads from it.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    bytes: AtomicU64,
    lingers: AtomicBool,
}

impl Received {
    /// How many bytes have come so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Lets the connection linger when it is dropped: what still comes is read and thrown away for a moment. Were it closed at once, the kernel would
    /// answer what was not read with a reset, and the peer would lose what was written last: why it is closed (RFC 9112, section 9.6).
    pub(crate) fn linger(&self) {
        self.0.lingers.store(true, Ordering::Relaxed);
    }
}

/// The other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub addr: SocketAddr,
    pub received: Received,
}

impl<L: Listener<Addr = SocketAddr>> Connected<IncomingStream<'_, Watching<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Watching<L>>) -> Self {
        Self { addr: *stream.remote_addr(), received: stream.io().received.clone() }
    }
}

/// A listener whose connections are counted.
#[derive(Debug)]
pub struct Watching<L>(pub L);

impl<L: Listener> Listener for Watching<L> {
    type Io = Watched<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, addr) = self.0.accept().await;
        (Watched { io: Some(io), received: Received::default() }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection that counts what comes over it.
#[derive(Debug)]
pub struct Watched<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    /// `None` only while it is dropped.
    io: Option<I>,
    received: Received,
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Watched<I> {
    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut I>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.io.as_mut().map_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())), |io| poll(Pin::new(io)))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Drop for Watched<I> {
    fn drop(&mut self) {
        if self.received.0.lingers.load(Ordering::Relaxed)
            && let (Some(io), Ok(runtime)) = (self.io.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(tokio::time::timeout(LINGER, linger(io)));
        }
    }
}

/// Reads until the peer closes as well.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    io.shutdown().await?;
    tokio::io::copy(&mut io.take(LINGER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.poll(|io| io.poll_read(context, buffer)))?;
        self.received.0.bytes.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write(context, bytes))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll(|io| io.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|io| io.poll_shutdown(context))
    }
}
