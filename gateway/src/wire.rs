//! The connection under a socket: the stream, how much has come over it, and who writes to it.
//!
//! An HTTP server and a WebSocket library each want a stream that is theirs alone. Beside them frames are to be written to many sockets from one task, so
//! the stream is shared, and what the library has to say goes into the socket's outbox, behind what is queued there.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::{frame::Frame, outbox::Outbox};

/// Frames in one system call, at most.
const FRAMES_AT_ONCE: usize = 64;
/// A connection that lingers is read for no longer than this, and for no more bytes than these.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 1024 * 1024;

/// A TCP stream, or what stands for one.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection. Cheap to clone; closed with the last clone.
#[derive(Clone)]
pub struct Wire(Arc<Shared<dyn Stream>>);

/// A connection as long as somebody else has it.
#[derive(Clone, Default)]
pub(crate) struct WeakWire(Option<Weak<Shared<dyn Stream>>>);

struct Shared<S: ?Sized> {
    received: AtomicU64,
    lingers: AtomicBool,
    /// Where everything goes that is written, once there is one.
    outbox: OnceLock<Outbox>,
    stream: Mutex<S>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("received", &self.received()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WeakWire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakWire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Over this stream.
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self(Arc::new(Shared { received: AtomicU64::new(0), lingers: AtomicBool::new(false), outbox: OnceLock::new(), stream: Mutex::new(stream) }))
    }

    pub(crate) fn downgrade(&self) -> WeakWire {
        WeakWire(Some(Arc::downgrade(&self.0)))
    }

    /// How many bytes have come so far: tells a socket in the middle of a message from one that is silent. What reads messages hands on whole ones only.
    pub(crate) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Lets the connection linger when its stream is dropped: what still comes is read and thrown away for a moment. Were it closed at once, the kernel would
    /// answer what was not read with a reset, and the peer would lose what was written last: why it is closed (RFC 9112, section 9.6).
    pub(crate) fn linger(&self) {
        self.0.lingers.store(true, Ordering::Relaxed);
    }

    /// From here on everything is written from this outbox, also what is written to the stream.
    pub(crate) fn write_from(&self, outbox: &Outbox) {
        outbox.write_to(self);
        _ = self.0.outbox.set(outbox.clone());
    }

    /// Writes of these frames what the kernel takes now, many of them in one system call; how many bytes.
    pub(crate) fn poll_write(&self, context: &mut Context<'_>, frames: &VecDeque<Frame>) -> Poll<io::Result<usize>> {
        let mut stream = self.stream();
        // Mostly there is one.
        if let (Some(only), 1) = (frames.front(), frames.len()) {
            return Pin::new(&mut *stream).poll_write(context, only.bytes());
        }
        let mut slices = [IoSlice::new(&[]); FRAMES_AT_ONCE];
        let count = slices.iter_mut().zip(frames).map(|(slice, frame)| *slice = IoSlice::new(frame.bytes())).count();
        Pin::new(&mut *stream).poll_write_vectored(context, &slices[..count])
    }

    fn stream(&self) -> MutexGuard<'_, dyn Stream + 'static> {
        self.0.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WeakWire {
    pub(crate) fn upgrade(&self) -> Option<Wire> {
        self.0.as_ref()?.upgrade().map(Wire)
    }
}

/// The stream of a connection, for whoever reads it.
#[derive(Debug)]
pub struct WireStream(pub(crate) Wire);

impl Drop for WireStream {
    fn drop(&mut self) {
        if self.0.0.lingers.swap(false, Ordering::Relaxed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LINGER, linger(Self(self.0.clone()))));
        }
    }
}

/// Reads until the peer closes as well.
async fn linger(mut stream: WireStream) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

impl AsyncRead for WireStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.0.stream()).poll_read(context, buffer))?;
        self.0.0.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(outbox) = self.0.0.outbox.get() else { return Pin::new(&mut *self.0.stream()).poll_write(context, bytes) };
        outbox.say(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.0.0.outbox.get().is_none() {
            return Pin::new(&mut *self.0.stream()).poll_write_vectored(context, slices);
        }
        self.poll_write(context, slices.iter().find(|slice| !slice.is_empty()).map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.stream().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream()).poll_shutdown(context)
    }
}
