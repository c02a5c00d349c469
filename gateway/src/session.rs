//! One socket, from upgrade to close: protocol `parley.v1`.
//!
//! This task reads frames, hands requests on and writes the outbox; it knows nothing of rooms. Whatever takes time runs beside it.

mod context;
mod departure;
mod doubt;
mod requests;
mod resume;
mod tallies;
mod token;
mod unfinished;
mod writer;

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use hyper_tungstenite::HyperWebsocketStream;
use parley_proto::{
    ErrorCode, WINDOW, limits,
    wire::{ClientFrame, ClientLimits, CloseCode, PROTOCOL_VERSION, ServerFrame, refused_path},
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{CloseFrame, WebSocketConfig},
};

use crate::{
    clock,
    hub::SocketInfo,
    metrics,
    outbox::{Outbox, Outgoing},
    peer::Received,
    refusal::Refusal,
    tokens::Access,
};
pub(crate) use context::Shared;
pub use context::{Caller, SocketLimits, Sockets};
use departure::{Departure, Step};
use requests::{Requests, Signed};
use unfinished::Unfinished;
use writer::Writer;

/// What `make fuzz` asks, in its builds alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Whether a resume token of this payload, signed by ourselves, is refused or read as it was written.
    pub fn resume_token_is_read_as_written(root: &crate::tokens::Signer, payload: &[u8]) -> bool {
        super::token::is_read_as_written(root, payload)
    }
}

/// Frames that are not understood before the socket is closed.
const MISTAKES_MAX: usize = 3;
/// Many sockets idle, so this is small: what clients send is.
const READ_BUFFER: usize = 1024;
/// Of pings, pongs and the close frame; see [`writer`] for the rest.
const CONTROL_BUFFER: usize = 1024;
/// How often a socket looks whether its client's knowledge of its cursors is old, and whether a message is unfinished.
const CURSORS_LOOK: Duration = Duration::from_secs(5);
/// The client is told its cursors when one of them is ahead of its knowledge by more than this.
const UNTOLD_MAX: u64 = WINDOW / 8;
/// How long the closing of a socket may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// A socket's bounds.
pub fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(limits::SOCKET_MESSAGE_BYTES))
        .max_frame_size(Some(limits::SOCKET_MESSAGE_BYTES))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(CONTROL_BUFFER)
}

type Socket = HyperWebsocketStream;

/// Closes a socket that was accepted only to be told why not.
pub async fn refuse(socket: Socket, code: CloseCode) {
    close(socket, Writer::default(), code).await;
}

async fn close(mut socket: Socket, mut writer: Writer, code: CloseCode) {
    metrics::socket_closed(code as u16);
    let frame = Message::Close(Some(CloseFrame { code: (code as u16).into(), reason: "".into() }));
    let closing = async {
        writer.finish(&mut socket).await?;
        // It is refused where the peer has closed first: what goes out then is the answer to that.
        let sent = socket.send(frame).await;
        SinkExt::close(&mut socket).await.and(sent)
    };
    if let Ok(Err(error)) = tokio::time::timeout(CLOSE_DEADLINE, closing).await {
        tracing::debug!(%error, "session.close");
    }
}

impl Sockets {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Serves one socket until it ends.
    pub async fn serve(self, mut stream: Socket, caller: Caller, received: Received) {
        let _drained_with_us = self.shared.tasks.token();
        // Whoever is closed for what it sends is still sending.
        received.linger();
        let outbox = Outbox::new(self.shared.limits.outbox);
        let hello = tokio::time::timeout(self.shared.limits.hello_deadline, receive_hello(&mut stream));
        let (reference, resume) = match hello.await {
            Ok(Ok(hello)) => hello,
            Ok(Err(code)) => return refuse(stream, code).await,
            Err(_) => return refuse(stream, CloseCode::Policy).await,
        };
        if self.shared.drain.is_cancelled() {
            return refuse(stream, CloseCode::Drain).await;
        }
        let memberships = self.shared.store.memberships(caller.user).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "session.memberships");
            Vec::new()
        });
        let (verified, told) = watch::channel(true);
        let info = SocketInfo { user: caller.user, session: caller.session, outbox: outbox.clone(), verified: Arc::new(verified) };
        let socket = self.shared.hub.open(info, memberships.into_iter().map(|membership| membership.room));
        // Revocations reach the socket from here on; one that came since the upgrade is known by now.
        if self.shared.sessions.check(Access { user: caller.user, session: caller.session }, clock::now()).await.is_err() {
            self.shared.hub.close(socket).await;
            return refuse(stream, CloseCode::SessionEnded).await;
        }
        let signed = Signed::new(Arc::clone(&self.shared), caller, socket, outbox.clone(), told);
        let Some(user) = self.shared.profiles.of(&[caller.user]).await.pop() else {
            self.shared.hub.close(socket).await;
            return refuse(stream, CloseCode::TryAgainLater).await;
        };
        let (outcome, rooms) = resume::accept(&signed, resume.as_ref());
        outbox.send(&ServerFrame::Welcome {
            reference,
            version: PROTOCOL_VERSION,
            user,
            session_id: caller.session,
            gateway: self.shared.gateway.clone(),
            server_time: clock::now(),
            heartbeat_ms: u64::try_from(limits::HEARTBEAT.as_millis()).unwrap_or(u64::MAX),
            limits: ClientLimits { subscriptions: self.shared.limits.subscriptions, ..ClientLimits::default() },
            resume: outcome,
        });
        if !rooms.is_empty() {
            self.shared.tasks.spawn(signed.clone().resume(rooms));
        }
        let mut connection = Connection { stream, writer: Writer::default(), outbox, signed, unfinished: Unfinished::new(received), mistakes: 0 };
        let code = connection.run().await;
        self.shared.hub.close(socket).await;
        match code {
            Some(code) => close(connection.stream, connection.writer, code).await,
            None => metrics::socket_closed(CloseCode::Normal as u16),
        }
    }
}

async fn receive_hello(stream: &mut Socket) -> Result<(parley_proto::wire::Ref, Option<parley_proto::wire::Resume>), CloseCode> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                return match serde_json::from_str(&text) {
                    Ok(ClientFrame::Hello { reference, version: PROTOCOL_VERSION, resume }) => Ok((reference, resume)),
                    Ok(ClientFrame::Hello { .. }) => Err(CloseCode::Version),
                    Ok(_) | Err(_) => Err(CloseCode::Policy),
                };
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Err(CloseCode::Type),
            Some(Ok(Message::Close(_))) | None => return Err(CloseCode::Normal),
            Some(Err(error)) => return Err(code_of(&error).unwrap_or(CloseCode::Protocol)),
        }
    }
}

/// Which close code a broken frame gets; `None`: the connection is gone.
fn code_of(error: &tungstenite::Error) -> Option<CloseCode> {
    use tungstenite::{Error, error::ProtocolError};
    match error {
        Error::Capacity(_) => Some(CloseCode::TooBig),
        Error::Utf8(_) => Some(CloseCode::Utf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

struct Connection {
    stream: Socket,
    writer: Writer,
    outbox: Outbox,
    signed: Signed,
    mistakes: usize,
    unfinished: Unfinished,
}

impl Connection {
    /// Until the client goes (`None`) or is to be closed with a code.
    async fn run(&mut self) -> Option<CloseCode> {
        let mut requests = Requests::new(self.signed.clone());
        let mut heartbeat = tokio::time::interval_at(Instant::now() + limits::HEARTBEAT, limits::HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = tokio::time::interval_at(Instant::now() + CURSORS_LOOK, CURSORS_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut gone_at: Option<Instant> = None;
        let mut verified = self.signed.verified.clone();
        let mut departure = Departure::Stays(self.signed.shared.drain.clone());
        loop {
            let silence = async {
                match gone_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outgoing = self.outbox.take(&mut self.writer.frames) => match outgoing {
                    Outgoing::Frames => match tokio::time::timeout(self.signed.shared.limits.write_deadline, self.writer.write(&mut self.stream)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return None,
                        Err(_) => return Some(CloseCode::Slow),
                    },
                    Outgoing::Close(code) => return Some(code),
                },
                message = self.stream.next() => {
                    gone_at = None;
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            self.unfinished.message();
                            match self.understand(&text) {
                                Ok(frame) => requests.take(frame).await,
                                Err(Some(code)) => return Some(code),
                                Err(None) => {}
                            }
                        }
                        Some(Ok(Message::Binary(_))) => return Some(CloseCode::Type),
                        Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => self.unfinished.control(payload.len()),
                        Some(Ok(Message::Close(_))) => return Some(CloseCode::Normal),
                        // Those are for who writes.
                        Some(Ok(Message::Frame(_))) => {}
                        None => return None,
                        Some(Err(error)) => return code_of(&error),
                    }
                }
                _ = heartbeat.tick() => {
                    self.signed.tell_cursors();
                    let ping = self.stream.send(Message::Ping(bytes::Bytes::new()));
                    match tokio::time::timeout(self.signed.shared.limits.write_deadline, ping).await {
                        Ok(Ok(())) => gone_at = Some(Instant::now() + limits::HEARTBEAT_GRACE),
                        Ok(Err(_)) => return None,
                        Err(_) => return Some(CloseCode::Slow),
                    }
                }
                _ = look.tick() => {
                    if self.unfinished.is_overdue(Instant::now()) {
                        return Some(CloseCode::Policy);
                    }
                    if self.signed.shared.hub.untold(self.signed.socket) > UNTOLD_MAX {
                        self.signed.tell_cursors();
                    }
                }
                Ok(()) = verified.changed() => {
                    let is_verified = *verified.borrow_and_update();
                    if is_verified { self.signed.go_on() } else { self.signed.stop().await }
                }
                () = silence => return Some(CloseCode::GoingAway),
                step = departure.step() => match step {
                    Step::Tell => {
                        let slot = departure.slot(self.signed.shared.hub.sockets());
                        self.signed.tell_cursors();
                        self.outbox.send(&ServerFrame::Drain { reconnect_after_ms: u64::try_from(slot.as_millis()).unwrap_or(u64::MAX) });
                    }
                    Step::Close => {
                        departure = Departure::Left;
                        self.outbox.close(CloseCode::Drain);
                    }
                }
            }
        }
    }

    /// The frame, or what becomes of the socket.
    fn understand(&mut self, text: &str) -> Result<ClientFrame, Option<CloseCode>> {
        match serde_json::from_str(text) {
            Ok(frame) => Ok(frame),
            Err(error) => {
                metrics::frame_refused();
                self.mistakes += 1;
                let mut refusal = Refusal::new(ErrorCode::BadRequest).detail(error.to_string());
                refusal.path = refused_path(text);
                self.signed.refuse(None, refusal);
                if self.mistakes < MISTAKES_MAX {
                    return Err(None);
                }
                self.outbox.close(CloseCode::Policy);
                Err(None)
            }
        }
    }
}
