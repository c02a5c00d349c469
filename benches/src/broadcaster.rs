//! The limit of delivery: one thread, epoll, a frame that was encoded before anything began, one write per socket, and nothing else. It knows no rooms,
//! no log, no rights and allocates nothing per message.
//!
//! Speaks enough WebSocket for the load: text `set:…` gives the frame's payload, `window:N` the milliseconds in which messages are written together, `say`
//! is a message to everybody.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use tokio::time::Instant;

use crate::crowd::frames;

const LISTENER: Token = Token(usize::MAX);
/// To the upgrade; nobody looks at the rest of it.
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AA==\r\n\r\n";
/// Messages that one write may carry.
const BATCH_MAX: usize = 64;

/// Serves until it is killed. Its address is the first line of standard output.
pub(crate) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    println!("{}", listener.local_addr()?);
    let mut server = Server { poll: Poll::new()?, listener, peers: Vec::new(), hall: Hall::default() };
    server.poll.registry().register(&mut server.listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1_024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match server.poll.poll(&mut events, server.hall.wait()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept()?,
                Token(peer) => {
                    server.peers[peer].write(&[])?;
                    server.read(peer, &mut buffer)?;
                }
            }
        }
        server.flush_due()?;
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    peers: Vec<Peer>,
    hall: Hall,
}

struct Peer {
    stream: TcpStream,
    upgraded: bool,
    /// What the kernel did not take.
    behind: Vec<u8>,
}

/// What is to be written.
#[derive(Default)]
struct Hall {
    /// The frame, so often that a batch is a piece of it.
    encoded: Vec<u8>,
    frame_len: usize,
    window: Duration,
    waiting: usize,
    due: Option<Instant>,
    last_flush: Option<Instant>,
}

impl Hall {
    fn set(&mut self, payload: &[u8]) {
        let frame = frames::plain(frames::TEXT, payload);
        self.frame_len = frame.len();
        self.encoded = frame.repeat(BATCH_MAX);
    }

    fn say(&mut self) {
        self.waiting += 1;
        let now = Instant::now();
        self.due.get_or_insert_with(|| self.last_flush.map_or(now, |last| now.max(last + self.window)));
    }

    fn wait(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }
}

impl Server {
    fn accept(&mut self) -> anyhow::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, Token(self.peers.len()), interest)?;
                    self.peers.push(Peer { stream, upgraded: false, behind: Vec::new() });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) -> anyhow::Result<()> {
        let Self { peers, hall, .. } = self;
        let peer = &mut peers[number];
        loop {
            let read = match peer.stream.read(buffer) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(read) => read,
            };
            if !std::mem::replace(&mut peer.upgraded, true) {
                peer.stream.write_all(ANSWER)?;
            } else {
                hear(hall, &buffer[..read])?;
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    fn flush_due(&mut self) -> anyhow::Result<()> {
        let hall = &mut self.hall;
        if hall.due.is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        hall.due = None;
        hall.last_flush = Some(Instant::now());
        let mut waiting = std::mem::take(&mut hall.waiting);
        while waiting > 0 {
            let batch = waiting.min(BATCH_MAX);
            for peer in &mut self.peers {
                peer.write(&hall.encoded[..batch * hall.frame_len])?;
            }
            waiting -= batch;
        }
        Ok(())
    }
}

impl Peer {
    /// Writes what is behind, then `bytes`; what the kernel does not take now waits for it.
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.behind.is_empty() {
            self.behind.extend_from_slice(bytes);
            let written = written(self.stream.write(&self.behind))?;
            self.behind.drain(..written);
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let written = written(self.stream.write(bytes))?;
        self.behind.extend_from_slice(&bytes[written..]);
        Ok(())
    }
}

fn written(result: std::io::Result<usize>) -> anyhow::Result<usize> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(0),
        other => other.context("writing"),
    }
}

fn hear(hall: &mut Hall, mut bytes: &[u8]) -> anyhow::Result<()> {
    while let Some(frame) = frames::first(bytes)? {
        bytes = &bytes[frame.len..];
        if let Some(payload) = frame.payload.strip_prefix(b"set:") {
            hall.set(payload);
        } else if let Some(window) = frame.payload.strip_prefix(b"window:") {
            hall.window = Duration::from_millis(std::str::from_utf8(window)?.parse()?);
        } else if frame.payload == b"say" {
            hall.say();
        }
    }
    Ok(())
}
