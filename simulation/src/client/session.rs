//! One connection after the other: what is said on a socket, and what is made of what comes back.

use std::collections::BTreeMap;

use futures::{SinkExt, StreamExt};
use parley_proto::{
    Cid, ErrorCode, Kind, MessageId, Position, RoomId,
    wire::{ClientFrame, NewestPage, Resume, ResumeOutcome, RoomCursor, SUBPROTOCOL, ServerFrame, VoteValue},
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

use super::{
    Client, Reception, Status,
    outbox::{Content, Fate, State},
    view::View,
};
use crate::{dice::Dice, sabotage::Sabotage, schedule::Act};

type Socket = WebSocketStream<DuplexStream>;

/// An upgrade, a welcome or an answer over REST may take so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nothing for so long: the connection is dead.
const SILENCE: Duration = Duration::from_secs(40);
/// A send is answered within two seconds; the rest is what the way there and back may take.
const ANSWER: Duration = Duration::from_millis(2_700);
/// How often the client looks what is due.
const LOOK: Duration = Duration::from_millis(100);
/// Refusals until the person gives up.
const REFUSALS: u32 = 6;

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
    room: RoomId,
    joined: bool,
    status: Option<u16>,
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
            self.status.send_replace(Status { idle: self.is_idle() });
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
            let held = self.views.contains_key(room) && self.token_rooms.iter().any(|told| told.room == *room);
            *reception = match resume {
                ResumeOutcome::Accepted if held => Reception::Resuming { acked: acked.get(room).copied() },
                _ => Reception::None(now),
            };
        }
        Ok(())
    }

    /// Does what is due by now.
    async fn due(&mut self, talk: &mut Talk) -> Result<(), Gone> {
        let now = Instant::now();
        while self.acts.front().is_some_and(|(at, _)| *at <= self.world.elapsed()) {
            let Some((_, act)) = self.acts.pop_front() else { break };
            self.act(talk, act).await?;
        }
        let joins: Vec<_> = self.joins.iter().filter(|(at, _)| *at <= now).map(|(_, room)| *room).collect();
        self.joins.retain(|(at, _)| *at > now);
        joins.into_iter().for_each(|room| self.post(room, true));
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
                if self.receptions.get(&room) == Some(&Reception::Live) {
                    self.subscribe(talk, room).await?;
                }
            }
            Act::Scroll { room } => self.scroll(talk, self.world.rooms[room]).await?,
            Act::LeaveAndJoin { room, after } => {
                let room = self.world.rooms[room];
                if self.receptions.get(&room) != Some(&Reception::Left) {
                    self.receptions.insert(room, Reception::Left);
                    self.views.remove(&room);
                    self.post(room, false);
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

    /// Joins or leaves over REST, beside the socket.
    fn post(&self, room: RoomId, joined: bool) {
        let name = gateway_name(self.gateway);
        let (stream, bearer, posted) = (self.world.network.dial(&name, self.line()), self.bearer(), self.posted.0.clone());
        tokio::spawn(async move {
            let path = if joined { "join" } else { "leave" };
            let request = format!(
                "POST /api/v1/rooms/{room}/{path} HTTP/1.1\r\nhost: {name}\r\nauthorization: Bearer {bearer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let asked = async {
                let mut stream = stream?;
                stream.write_all(request.as_bytes()).await.ok()?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.ok()?;
                String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
            };
            let status = timeout(PATIENCE, asked).await.ok().flatten();
            let _ = posted.send(Posted { room, joined, status });
        });
    }

    fn came_of_it(&mut self, posted: &Posted) {
        let Posted { room, joined, status } = *posted;
        self.say(|| format!("{} {room}: {status:?}", if joined { "joins" } else { "leaves" }));
        if !joined {
            return;
        }
        if status == Some(200) {
            self.receptions.insert(room, Reception::None(Instant::now()));
        } else {
            self.joins.push((Instant::now() + Duration::from_millis(500), room));
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

    fn hear(&mut self, talk: &mut Talk, text: &str) -> Result<(), Gone> {
        let frame: ServerFrame = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                self.world.violated("G12", format!("client-{} can't read {text}: {error}", self.number));
                return Err(Gone);
            }
        };
        let what = format!("client-{} {}", self.number, brief(&frame));
        self.world.tell(|| what.clone());
        let world = std::sync::Arc::clone(&self.world);
        match frame {
            ServerFrame::Subscribed { reference, room, page, catching_up } => {
                let Some(Reception::Asked { reference: asked, acked }) = self.receptions.get(&room).copied() else { return Ok(()) };
                if asked == reference {
                    self.newest(room, &page, &what);
                    self.shows(room, acked, catching_up, "G6");
                }
            }
            ServerFrame::Resync { room, page, .. } => self.newest(room, &page, &what),
            ServerFrame::Replay { room, items, cursor, more, catching_up, .. } => {
                // One that nobody asked for ends a time in which nobody vouched for this person's rights.
                let acked = match self.receptions.get(&room) {
                    Some(Reception::Resuming { acked }) => *acked,
                    Some(Reception::Live) => None,
                    _ => return Ok(()),
                };
                let Some(view) = self.views.get_mut(&room) else { return Ok(()) };
                view.replay(&world, room, &items, cursor, more, &what);
                if !more {
                    self.shows(room, acked, catching_up, "G5");
                    self.enter(room);
                }
            }
            ServerFrame::Frames { .. } if world.has(Sabotage::SocketDropsFrames) && self.dice.chance(0.05) => {}
            ServerFrame::Frames { room, prev, items } => {
                if let Some(view) = self.received(room) {
                    view.frames(&world, room, prev, &items, &what);
                }
            }
            ServerFrame::Page { reference, room, items, start, end, has_older, tallies, .. } => {
                if self.pages.remove(&reference).is_some()
                    && let Some(view) = self.received(room)
                {
                    view.page(&world, &items, room, (start, end), has_older, &tallies, &what);
                }
            }
            ServerFrame::Tallies { room, tallies } => {
                if let Some(view) = self.received(room) {
                    view.tallies(&world, &tallies, &what);
                }
            }
            ServerFrame::Voided { room, positions } => {
                if let Some(view) = self.received(room) {
                    view.voided(&positions);
                }
            }
            ServerFrame::Cursors { items, token } => self.cursors(items, token),
            ServerFrame::Unsubscribed { reference: None, room, .. } => {
                if self.receptions.get(&room) != Some(&Reception::Left) {
                    self.receptions.insert(room, Reception::None(Instant::now() + Duration::from_millis(300)));
                }
            }
            ServerFrame::Error { reference: Some(reference), code, .. } => {
                self.pages.remove(&reference);
                // A leave that was given up may have taken effect after the join: they join again.
                let joins = &mut self.joins;
                let asked = |(_, reception): &(&RoomId, &Reception)| matches!(reception, Reception::Asked { reference: asked, .. } if *asked == reference);
                joins.extend(self.receptions.iter().filter(asked).filter(|_| code == ErrorCode::NotFound).map(|(room, _)| (Instant::now(), *room)));
                for reception in
                    self.receptions.values_mut().filter(|reception| matches!(reception, Reception::Asked { reference: asked, .. } if *asked == reference))
                {
                    *reception = Reception::None(Instant::now() + Duration::from_millis(500));
                }
            }
            ServerFrame::Ack { reference, cid, id, at_most } => self.acked(talk, reference, cid, id, at_most),
            ServerFrame::Rejected { reference, cid, code, is_final, retry_after_ms } => self.rejected(reference, cid, code, is_final, retry_after_ms),
            ServerFrame::Unknown { reference, cid, is_final, retry_after_ms } => self.unknown(reference, cid, is_final, retry_after_ms),
            ServerFrame::Stored { room, cursor } => world.is_stored(room, cursor, &what),
            ServerFrame::Drain { .. }
            | ServerFrame::Welcome { .. }
            | ServerFrame::RoomActivity { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Read { .. } => {}
            ServerFrame::Unsubscribed { .. } | ServerFrame::Error { .. } => {}
        }
        Ok(())
    }

    /// The view of a room that is received in full now.
    fn received(&mut self, room: RoomId) -> Option<&mut View> {
        self.views.get_mut(&room).filter(|_| self.receptions.get(&room) == Some(&Reception::Live))
    }

    fn newest(&mut self, room: RoomId, page: &NewestPage, what: &str) {
        if self.receptions.get(&room) == Some(&Reception::Left) {
            return;
        }
        let world = std::sync::Arc::clone(&self.world);
        self.views.entry(room).or_default().newest(&world, room, page, what);
        self.enter(room);
    }

    fn enter(&mut self, room: RoomId) {
        self.receptions.insert(room, Reception::Live);
        if let Some(view) = self.views.get(&room) {
            let cids: std::collections::BTreeSet<Cid> = view.rows.values().filter(|row| row.sender == self.user).map(|row| row.cid).collect();
            self.outbox.strike(self.user, room, |cid| cids.contains(&cid));
        }
    }

    /// What was acked before the question has to be in the answer.
    fn shows(&self, room: RoomId, acked: Option<Position>, catching_up: bool, promise: &'static str) {
        let (Some(acked), Some(view)) = (acked, self.views.get(&room)) else { return };
        if !catching_up && view.cursor <= acked.at() {
            self.world.violated(promise, format!("client-{}: {room} is complete to {}, but {acked} was acked before", self.number, view.cursor));
        }
    }

    fn cursors(&mut self, items: Vec<RoomCursor>, token: String) {
        for RoomCursor { room, cursor } in &items {
            let number = self.number;
            let world = std::sync::Arc::clone(&self.world);
            let Some(view) = self.received(*room) else { continue };
            let skipped: Vec<_> = world.truth().rows(*room, view.cursor, *cursor).into_iter().filter(|(_, row)| !world.was_refused(row.id)).collect();
            if !skipped.is_empty() || *cursor > world.log.end(room.partition()) {
                world.violated("G5", format!("client-{number}: {room} goes from {} to {cursor} over {skipped:?}", view.cursor));
            }
            view.cursor = view.cursor.max(*cursor);
        }
        self.token_rooms = items;
        self.token = Some(token);
    }

    fn answered(&mut self, reference: u64, cid: Cid) -> Option<(usize, bool)> {
        self.outbox.entries.iter().position(|entry| entry.cid == cid && matches!(entry.state, State::Sent { reference: asked, .. } if asked == reference)).map(
            |index| {
                let further = matches!(self.outbox.entries[index].state, State::Sent { further: true, .. });
                (index, further)
            },
        )
    }

    fn acked(&mut self, talk: &mut Talk, reference: u64, cid: Cid, id: MessageId, at_most: Position) {
        let Some((index, further)) = self.answered(reference, cid) else { return };
        let entry = self.outbox.entries[index].clone();
        let own = MessageId::derive(entry.room, self.user, cid, entry.base);
        let first = self.world.truth().first(own);
        match first {
            Some((position, kind)) if id == own && position <= at_most && kind != Kind::Cancel => {
                self.world.was_acked(entry.room, position);
                if !further {
                    self.in_order(talk, reference, entry.room, position);
                }
            }
            _ => self.world.violated("G1", format!("client-{}: {cid} is acked as {id} at {at_most}, the log has {first:?}", self.number)),
        }
        self.outbox.finish(self.user, index, Fate::Acked);
    }

    /// First attempts of one connection stand in the order in which they were sent.
    fn in_order(&self, talk: &mut Talk, reference: u64, room: RoomId, position: Position) {
        talk.acked.insert(reference, (room, position));
        let wrong = talk.acked.iter().find(|(other, (of, at))| *of == room && (**other < reference && *at > position || **other > reference && *at < position));
        if let Some((other, (_, at))) = wrong {
            self.world.violated("G11", format!("client-{}: request {other} stands at {at}, request {reference} at {position}", self.number));
        }
    }

    fn rejected(&mut self, reference: u64, cid: Cid, code: ErrorCode, is_final: bool, retry_after_ms: Option<u64>) {
        let Some((index, further)) = self.answered(reference, cid) else { return };
        let entry = &mut self.outbox.entries[index];
        let id = MessageId::derive(entry.room, self.user, cid, entry.base);
        if is_final {
            if self.world.truth().first(id).is_none_or(|(_, kind)| kind != Kind::Cancel) {
                self.world.violated("G2", format!("client-{}: {cid} is cancelled, but no cancel stands first", self.number));
            }
            return self.outbox.finish(self.user, index, Fate::Cancelled);
        }
        if further {
            self.world.violated("G2", format!("client-{}: a retry of {cid} is rejected without its cancel: {code:?}", self.number));
        }
        entry.refusals += 1;
        let pause = Duration::from_millis(retry_after_ms.unwrap_or(300));
        entry.state = State::Fresh(Instant::now() + pause);
        if entry.refusals > REFUSALS || (code == ErrorCode::NotFound && matches!(entry.content, Content::Vote { .. })) {
            self.outbox.finish(self.user, index, Fate::Rejected);
        }
    }

    fn unknown(&mut self, reference: u64, cid: Cid, is_final: bool, retry_after_ms: u64) {
        let Some((index, _)) = self.answered(reference, cid) else { return };
        if is_final {
            return self.outbox.finish(self.user, index, Fate::Unknown);
        }
        self.outbox.entries[index].state = State::Unknown(Instant::now() + Duration::from_millis(retry_after_ms));
    }
}

/// A frame in a line of the trace, without display times and tokens.
fn brief(frame: &ServerFrame) -> String {
    let positions = |items: &[parley_proto::item::Item]| items.iter().map(|item| item.position.to_string()).collect::<Vec<_>>().join(" ");
    match frame {
        ServerFrame::Subscribed { room, page, catching_up, .. } => {
            format!("← subscribed {room} [{}, {}) {catching_up}: {}; {:?}", page.start, page.cursor, positions(&page.items), page.tallies)
        }
        ServerFrame::Resync { room, page, .. } => format!("← resync {room} [{}, {}): {}; {:?}", page.start, page.cursor, positions(&page.items), page.tallies),
        ServerFrame::Replay { room, prev, items, cursor, more, .. } => format!("← replay {room} [{prev}, {cursor}) {more}: {}", positions(items)),
        ServerFrame::Frames { room, prev, items } => format!("← frames {room} from {prev}: {}", positions(items)),
        ServerFrame::Page { room, items, start, end, tallies, .. } => format!("← page {room} [{start}, {end}): {}; {tallies:?}", positions(items)),
        ServerFrame::Cursors { items, .. } => format!("← cursors {items:?}"),
        ServerFrame::Welcome { .. } => "← welcome".to_owned(),
        other => format!("← {other:?}"),
    }
}
