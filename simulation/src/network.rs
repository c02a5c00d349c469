//! Connections between clients and gateways, in memory: bytes take a while, and are lost with the connection.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    dice::{Dice, take},
    process::Process,
};

/// Bytes on their way in one direction.
const IN_FLIGHT: usize = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 64;
const CHUNK: usize = 16 * 1024;
/// The same two for what gateways write, where the network holds next to nothing.
const LITTLE: usize = 256;

struct Door {
    process: Process,
    connections: mpsc::Sender<DuplexStream>,
}

/// Where gateways listen.
#[derive(Default)]
pub(crate) struct Network {
    doors: Mutex<BTreeMap<String, Door>>,
    /// Cancelled and replaced when all connections are cut.
    cut: Mutex<CancellationToken>,
    holds_little: AtomicBool,
    /// What gateways write is held back.
    held_back: watch::Sender<bool>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Network {
    /// Opens the process' door.
    pub(crate) fn listen(&self, process: &Process) -> Ear {
        let (connections, accepted) = mpsc::channel(BACKLOG);
        lock(&self.doors).insert(process.name.to_string(), Door { process: process.clone(), connections });
        Ear { accepted }
    }

    /// A connection to whoever listens under this name.
    pub(crate) fn dial(&self, name: &str, dice: Dice) -> Option<DuplexStream> {
        let doors = lock(&self.doors);
        let door = doors.get(name).filter(|door| !door.process.is_dead())?;
        let (in_flight, chunk) = if self.holds_little.load(Relaxed) { (LITTLE, LITTLE) } else { (IN_FLIGHT, CHUNK) };
        let (near, client_far) = duplex(IN_FLIGHT);
        let (gateway_far, gateway) = duplex(in_flight);
        door.connections.try_send(gateway).ok()?;
        let (process, cut, held_back) = (door.process.clone(), lock(&self.cut).clone(), self.held_back.subscribe());
        let never = watch::Sender::new(false).subscribe();
        tokio::spawn(async move {
            let (from_client, to_client) = tokio::io::split(client_far);
            let (from_gateway, to_gateway) = tokio::io::split(gateway_far);
            tokio::select! {
                () = carry(from_client, to_gateway, CHUNK, never, &process, &dice) => {}
                () = carry(from_gateway, to_client, chunk, held_back, &process, &dice) => {}
                () = process.died() => {}
                () = cut.cancelled() => {}
            }
        });
        Some(near)
    }

    /// From now on connections hold so little that a gateway which is not read from notices at once.
    pub(crate) fn hold_little(&self) {
        self.holds_little.store(true, Relaxed);
    }

    /// Whether what gateways write stays on its way.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.held_back.send_replace(held_back);
    }

    /// Ends all connections that there are.
    pub(crate) fn cut_all(&self) {
        std::mem::take(&mut *lock(&self.cut)).cancel();
    }
}

/// Carries bytes until either end is gone.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    chunk: usize,
    mut held_back: watch::Receiver<bool>,
    process: &Process,
    dice: &Dice,
) {
    let mut chunk = vec![0; chunk];
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else { return };
        if *held_back.borrow() {
            let _ = held_back.wait_for(|held_back| !held_back).await;
        }
        process.runs().await;
        take(dice.latency()).await;
        process.runs().await;
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// A gateway's listener.
pub(crate) struct Ear {
    accepted: mpsc::Receiver<DuplexStream>,
}

impl Listener for Ear {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(stream) => (stream, SocketAddr::from(([127, 0, 0, 1], 1))),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 2)))
    }
}
