//! One socket, from upgrade to close: protocol `parley.v1`.
//!
//! This task reads frames, hands requests on and writes the outbox; it knows nothing of rooms. Whatever takes time runs beside it.

mod agenda;
mod alarm;
mod context;
mod departure;
mod doubt;
mod holds;
mod requests;
mod resume;
mod tallies;
mod token;
mod unfinished;
mod wanted;

use std::{
    future::poll_fn,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use futures::{FutureExt, SinkExt, StreamExt};
use hyper_tungstenite::{HyperWebsocket, HyperWebsocketStream};
use parley_proto::{
    ErrorCode, limits,
    wire::{ClientFrame, ClientLimits, CloseCode, PROTOCOL_VERSION, ServerFrame, refused_path},
};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{CloseFrame, WebSocketConfig},
};

use crate::{
    clock,
    frame::Frame,
    hub::SocketInfo,
    limits::places::Place,
    metrics,
    outbox::{Outbox, OutboxLimits, Outgoing},
    profiles,
    refusal::Refusal,
    tokens::Access,
    wire::Wire,
};
use agenda::{Agenda, Due};
use alarm::Alarm;
pub(crate) use context::Shared;
pub use context::{Caller, SocketLimits, Sockets};
use departure::Step;
use requests::{Requests, Signed};
use unfinished::Unfinished;

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
const READ_BUFFER: usize = 256;
/// Of pongs and the close frame; the rest is written past the library.
const CONTROL_BUFFER: usize = 1024;
/// Where frames come and go without a pause, what is due waits for so many of them.
const TURNS_UNTIL_DUE: usize = 64;
/// A welcome does not wait longer for which rooms somebody is in.
const MEMBERSHIPS_PATIENCE: Duration = Duration::from_millis(500);
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
    close(socket, &Outbox::new(OutboxLimits::default()), code).await;
}

async fn close(mut socket: Socket, outbox: &Outbox, code: CloseCode) {
    metrics::socket_closed(code as u16);
    let frame = Message::Close(Some(CloseFrame { code: (code as u16).into(), reason: "".into() }));
    let closing = async {
        // It is refused where the peer has closed first: what goes out then is the answer to that.
        let sent = socket.send(frame).await;
        let closed = SinkExt::close(&mut socket).await;
        outbox.written().await?;
        closed.and(sent)
    };
    if let Ok(Err(error)) = tokio::time::timeout(CLOSE_DEADLINE, closing).await {
        tracing::debug!(%error, "session.close");
    }
}

impl Sockets {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Serves one socket, from its upgrade until it ends. Then its place is free.
    pub(crate) fn serve(self, upgraded: HyperWebsocket, caller: Caller, wire: Wire, place: Place) -> impl Future<Output = ()> + Send {
        // In boxes, here and below, and this one before the future is made, whose arguments would keep their place in it: a socket mostly waits, and has room for
        // nothing but that.
        let entering = Box::pin(self.clone().enter(upgraded, caller, wire));
        async move {
            let _drained_with_us = self.shared.tasks.token();
            let Some(mut connection) = entering.await else { return };
            let code = connection.run().await;
            Box::pin(connection.leave(code)).await;
            drop(place);
        }
    }

    /// From the upgrade to the welcome; `None`: it was closed.
    async fn enter(self, upgraded: HyperWebsocket, caller: Caller, wire: Wire) -> Option<Connection> {
        let mut stream = match upgraded.await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "session.upgrade");
                return None;
            }
        };
        // Whoever is closed for what it sends is still sending.
        wire.linger();
        let outbox = Outbox::new(self.shared.limits.outbox);
        wire.write_from(&outbox);
        let hello = tokio::time::timeout(self.shared.limits.hello_deadline, receive_hello(&mut stream));
        let (reference, resume) = match hello.await {
            Ok(Ok(hello)) => hello,
            Ok(Err(code)) => return refused(stream, &outbox, code).await,
            Err(_) => return refused(stream, &outbox, CloseCode::Policy).await,
        };
        if self.shared.drain.is_cancelled() {
            return refused(stream, &outbox, CloseCode::Drain).await;
        }
        // Without them it is told of the activity in its rooms from the next look at its person's rights on.
        let memberships = match tokio::time::timeout(MEMBERSHIPS_PATIENCE, self.shared.store.memberships(caller.user)).await {
            Ok(Ok(memberships)) => memberships,
            Ok(Err(error)) => {
                tracing::warn!(%error, "session.memberships");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let info = SocketInfo { user: caller.user, session: caller.session, outbox: outbox.clone() };
        let socket = self.shared.hub.open(info, memberships.into_iter().map(|membership| membership.room));
        // Revocations reach the socket from here on; one that came since the upgrade is known by now.
        let access = Access { user: caller.user, session: caller.session };
        let people = [caller.user];
        let (checked, mut known) = tokio::join!(self.shared.sessions.check(access, clock::now()), self.shared.profiles.of(&people));
        if checked.is_err() {
            self.shared.hub.close(socket).await;
            return refused(stream, &outbox, CloseCode::SessionEnded).await;
        }
        let signed = Signed::new(Arc::clone(&self.shared), caller, socket, outbox.clone());
        let user = known.pop().unwrap_or_else(|| profiles::unknown(caller.user));
        let (outcome, rooms, token_rights) = resume::accept(&signed, resume.as_ref());
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
            self.shared.tasks.spawn(signed.clone().resume(rooms, token_rights));
        }
        Some(Connection { stream, outbox, signed, unfinished: Unfinished::new(wire), mistakes: 0, is_heard: false })
    }
}

async fn refused(socket: Socket, outbox: &Outbox, code: CloseCode) -> Option<Connection> {
    close(socket, outbox, code).await;
    None
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
    outbox: Outbox,
    signed: Signed,
    mistakes: usize,
    unfinished: Unfinished,
    /// Something came since the last ping.
    is_heard: bool,
}

/// What a connection deals with next.
enum Event {
    Outgoing(Outgoing),
    /// A message was begun and is not whole after its time.
    Unfinished,
    Message(Option<Result<Message, tungstenite::Error>>),
    Due(Due, Agenda),
}

impl Connection {
    /// Until the client goes (`None`) or is to be closed with a code.
    async fn run(&mut self) -> Option<CloseCode> {
        let mut requests = Requests::new(self.signed.shared.limits.requests);
        let mut agenda = Agenda::new(self.signed.shared.drain.clone()).next().boxed();
        let (mut heard, mut due) = (Alarm::new(), Alarm::new());
        let mut turn = 0_usize;
        loop {
            turn = turn.wrapping_add(1);
            let event = poll_fn(|context| {
                let mut look =
                    |context: &task::Context<'_>| due.poll(context, |context| agenda.poll_unpin(context)).map(|(due, agenda)| Event::Due(due, agenda));
                if turn.is_multiple_of(TURNS_UNTIL_DUE)
                    && let Poll::Ready(event) = look(context)
                {
                    return Poll::Ready(event);
                }
                if let Poll::Ready(outgoing) = self.outbox.poll(context) {
                    return Poll::Ready(Event::Outgoing(outgoing));
                }
                if let Poll::Ready(event) = heard.poll(context, |context| self.poll_hear(context)) {
                    return Poll::Ready(event);
                }
                look(context)
            });
            let event = event.await;
            let dealt = match event {
                Event::Outgoing(Outgoing::Blocked) => Box::pin(self.written()).await,
                Event::Outgoing(Outgoing::Gone) => Err(None),
                Event::Outgoing(Outgoing::Cursors) => {
                    self.signed.tell_cursors();
                    Ok(())
                }
                Event::Outgoing(Outgoing::Doubt(true)) => {
                    Box::pin(self.signed.stop()).await;
                    Ok(())
                }
                Event::Outgoing(Outgoing::Doubt(false)) => {
                    self.signed.go_on();
                    Ok(())
                }
                Event::Outgoing(Outgoing::Close(code)) => Err(Some(code)),
                Event::Unfinished => Err(Some(CloseCode::Policy)),
                Event::Message(message) => match self.hear(message) {
                    Ok(Some(frame)) => {
                        Box::pin(requests.take(&self.signed, frame)).await;
                        Ok(())
                    }
                    Ok(None) => Ok(()),
                    Err(end) => Err(end),
                },
                Event::Due(due, mut next) => {
                    let done = Box::pin(self.due(due, &mut next)).await;
                    agenda = next.next().boxed();
                    done
                }
            };
            if let Err(end) = dealt {
                return end;
            }
        }
    }

    async fn leave(self, code: Option<CloseCode>) {
        self.signed.shared.hub.close(self.signed.socket).await;
        match code {
            Some(code) => close(self.stream, &self.outbox, code).await,
            None => metrics::socket_closed(CloseCode::Normal as u16),
        }
    }

    /// Until the socket has taken what is queued. A deadline is set up only where it does not take that at once.
    async fn written(&mut self) -> Result<(), Option<CloseCode>> {
        match tokio::time::timeout(self.signed.shared.limits.write_deadline, self.outbox.written()).await {
            Ok(written) => written.map_err(|_| None),
            Err(_) => Err(Some(CloseCode::Slow)),
        }
    }

    fn poll_hear(&mut self, context: &mut task::Context<'_>) -> Poll<Event> {
        match self.stream.poll_next_unpin(context) {
            Poll::Ready(message) => Poll::Ready(Event::Message(message)),
            Poll::Pending => self.unfinished.poll_overdue(context).map(|()| Event::Unfinished),
        }
    }

    /// What came: a request, or nothing to be answered, or the end.
    fn hear(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<ClientFrame>, Option<CloseCode>> {
        self.is_heard = true;
        match message {
            Some(Ok(Message::Text(text))) => {
                self.unfinished.message();
                match self.understand(&text) {
                    Ok(frame) => Ok(Some(frame)),
                    Err(Some(code)) => Err(Some(code)),
                    Err(None) => Ok(None),
                }
            }
            Some(Ok(Message::Ping(payload) | Message::Pong(payload))) => {
                self.unfinished.control(payload.len());
                Ok(None)
            }
            // Those are for who writes.
            Some(Ok(Message::Frame(_))) => Ok(None),
            Some(Ok(Message::Binary(_))) => Err(Some(CloseCode::Type)),
            Some(Ok(Message::Close(_))) => Err(Some(CloseCode::Normal)),
            Some(Err(error)) => Err(code_of(&error)),
            None => Err(None),
        }
    }

    async fn due(&mut self, due: Due, agenda: &mut Agenda) -> Result<(), Option<CloseCode>> {
        match due {
            Due::Ping => {
                self.signed.tell_cursors();
                self.outbox.push(Frame::ping());
                self.is_heard = false;
                agenda.expect_answer();
            }
            Due::Silence if !self.is_heard => return Err(Some(CloseCode::GoingAway)),
            Due::Silence => {}
            Due::Departs(Step::Tell) => {
                let slot = agenda.departure.slot(self.signed.shared.hub.sockets());
                self.signed.tell_cursors();
                self.outbox.send(&ServerFrame::Drain { reconnect_after_ms: u64::try_from(slot.as_millis()).unwrap_or(u64::MAX) });
            }
            Due::Departs(Step::Close) => self.outbox.close(CloseCode::Drain),
        }
        Ok(())
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
