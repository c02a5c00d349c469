//! Many sockets in one thread: the load. It counts what arrives and looks at nothing more than it has to, so that it stays far below its own processor's
//! limits; what is too slow here would be measured as the server's.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use parley_proto::{RoomId, wire::PROTOCOL_VERSION};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::time::Instant;

pub(crate) mod frames;

/// Sockets that come in at the same time.
pub(crate) const WAVE: usize = 100;
/// For a wave to be in.
const ENTRANCE_DEADLINE: Duration = Duration::from_secs(60);
/// What every body of a benchmark's messages begins with; so each delivery is seen without reading JSON.
pub(crate) const MARK: &str = "\"body\":\"~";
const READ_BYTES: usize = 256 * 1024;

/// One socket to be.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// `None`: the limit's server, which asks for nothing.
    pub(crate) token: Option<String>,
    pub(crate) rooms: Vec<RoomId>,
}

/// What arrived so far, over all sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Messages of rooms, one per message and socket.
    pub(crate) deliveries: u64,
    /// Frames with at least one of them.
    pub(crate) frames: u64,
    pub(crate) acks: u64,
    /// Sends that were answered otherwise.
    pub(crate) refusals: u64,
}

#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    buffer: Vec<u8>,
    pub(crate) arrived: Arrived,
    /// The payload of the last frame with deliveries.
    pub(crate) last_frame: Vec<u8>,
    /// The last answer that was none of those that a send is meant to get.
    pub(crate) last_refusal: String,
    watch: Option<Watch>,
    receive_buffer: Option<usize>,
}

/// What is kept of the time since the watch began, in microseconds.
#[derive(Debug)]
struct Watch {
    since: Instant,
    /// When which send was acked, by its `ref`.
    acks: Vec<(u64, u64)>,
    /// Of messages from number `first` on: how often each has arrived, and when it last did.
    first: u64,
    arrivals: Vec<(usize, u64)>,
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// What has arrived of a frame that is not whole.
    partial: Vec<u8>,
    phase: Phase,
    rooms: Vec<RoomId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for the answer to the upgrade.
    Upgrading {
        welcomed: bool,
    },
    Greeting,
    /// Waits for so many subscriptions.
    Subscribing(usize),
    In,
}

impl Crowd {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            sockets: Vec::new(),
            buffer: vec![0; READ_BYTES],
            arrived: Arrived::default(),
            last_frame: Vec::new(),
            last_refusal: String::new(),
            watch: None,
            receive_buffer: None,
        })
    }

    /// Whose sockets take less than usual before they are read.
    pub(crate) fn with_receive_buffer(bytes: usize) -> anyhow::Result<Self> {
        Ok(Self { receive_buffer: Some(bytes), ..Self::new()? })
    }

    /// Everybody comes in: upgraded, welcomed, subscribed. Each comes from an address of its own.
    pub(crate) fn enter(&mut self, server: SocketAddr, entrances: &[Entrance]) -> anyhow::Result<()> {
        self.enter_in_waves(server, entrances, WAVE)
    }

    /// The same, so many at a time.
    pub(crate) fn enter_in_waves(&mut self, server: SocketAddr, entrances: &[Entrance], size: usize) -> anyhow::Result<()> {
        for wave in entrances.chunks(size) {
            for entrance in wave {
                self.connect(server, entrance)?;
            }
            let until = Instant::now() + ENTRANCE_DEADLINE;
            while self.sockets.iter().rev().take(wave.len()).any(|socket| socket.phase != Phase::In) {
                ensure!(Instant::now() < until, "{} sockets are in, the next do not come in", self.sockets.len() - wave.len());
                self.turn(Duration::from_millis(50))?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, server: SocketAddr, entrance: &Entrance) -> anyhow::Result<()> {
        let number = self.sockets.len();
        let raw = RawSocket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        raw.set_tcp_nodelay(true)?;
        if let Some(bytes) = self.receive_buffer {
            raw.set_recv_buffer_size(bytes)?;
        }
        raw.bind(&SocketAddr::from((source(number), 0)).into())?;
        raw.connect(&server.into()).with_context(|| format!("socket {number}"))?;
        raw.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(raw.into());
        self.poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        let bearer = entrance.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/v1/socket HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: parley.v1\r\n{bearer}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let phase = Phase::Upgrading { welcomed: entrance.token.is_some() };
        self.sockets.push(Socket { stream, partial: Vec::new(), phase, rooms: entrance.rooms.clone() });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Sends a text message on a socket.
    pub(crate) fn say(&mut self, socket: usize, text: &str) -> anyhow::Result<()> {
        let bytes = frames::masked(frames::TEXT, text.as_bytes());
        self.sockets[socket].stream.write_all(&bytes).with_context(|| format!("socket {socket}"))
    }

    /// Keeps the times at which sends are acked from now on.
    pub(crate) fn watch(&mut self) -> Instant {
        self.watch_messages(0, 0)
    }

    /// The same, and the times at which so many messages arrive, numbered from `first` on.
    pub(crate) fn watch_messages(&mut self, first: u64, count: usize) -> Instant {
        let since = Instant::now();
        self.watch = Some(Watch { since, acks: Vec::new(), first, arrivals: vec![(0, 0); count] });
        since
    }

    /// What was kept: the send's `ref`, and microseconds since the watch began.
    pub(crate) fn watched(&mut self) -> Vec<(u64, u64)> {
        self.watch.take().map(|watch| watch.acks).unwrap_or_default()
    }

    /// What was kept of each message: how often it has arrived, and when it did last, in microseconds since the watch began.
    pub(crate) fn watched_messages(&mut self) -> Vec<(usize, u64)> {
        self.watch.take().map(|watch| watch.arrivals).unwrap_or_default()
    }

    /// Reads for this long.
    pub(crate) fn listen(&mut self, time: Duration) -> anyhow::Result<()> {
        self.listen_until(Instant::now() + time)
    }

    /// Reads until then, and at least what is there. It may be a millisecond late: epoll counts whole ones.
    pub(crate) fn listen_until(&mut self, until: Instant) -> anyhow::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.turn(left)?;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Reads all that is there, pings not least: who does not answer them is closed.
    pub(crate) fn catch_up(&mut self) -> anyhow::Result<()> {
        loop {
            self.turn(Duration::ZERO)?;
            if self.events.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits for events for at most `wait` and reads what is there.
    pub(crate) fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let Self { events, sockets, buffer, arrived, last_frame, last_refusal, watch, .. } = self;
        let mut seen = Seen { arrived, last_frame, last_refusal, watch };
        for event in events.iter() {
            let number = event.token().0;
            let socket = &mut sockets[number];
            socket.read(buffer, &mut seen).with_context(|| format!("socket {number}, {:?}", socket.phase))?;
        }
        Ok(())
    }
}

/// 127.16.0.1 and on: limits per address are not in the way of a load that has as many addresses as sockets.
fn source(number: usize) -> Ipv4Addr {
    let [_, _, high, low] = (number as u32 % 250 + 1 + number as u32 / 250 * 256).to_be_bytes();
    Ipv4Addr::new(127, 16, high, low)
}

struct Seen<'a> {
    arrived: &'a mut Arrived,
    last_frame: &'a mut Vec<u8>,
    last_refusal: &'a mut String,
    watch: &'a mut Option<Watch>,
}

impl Socket {
    /// Reads until there is nothing more, and takes what is whole.
    fn read(&mut self, buffer: &mut [u8], seen: &mut Seen<'_>) -> anyhow::Result<()> {
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let read = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => bail!("it was closed"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let (have, whole) = (kept + read, kept + read == buffer.len());
            let taken = self.take_all(&buffer[..have], seen)?;
            self.partial.clear();
            self.partial.extend_from_slice(&buffer[taken..have]);
            // A read that did not fill the buffer took everything; what comes later is a new event.
            if !whole {
                return Ok(());
            }
        }
    }

    fn take_all(&mut self, bytes: &[u8], seen: &mut Seen<'_>) -> anyhow::Result<usize> {
        let mut taken = 0;
        if let Phase::Upgrading { welcomed } = self.phase {
            let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            ensure!(bytes.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(bytes));
            taken = head + 4;
            self.phase = if welcomed { Phase::Greeting } else { Phase::In };
            if welcomed {
                self.write(frames::TEXT, &format!("{{\"type\":\"hello\",\"ref\":1,\"version\":{PROTOCOL_VERSION}}}"))?;
            }
        }
        while let Some(frame) = frames::first(&bytes[taken..])? {
            taken += frame.len;
            match frame.opcode {
                frames::TEXT => self.text(frame.payload, seen)?,
                frames::PING => self.write(frames::PONG, "")?,
                frames::CLOSE => bail!("it was closed with {:?}", frame.payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]))),
                _ => {}
            }
        }
        Ok(taken)
    }

    fn text(&mut self, payload: &[u8], seen: &mut Seen<'_>) -> anyhow::Result<()> {
        match self.phase {
            Phase::In => seen.text(payload),
            Phase::Greeting if payload.starts_with(b"{\"type\":\"welcome\"") => {
                for (number, room) in self.rooms.clone().into_iter().enumerate() {
                    self.write(frames::TEXT, &format!("{{\"type\":\"subscribe\",\"ref\":{},\"room\":\"{room}\",\"limit\":1}}", number + 2))?;
                }
                self.phase = if self.rooms.is_empty() { Phase::In } else { Phase::Subscribing(self.rooms.len()) };
            }
            Phase::Subscribing(left) if payload.starts_with(b"{\"type\":\"subscribed\"") => {
                self.phase = if left == 1 { Phase::In } else { Phase::Subscribing(left - 1) };
            }
            _ if payload.starts_with(b"{\"type\":\"error\"") => bail!("refused: {}", String::from_utf8_lossy(payload)),
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, opcode: u8, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&frames::masked(opcode, text.as_bytes()))?)
    }
}

impl Seen<'_> {
    fn text(&mut self, payload: &[u8]) {
        if payload.starts_with(b"{\"type\":\"frames\"") {
            self.frames(payload);
        } else if payload.starts_with(b"{\"type\":\"ack\"") {
            self.arrived.acks += 1;
            if let Some(watch) = self.watch
                && let Some(number) = number_after(payload, b"\"ref\":")
            {
                watch.acks.push((number, watch.since.elapsed().as_micros() as u64));
            }
        } else if [&b"{\"type\":\"rejected\""[..], b"{\"type\":\"unknown\"", b"{\"type\":\"error\""].iter().any(|start| payload.starts_with(start)) {
            self.arrived.refusals += 1;
            *self.last_refusal = String::from_utf8_lossy(payload).into_owned();
        }
    }

    fn frames(&mut self, payload: &[u8]) {
        let before = self.arrived.deliveries;
        match self.watch {
            Some(watch) if !watch.arrivals.is_empty() => {
                let now = watch.since.elapsed().as_micros() as u64;
                for mark in memmem::find_iter(payload, MARK) {
                    self.arrived.deliveries += 1;
                    let number = number_at(&payload[mark + MARK.len()..]).and_then(|number| number.checked_sub(watch.first));
                    if let Some((count, last)) = number.and_then(|number| watch.arrivals.get_mut(number as usize)) {
                        (*count, *last) = (*count + 1, now);
                    }
                }
            }
            _ => self.arrived.deliveries += memmem::find_iter(payload, MARK).count() as u64,
        }
        if self.arrived.deliveries > before {
            self.arrived.frames += 1;
            self.last_frame.clear();
            self.last_frame.extend_from_slice(payload);
        }
    }
}

fn number_after(payload: &[u8], start: &[u8]) -> Option<u64> {
    number_at(&payload[memmem::find(payload, start)? + start.len()..])
}

fn number_at(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}
