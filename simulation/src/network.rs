//! Connections between clients and gateways, in memory: bytes take a while, and are lost with the connection.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Mutex};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
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
        let (near, client_far) = duplex(IN_FLIGHT);
        let (gateway_far, gateway) = duplex(IN_FLIGHT);
        door.connections.try_send(gateway).ok()?;
        let (process, cut) = (door.process.clone(), lock(&self.cut).clone());
        tokio::spawn(async move {
            let (from_client, to_client) = tokio::io::split(client_far);
            let (from_gateway, to_gateway) = tokio::io::split(gateway_far);
            tokio::select! {
                () = carry(from_client, to_gateway, &process, &dice) => {}
                () = carry(from_gateway, to_client, &process, &dice) => {}
                () = process.died() => {}
                () = cut.cancelled() => {}
            }
        });
        Some(near)
    }

    /// Ends all connections that there are.
    pub(crate) fn cut_all(&self) {
        std::mem::take(&mut *lock(&self.cut)).cancel();
    }
}

/// Carries bytes until either end is gone.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, process: &Process, dice: &Dice) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else { return };
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
