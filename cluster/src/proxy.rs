//! A wire between two parts that can be cut, reset, slowed, narrowed and half closed: a TCP proxy on loopback that counts what it did to whom.
//!
//! It forwards bytes and knows no protocol. A cut is a network that loses everything: nothing is answered, nothing is closed, and what was on its way goes on
//! when the wire is whole again, as TCP's own repeats would have it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::{error::ClusterError, ports::PortLease};

mod pipe;

/// What is wrong with a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    #[default]
    None,
    /// Nothing goes through, and nobody is told.
    Cut,
    /// Every connection is reset, each new one at once.
    Reset,
    /// Each piece comes later by this much and up to `jitter` more; the order stays.
    Slow { latency: Duration, jitter: Duration },
    /// So many bytes a second, in each direction of each connection.
    Narrow { bytes_per_second: u32 },
    /// What the server says ends on every connection, while what the client says goes on.
    HalfClosed,
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub connections: u64,
    pub bytes: u64,
    /// Pieces that had to wait because of a cut, or connections that were made into one.
    pub held: u64,
    pub resets: u64,
    /// Pieces that were late on purpose.
    pub delayed: u64,
    pub half_closed: u64,
}

impl Counted {
    /// What came on top of an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            bytes: self.bytes - before.bytes,
            held: self.held - before.held,
            resets: self.resets - before.resets,
            delayed: self.delayed - before.delayed,
            half_closed: self.half_closed - before.half_closed,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    bytes: AtomicU64,
    held: AtomicU64,
    resets: AtomicU64,
    delayed: AtomicU64,
    half_closed: AtomicU64,
}

/// What all connections of one wire share.
#[derive(Debug)]
struct Wire {
    to: SocketAddr,
    counters: Counters,
}

/// A proxy that runs; dropping it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    addr: SocketAddr,
    wire: Arc<Wire>,
    trouble: watch::Sender<Trouble>,
    accepting: JoinHandle<()>,
    _port: PortLease,
}

impl Proxy {
    /// Listens on a free port and forwards to `to`, which need not serve yet.
    pub async fn start(name: impl Into<String>, to: SocketAddr) -> Result<Self, ClusterError> {
        let port = PortLease::free()?;
        let addr = port.addr();
        let listener = TcpListener::bind(addr).await.map_err(ClusterError::io(addr.to_string()))?;
        let wire = Arc::new(Wire { to, counters: Counters::default() });
        let (trouble, troubles) = watch::channel(Trouble::None);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&wire), troubles));
        Ok(Self { name: name.into(), addr, wire, trouble, accepting, _port: port })
    }

    /// Between whom it stands.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the one who asks connects.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on this is wrong with the wire, or nothing any more.
    pub fn set(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    pub fn counted(&self) -> Counted {
        let Counters { connections, bytes, held, resets, delayed, half_closed } = &self.wire.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            connections: read(connections),
            bytes: read(bytes),
            held: read(held),
            resets: read(resets),
            delayed: read(delayed),
            half_closed: read(half_closed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>, mut troubles: watch::Receiver<Trouble>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    wire.counters.connections.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(serve(client, Arc::clone(&wire), troubles.clone()));
                } else {
                    // Too many open files: some are about to be closed.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Some(_) = connections.join_next() => {}
            changed = troubles.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// One connection, until both directions have ended or it is reset.
async fn serve(client: TcpStream, wire: Arc<Wire>, mut troubles: watch::Receiver<Trouble>) {
    if pipe::wait_while_cut(&mut troubles, &wire.counters).await.is_err() {
        return;
    }
    if *troubles.borrow() == Trouble::Reset {
        reset(&client, &wire.counters);
        return;
    }
    let Ok(server) = TcpStream::connect(wire.to).await else {
        reset(&client, &wire.counters);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let cut_off = troubles.clone();
    // Split by borrowing, so that a reset has both whole.
    let (mut client, mut server) = (client, server);
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let counters = &wire.counters;
        let there = pipe::forward(from_client, to_server, troubles.clone(), counters, pipe::Direction::ToServer);
        let back = pipe::forward(from_server, to_client, troubles, counters, pipe::Direction::ToClient);
        tokio::select! {
            ended = async { tokio::join!(there, back) } => ended.0.and(ended.1),
            () = pipe::until_reset(cut_off) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    };
    if ended.is_err() {
        reset(&client, &wire.counters);
        abort(&server);
    }
}

fn reset(stream: &TcpStream, counters: &Counters) {
    counters.resets.fetch_add(1, Ordering::Relaxed);
    abort(stream);
}

/// Closing it will send a reset instead of what is still in its buffers.
fn abort(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
