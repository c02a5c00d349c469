//! One connection after the other: what is said on a socket. What is made of what comes back is in [`hearing`].

mod hearing;

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use parley_proto::{
    Body, Cid, Kind, Position, Record, RoomId, codec,
    wire::{ClientFrame, Resume, ResumeOutcome, RoomCursor, SUBPROTOCOL, ServerFrame, VoteValue},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    time::{Duration, Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};
use uuid::Uuid;

use super::{
    Client, Reception, Status,
    outbox::{Content, State},
    view::View,
};
use crate::{dice::Dice, schedule::Act};

type Socket = WebSocketStream<DuplexStream>;

/// An upgrade, a welcome or an answer over REST may take so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nothing for so long: the connection is dead.
const SILENCE: Duration = Duration::from_secs(40);
/// A send is answered a quarter of a second before its two are over; the rest is what the way there and back may take.
const ANSWER: Duration = Duration::from_millis(2_450);
/// How often the client looks what is due.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn gateway_name(number: usize) -> String {
    format!("gateway-{number}")
}

/// Of one connection.
struct Talk {
    socket: Socket,
    heard: Instant,
    /// First attempts that were acked: request number → where.
    acked: BTreeMap<u64, (RoomId, Position)>,
}

/// What came of a call over REST, beside the socket.
pub(super) struct Posted {
    post: Post,
    status: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
enum Post {
    Join(RoomId),
    Leave(RoomId),
    SignOut,
}

/// The connection is over.
struct Gone;

impl Client {
    /// Until the run is over.
    pub(crate) async fn run(mut self, mut over: watch::Receiver<bool>) -> Self {
        let end = over.clone();
        loop {
            let talk = async {
                if let Some(until) = self.away_until.take() {
                    sleep_until(until).await;
                }
                match self.connect().await {
                    Some(socket) => self.talk(socket).await,
                    None => {
                        tokio::time::sleep(self.dice.millis(100..900)).await;
                        self.gateway = (self.gateway + 1) % crate::schedule::GATEWAYS;
                    }
                }
            };
            tokio::select! {
                _ = over.wait_for(|over| *over) => return self,
                () = talk => {}
            }
            if *end.borrow() {
                return self;
            }
            self.disconnected();
            if self.signed_out.is_some() {
                self.status.send_replace(Status { idle: true });
                let _ = over.wait_for(|over| *over).await;
                return self;
            }
        }
    }

    fn disconnected(&mut self) {
        let now = Instant::now();
        self.say(|| "is disconnected".to_owned());
        self.outbox.disconnected(now);
        self.outbox.drop_replaced_votes(self.user);
        self.pages.clear();
        self.views.values_mut().for_each(View::broken_off);
        for reception in self.receptions.values_mut().filter(|reception| **reception != Reception::Left) {
            *reception = Reception::None(now);
        }
        self.status.send_replace(Status::default());
    }

    async fn connect(&mut self) -> Option<Socket> {
        let name = gateway_name(self.gateway);
        let stream = self.world.network.dial(&name, self.line())?;
        let mut request = format!("ws://{name}/api/v1/socket").into_client_request().ok()?;
        let headers = request.headers_mut();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {}", self.bearer())).ok()?);
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let upgraded = timeout(PATIENCE, client_async(request, stream)).await;
        self.say(|| format!("dials {name}: {}", if matches!(upgraded, Ok(Ok(_))) { "a socket" } else { "nothing" }));
        upgraded.ok()?.ok().map(|(socket, _)| socket)
    }

    fn line(&self) -> Dice {
        Dice::new(self.world.seed, &format!("line {} {}", self.number, self.world.elapsed().as_millis()))
    }

    async fn talk(&mut self, socket: Socket) {
        let mut talk = Talk { socket, heard: Instant::now(), acked: BTreeMap::new() };
        let Ok(()) = self.hello(&mut talk).await else { return };
        loop {
            if self.due(&mut talk).await.is_err() || talk.heard.elapsed() > SILENCE {
                return;
            }
            self.status.send_replace(Status { idle: self.is_idle() || self.signed_out.is_some() });
            tokio::select! {
                message = talk.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        talk.heard = Instant::now();
                        if self.hear(&mut talk, &text).is_err() {
                            return;
                        }
                    }
                    Some(Ok(Message::Close(frame))) => {
                        self.say(|| format!("is closed: {:?}", frame.map(|frame| u16::from(frame.code))));
                        return;
                    }
                    Some(Ok(_)) => talk.heard = Instant::now(),
                    Some(Err(_)) | None => return,
                },
                posted = self.posted.1.recv() => if let Some(posted) = posted {
                    self.came_of_it(&posted);
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn say_frame(&self, talk: &mut Talk, frame: &ClientFrame) -> Result<(), Gone> {
        let text = serde_json::to_string(frame).map_err(|_| Gone)?;
        self.say(|| format!("→ {text}"));
        talk.socket.send(Message::Text(text.into())).await.map_err(|_| Gone)
    }

    async fn hello(&mut self, talk: &mut Talk) -> Result<(), Gone> {
        let reference = self.reference();
        let rooms = self.views.iter().map(|(room, view)| RoomCursor { room: *room, cursor: view.cursor }).collect();
        let resume = self.token.clone().map(|token| Resume { token, rooms });
        let acked: BTreeMap<_, _> = self.world.rooms.iter().filter_map(|room| Some((*room, self.world.acked(*room)?))).collect();
        let hello = ClientFrame::Hello { reference, version: 1, resume };
        // The token holds what a run does not repeat exactly: display times are not in it, but there is no need to print it.
        self.say(|| "→ hello".to_owned());
        let text = serde_json::to_string(&hello).map_err(|_| Gone)?;
        talk.socket.send(Message::Text(text.into())).await.map_err(|_| Gone)?;
        let Ok(Some(Ok(Message::Text(text)))) = timeout(PATIENCE, talk.socket.next()).await else { return Err(Gone) };
        let Ok(ServerFrame::Welcome { resume, .. }) = serde_json::from_str(&text) else { return Err(Gone) };
        self.say(|| format!("← welcome {resume:?}"));
        let now = Instant::now();
        for (room, reception) in self.receptions.iter_mut().filter(|(_, reception)| **reception != Reception::Left) {
            // Who still waits for a room has not taken what came of it meanwhile, though the token has it.
            let held = reception.takes_all() && self.views.contains_key(room) && self.token_rooms.iter().any(|told| told.room == *room);
            *reception = match resume {
                ResumeOutcome::Accepted if held => Reception::Resuming { acked: acked.get(room).copied() },
                _ => Reception::None(now),
            };
        }
        Ok(())
    }

    /// Does what is due by now.
    async fn due(&mut self, talk: &mut Talk) -> Result<(), Gone> {
        if self.signed_out.is_some() {
            return Ok(());
        }
        let now = Instant::now();
        while self.acts.front().is_some_and(|(at, _)| *at <= self.world.elapsed()) {
            let Some((_, act)) = self.acts.pop_front() else { break };
            self.act(talk, act).await?;
        }
        let joins: Vec<_> = self.joins.iter().filter(|(at, _)| *at <= now).map(|(_, room)| *room).collect();
        self.joins.retain(|(at, _)| *at > now);
        joins.into_iter().for_each(|room| self.post(Post::Join(room)));
        self.look_at_answers();
        let asked: Vec<_> =
            self.receptions.iter().filter(|(_, reception)| matches!(reception, Reception::None(at) if *at <= now)).map(|(room, _)| *room).collect();
        for room in asked {
            self.subscribe(talk, room).await?;
        }
        for frame in self.outgoing(now) {
            self.say_frame(talk, &frame).await?;
        }
        Ok(())
    }

    async fn subscribe(&mut self, talk: &mut Talk, room: RoomId) -> Result<(), Gone> {
        let reference = self.reference();
        self.receptions.insert(room, Reception::Asked { reference, acked: self.world.acked(room) });
        let limit = Some(3 + u32::try_from(self.dice.below(20)).unwrap_or(0));
        self.say_frame(talk, &ClientFrame::Subscribe { reference, room, limit }).await
    }

    async fn act(&mut self, talk: &mut Talk, act: Act) -> Result<(), Gone> {
        self.say(|| format!("does {act:?}"));
        match act {
            Act::Send { room, messages } => {
                let room = self.world.rooms[room];
                for _ in 0..messages {
                    let body = format!("message {} of {}", self.next_reference, self.number);
                    self.next_reference += 1;
                    self.compose(room, Content::Message(body));
                }
            }
            Act::Vote { room, back, value } => {
                let room = self.world.rooms[room];
                if let Some(target) = self.newest_seen(room).get(back).copied() {
                    self.compose(room, Content::Vote { target, value });
                }
            }
            Act::Discard => {
                let unknown = |entry: &&mut super::outbox::Entry| matches!((&entry.state, &entry.content), (State::Unknown(_), Content::Message(_)));
                if let Some(entry) = self.outbox.entries.iter_mut().find(unknown) {
                    entry.discarded = true;
                }
            }
            Act::Reconnect { gateway, after } => {
                self.gateway = gateway;
                self.away_until = Some(Instant::now() + after);
                return Err(Gone);
            }
            Act::Reload { gateway } => {
                self.gateway = gateway;
                self.views.clear();
                self.token = None;
                return Err(Gone);
            }
            Act::Resubscribe { room } => {
                let room = self.world.rooms[room];
                // Also while they wait for an answer.
                if matches!(self.receptions.get(&room), Some(Reception::Live | Reception::Asked { .. })) {
                    self.subscribe(talk, room).await?;
                }
            }
            Act::Scroll { room } => self.scroll(talk, self.world.rooms[room]).await?,
            Act::Edit { room, back } => self.edit(self.world.rooms[room], back),
            Act::SignOut => {
                self.post(Post::SignOut);
                self.signed_out = Some(Instant::now());
                self.acts.clear();
                self.joins.clear();
                self.outbox.entries.clear();
                self.views.clear();
            }
            Act::LeaveAndJoin { room, after } => {
                let room = self.world.rooms[room];
                if self.receptions.get(&room) != Some(&Reception::Left) {
                    self.receptions.insert(room, Reception::Left);
                    self.views.remove(&room);
                    self.post(Post::Leave(room));
                    self.joins.push((Instant::now() + after + LOOK, room));
                }
            }
        }
        Ok(())
    }

    async fn scroll(&mut self, talk: &mut Talk, room: RoomId) -> Result<(), Gone> {
        let live = self.receptions.get(&room) == Some(&Reception::Live);
        let Some(before) = self.views.get(&room).filter(|view| live && view.has_older).map(|view| view.start.position()) else { return Ok(()) };
        let reference = self.reference();
        self.pages.insert(reference, room);
        let limit = Some(1 + u32::try_from(self.dice.below(10)).unwrap_or(0));
        self.say_frame(talk, &ClientFrame::History { reference, room, limit, before: Some(before), after: None, around: None }).await
    }

    /// Changes what they said. Nothing takes an edit from a client yet: it is appended as the gateway that will take them would.
    fn edit(&self, room: RoomId, back: usize) {
        let Some(view) = self.views.get(&room) else { return };
        let mut own = view.rows.values().rev().filter(|row| row.sender == self.user && row.body.is_some());
        let Some(row) = own.nth(back) else { return };
        let cid = Cid(Uuid::from_bytes(self.dice.bytes16()));
        let (base, body) = (view.cursor, Body::Plain(format!("changed by {cid}")));
        let record = Record { base, floor: base, target: Some(row.id), body, ..Record::bare(Kind::Edit, room, self.user, cid) };
        self.world.append(room.partition(), codec::encode(&record), &format!("client-{}", self.number));
    }

    /// Joins, leaves or signs out over REST, beside the socket.
    fn post(&self, post: Post) {
        let name = gateway_name(self.gateway);
        let (stream, bearer, posted) = (self.world.network.dial(&name, self.line()), self.bearer(), self.posted.0.clone());
        tokio::spawn(async move {
            let path = match post {
                Post::Join(room) => format!("rooms/{room}/join"),
                Post::Leave(room) => format!("rooms/{room}/leave"),
                Post::SignOut => "auth/sign-out".to_owned(),
            };
            let request =
                format!("POST /api/v1/{path} HTTP/1.1\r\nhost: {name}\r\nauthorization: Bearer {bearer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let asked = async {
                let mut stream = stream?;
                stream.write_all(request.as_bytes()).await.ok()?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.ok()?;
                String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
            };
            let status = timeout(PATIENCE, asked).await.ok().flatten();
            let _ = posted.send(Posted { post, status });
        });
    }

    fn came_of_it(&mut self, posted: &Posted) {
        let Posted { post, status } = *posted;
        match post {
            Post::Join(room) => {
                self.say(|| format!("joins {room}: {status:?}"));
                if status == Some(200) {
                    self.receptions.insert(room, Reception::None(Instant::now()));
                } else {
                    self.joins.push((Instant::now() + Duration::from_millis(500), room));
                }
            }
            Post::Leave(room) => self.say(|| format!("leaves {room}: {status:?}")),
            Post::SignOut => self.say(|| format!("signs out: {status:?}")),
        }
    }

    /// The frames that the outbox has for now.
    fn outgoing(&mut self, now: Instant) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        for room in self.world.rooms.clone() {
            if self.receptions.get(&room) != Some(&Reception::Live) {
                continue;
            }
            for index in 0..self.outbox.entries.len() {
                let entry = &self.outbox.entries[index];
                if entry.room != room {
                    continue;
                }
                let in_flight = self.outbox.entries.iter().any(|entry| entry.room == room && matches!(entry.state, State::Sent { .. }));
                let retry = match entry.state {
                    State::Sent { further: true, .. } => break,
                    State::Sent { .. } => continue,
                    State::Unknown(at) if at > now || in_flight => break,
                    State::Fresh(at) if at > now => break,
                    State::Unknown(_) => true,
                    State::Fresh(_) => false,
                };
                frames.push(self.attempt(index, now, retry));
                if retry {
                    break;
                }
            }
        }
        frames
    }

    fn attempt(&mut self, index: usize, now: Instant, retry: bool) -> ClientFrame {
        let reference = self.reference();
        let entry = &mut self.outbox.entries[index];
        entry.state = State::Sent { reference, at: now, further: retry };
        entry.on_this_connection = true;
        let (room, cid, base) = (entry.room, entry.cid, entry.base);
        match entry.content.clone() {
            Content::Message(_) if entry.discarded && retry => ClientFrame::Drop { reference, room, cid, base },
            Content::Message(body) => ClientFrame::Send { reference, room, cid, base, body, retry },
            Content::Vote { target, value } => {
                let value = VoteValue::try_from(i64::from(value)).unwrap_or_default();
                ClientFrame::Vote { reference, room, cid, base, target, value, retry }
            }
        }
    }

    /// Every send has an answer in time.
    fn look_at_answers(&mut self) {
        for entry in &self.outbox.entries {
            if let State::Sent { reference, at, .. } = entry.state
                && at.elapsed() > ANSWER
                && self.world.gateways_ran_for(at.elapsed())
            {
                self.world.violated("G2", format!("client-{}: request {reference} has no answer after {:?}", self.number, at.elapsed()));
            }
        }
    }
}
