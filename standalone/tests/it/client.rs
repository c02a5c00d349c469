//! A client that does what docs/api.md says, and checks at every frame that the server keeps its word: no hole, nothing twice, one order.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use parley_proto::{
    Cid, Cursor, MessageId, Position, RoomId,
    item::{Item, ItemKind},
    wire::{ClientFrame, NewestPage, Resume, RoomCursor, ServerFrame, Tallies, VoteValue},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};
use uuid::Uuid;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) url: String,
    pub(crate) user_name: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) http: reqwest::Client,
    /// Everybody comes from an address of their own.
    pub(crate) home: Ipv4Addr,
}

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A place to come from that nobody else has. Connections are not kept: the server may be another one by the next request.
fn device() -> (Ipv4Addr, reqwest::Client) {
    let [a, b, c] = rand::random::<[u8; 3]>();
    let home = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
    (home, reqwest::Client::builder().no_proxy().local_address(IpAddr::V4(home)).pool_max_idle_per_host(0).build().unwrap())
}

impl Person {
    /// A new account whose name begins with this: others may have been here before.
    pub(crate) async fn sign_up(url: &str, name: &str) -> Self {
        Self::try_sign_up(url, name).await.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// The same; or the answer that was not 201.
    pub(crate) async fn try_sign_up(url: &str, name: &str) -> Result<Self, (u16, serde_json::Value)> {
        let user_name = format!("{name}-{:08x}", rand::random::<u32>());
        let (home, http) = device();
        let body = serde_json::json!({"user_name": user_name, "password": PASSWORD, "session": "token"});
        let answer = http.post(format!("{url}/api/v1/auth/sign-up")).json(&body).send().await.unwrap();
        let (status, session): (_, serde_json::Value) = (answer.status().as_u16(), answer.json().await.unwrap());
        if status != 201 {
            return Err((status, session));
        }
        Ok(Self::of(url, &session, http, home))
    }

    fn of(url: &str, session: &serde_json::Value, http: reqwest::Client, home: Ipv4Addr) -> Self {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Self {
            url: url.to_owned(),
            user_name: text(&session["user"]["user_name"]),
            access_token: text(&session["access_token"]),
            refresh_token: text(&session["refresh_token"]),
            http,
            home,
        }
    }

    /// Another session of the same person, from elsewhere.
    pub(crate) async fn sign_in_again(&self) -> Self {
        self.try_sign_in_again(PASSWORD).await.unwrap()
    }

    /// The same with this password; or the status that was not 200.
    pub(crate) async fn try_sign_in_again(&self, password: &str) -> Result<Self, u16> {
        let body = serde_json::json!({"user_name": self.user_name, "password": password, "session": "token"});
        let (home, http) = device();
        match (Self { home, http: http.clone(), ..self.clone() }).post("/auth/sign-in", &body).await {
            (200, session) => Ok(Self::of(&self.url, &session, http, home)),
            (status, _) => Err(status),
        }
    }

    pub(crate) async fn refresh(&self, token: &str) -> (u16, serde_json::Value) {
        self.post("/auth/refresh", &serde_json::json!({"refresh_token": token})).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.http.delete(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.access_token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The same person at another gateway.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let answer = self.http.post(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.access_token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn put(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let answer = self.http.put(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.access_token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.http.get(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.access_token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// A new public room whose name begins with this.
    pub(crate) async fn create_room(&self, name: &str) -> RoomId {
        let name = format!("{name} {:08x}", rand::random::<u32>());
        let (status, room) = self.post("/rooms", &serde_json::json!({"name": name, "visibility": "public"})).await;
        assert_eq!(status, 201, "{room}");
        room["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn join(&self, room: RoomId) {
        let (status, answer) = self.post(&format!("/rooms/{room}/join"), &serde_json::json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The texts of all messages of the room, page by page.
    pub(crate) async fn everything(&self, room: RoomId) -> Vec<String> {
        let mut texts = Vec::new();
        let mut path = format!("/rooms/{room}/messages?limit=100");
        loop {
            let (status, page) = self.get(&path).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().unwrap();
            let messages = items.iter().filter(|item| item["kind"] == "message");
            texts.splice(0..0, messages.map(|item| item["body"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
            match page["previous"].as_str() {
                Some(previous) => path = format!("/rooms/{room}/messages?limit=100&cursor={previous}"),
                None => return texts,
            }
        }
    }

    /// A socket that has said hello.
    pub(crate) async fn connect(&self) -> Socket {
        Socket::open(self, None).await.expect("the gateway is there")
    }

    /// Comes back with what `before` knew; tries until the gateway is there.
    pub(crate) async fn resume(&self, before: Socket) -> Socket {
        let rooms = before.views.iter().map(|(room, view)| RoomCursor { room: *room, cursor: view.cursor }).collect();
        let resume = Resume { token: before.token.clone().expect("a token was given"), rooms };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut socket = loop {
            match Socket::open(self, Some(resume.clone())).await {
                Ok(socket) => break socket,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "could not come back: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        socket.views = before.views;
        socket.token.get_or_insert(resume.token);
        socket
    }
}

/// What a client holds of a room.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) start: Cursor,
    pub(crate) cursor: Cursor,
    pub(crate) rows: BTreeMap<Position, Item>,
    tallies: HashMap<MessageId, Held>,
}

/// A tally as the client holds it.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    seen: Seen,
    as_of: Cursor,
}

/// Up, down, and one's own vote.
pub(crate) type Seen = (u64, u64, i64);

impl View {
    fn replace(&mut self, page: &NewestPage) {
        self.rows.clear();
        self.tallies.clear();
        (self.start, self.cursor) = (page.start, page.cursor);
        for item in &page.items {
            assert!((page.start..page.cursor).contains(&item.position.at()), "{item:?} is not in [{}, {})", page.start, page.cursor);
            assert!(self.rows.insert(item.position, item.clone()).is_none(), "twice in a page: {item:?}");
        }
        if let Some(tallies) = &page.tallies {
            assert!(tallies.items.iter().all(|tally| tally.mine.is_some()), "a page says how its reader voted: {tallies:?}");
            self.count(tallies, page.start);
        }
    }

    /// Of two tallies the one with the larger as_of counts; those of messages from `start` on are kept, whether the message is there yet or not.
    fn count(&mut self, tallies: &Tallies, start: Cursor) {
        for tally in tallies.items.iter().filter(|tally| tally.position.at() >= start) {
            let held = self.tallies.entry(tally.target).or_default();
            if tallies.as_of > held.as_of {
                *held = Held { seen: (tally.up, tally.down, tally.mine.map_or(held.seen.2, i64::from)), as_of: tallies.as_of };
            }
        }
    }

    /// What the client shows of a message's votes.
    pub(crate) fn seen(&self, target: MessageId) -> Seen {
        self.tallies.get(&target).map(|held| held.seen).unwrap_or_default()
    }

    fn apply(&mut self, item: &Item) {
        if !matches!(item.kind, ItemKind::Message | ItemKind::System) {
            return;
        }
        if let Some(double) = self.rows.values().find(|row| row.id == item.id && row.position != item.position) {
            panic!("one message at two positions: {double:?} and {item:?}");
        }
        self.rows.insert(item.position, item.clone());
    }

    /// The texts of the messages, in order.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.rows.values().filter(|item| item.kind == ItemKind::Message).map(|item| item.body.as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// One of the three answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Ack { id: MessageId, at_most: Position },
    Rejected { code: parley_proto::ErrorCode, is_final: bool },
    Unknown,
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket after its hello.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    references: u64,
    /// Frames that nobody has waited for yet.
    backlog: VecDeque<ServerFrame>,
    pub(crate) views: HashMap<RoomId, View>,
    pub(crate) token: Option<String>,
    pub(crate) closed: Option<u16>,
    /// When a draining gateway wants it gone.
    pub(crate) leave_at: Option<tokio::time::Instant>,
    pub(crate) welcome: Option<ServerFrame>,
}

impl Socket {
    /// The upgrade alone.
    pub(crate) async fn upgrade(person: &Person) -> Result<Stream, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("{}/api/v1/socket", person.url.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {}", person.access_token)).unwrap());
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("parley.v1"));
        let server: SocketAddr = request.uri().authority().unwrap().as_str().parse().unwrap();
        let socket = TcpSocket::new_v4()?;
        socket.bind((person.home, 0).into())?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await?.0)
    }

    async fn open(person: &Person, resume: Option<Resume>) -> Result<Self, String> {
        let stream = Self::upgrade(person).await.map_err(|error| error.to_string())?;
        let mut socket =
            Self { stream, references: 1, backlog: VecDeque::new(), views: HashMap::new(), token: None, closed: None, leave_at: None, welcome: None };
        socket.write(&ClientFrame::Hello { reference: 1, version: 1, resume }).await;
        let welcome = socket.wait_for(|frame| matches!(frame, ServerFrame::Welcome { .. })).await;
        match welcome {
            Some(welcome) => {
                socket.welcome = Some(welcome);
                Ok(socket)
            }
            None => Err(format!("closed with {:?}", socket.closed)),
        }
    }

    pub(crate) async fn write(&mut self, frame: &ClientFrame) {
        self.write_text(serde_json::to_string(frame).unwrap()).await;
    }

    pub(crate) async fn write_text(&mut self, text: String) {
        // A socket that the server has closed shows it when it is read.
        let _ = self.stream.send(Message::Text(text.into())).await;
    }

    pub(crate) async fn write_message(&mut self, message: Message) {
        let _ = self.stream.send(message).await;
    }

    pub(crate) fn reference(&mut self) -> u64 {
        self.references += 1;
        self.references
    }

    /// Reads one frame and applies it to the views; `None` once the socket is closed.
    async fn read(&mut self) -> Option<ServerFrame> {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("the server says something in time") {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                    self.note(&frame);
                    return Some(frame);
                }
                Some(Ok(Message::Close(close))) => {
                    self.closed = Some(close.map_or(1005, |close| close.code.into()));
                    return None;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    self.closed.get_or_insert(1006);
                    return None;
                }
            }
        }
    }

    fn note(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Subscribed { room, page, .. } | ServerFrame::Resync { room, page, .. } => self.views.entry(*room).or_default().replace(page),
            ServerFrame::Replay { room, prev, items, cursor, .. } => {
                let view = self.views.entry(*room).or_default();
                assert!(*prev <= view.cursor, "a replay from {prev} leaves a hole above {}", view.cursor);
                for item in items {
                    view.apply(item);
                }
                view.cursor = view.cursor.max(*cursor);
            }
            ServerFrame::Frames { room, prev, items } => {
                let view = self.views.get_mut(room).expect("frames of a subscribed room only");
                assert!(*prev <= view.cursor, "frames from {prev} leave a hole above {}", view.cursor);
                for item in items {
                    assert!(item.position.at() >= view.cursor, "{item:?} again, the cursor is {}", view.cursor);
                    view.apply(item);
                    view.cursor = item.position.next();
                }
            }
            ServerFrame::Voided { room, positions } => {
                let view = self.views.entry(*room).or_default();
                view.rows.retain(|position, _| !positions.contains(position));
            }
            ServerFrame::Tallies { room, tallies } => {
                assert!(!tallies.items.is_empty(), "a frame that says nothing");
                let view = self.views.entry(*room).or_default();
                view.count(tallies, view.start);
            }
            ServerFrame::Page { room, start, tallies, .. } => {
                let view = self.views.entry(*room).or_default();
                // What is above was held already: from here on all of it is.
                view.start = view.start.min(*start);
                view.count(tallies, view.start);
            }
            ServerFrame::Cursors { items, token } => {
                self.token = Some(token.clone());
                for RoomCursor { room, cursor } in items {
                    let view = self.views.entry(*room).or_default();
                    view.cursor = view.cursor.max(*cursor);
                }
            }
            ServerFrame::Drain { reconnect_after_ms } => self.leave_at = Some(tokio::time::Instant::now() + Duration::from_millis(*reconnect_after_ms)),
            _ => {}
        }
    }

    /// The next frame that fits, now or later; `None` once the socket is closed.
    pub(crate) async fn wait_for(&mut self, fits: impl Fn(&ServerFrame) -> bool) -> Option<ServerFrame> {
        if let Some(at) = self.backlog.iter().position(&fits) {
            return self.backlog.remove(at);
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            assert!(tokio::time::Instant::now() < deadline, "what was waited for did not come; there is {:?}", self.backlog);
            let frame = self.read().await?;
            if fits(&frame) {
                return Some(frame);
            }
            self.backlog.push_back(frame);
        }
    }

    /// Subscribes, and waits for the answer and the token that follows it.
    pub(crate) async fn subscribe(&mut self, room: RoomId) -> View {
        let wanted = self.reference();
        self.write(&ClientFrame::Subscribe { reference: wanted, room, limit: Some(100) }).await;
        let answer = self.wait_for(|frame| matches!(frame, ServerFrame::Subscribed { reference, .. } | ServerFrame::Error { reference: Some(reference), .. } if *reference == wanted)).await;
        assert!(matches!(answer, Some(ServerFrame::Subscribed { .. })), "{answer:?}");
        self.wait_for(|frame| matches!(frame, ServerFrame::Cursors { .. })).await.expect("a token follows");
        self.views[&room].clone()
    }

    pub(crate) async fn send(&mut self, room: RoomId, body: &str) -> Answer {
        let (cid, base) = (Cid(Uuid::new_v4()), self.base(room));
        self.send_as(room, cid, base, body, false).await
    }

    pub(crate) fn base(&self, room: RoomId) -> Cursor {
        self.views.get(&room).map(|view| view.cursor).unwrap_or_default()
    }

    pub(crate) async fn send_as(&mut self, room: RoomId, cid: Cid, base: Cursor, body: &str, retry: bool) -> Answer {
        let reference = self.reference();
        self.write(&ClientFrame::Send { reference, room, cid, base, body: body.to_owned(), retry }).await;
        self.answer(reference).await
    }

    /// Votes anew.
    pub(crate) async fn vote(&mut self, room: RoomId, target: MessageId, value: i64) -> Answer {
        let (cid, base) = (Cid(Uuid::new_v4()), self.base(room));
        self.vote_as(room, cid, base, target, value, false).await
    }

    pub(crate) async fn vote_as(&mut self, room: RoomId, cid: Cid, base: Cursor, target: MessageId, value: i64, retry: bool) -> Answer {
        let reference = self.reference();
        let value = VoteValue::try_from(value).unwrap();
        self.write(&ClientFrame::Vote { reference, room, cid, base, target, value, retry }).await;
        self.answer(reference).await
    }

    /// Reads until the client shows these votes.
    pub(crate) async fn until_seen(&mut self, room: RoomId, target: MessageId, wanted: Seen) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.views[&room].seen(target) != wanted {
            let seen = self.views[&room].seen(target);
            match tokio::time::timeout_at(deadline, self.read()).await {
                Ok(Some(frame)) => self.backlog.push_back(frame),
                Ok(None) => panic!("closed with {:?} at {seen:?}", self.closed),
                Err(_) => panic!("{seen:?} is seen and not {wanted:?}"),
            }
        }
    }

    /// How many frames that fit have come and were not waited for.
    pub(crate) fn count(&self, fits: impl Fn(&ServerFrame) -> bool) -> usize {
        self.backlog.iter().filter(|frame| fits(frame)).count()
    }

    pub(crate) async fn drop_send(&mut self, room: RoomId, cid: Cid, base: Cursor) -> Answer {
        let reference = self.reference();
        self.write(&ClientFrame::Drop { reference, room, cid, base }).await;
        self.answer(reference).await
    }

    /// The answer to one send; no answer before the socket broke is `unknown`.
    pub(crate) async fn answer(&mut self, wanted: u64) -> Answer {
        let answer = self
            .wait_for(|frame| match frame {
                ServerFrame::Ack { reference, .. } | ServerFrame::Rejected { reference, .. } | ServerFrame::Unknown { reference, .. } => *reference == wanted,
                _ => false,
            })
            .await;
        match answer {
            Some(ServerFrame::Ack { id, at_most, .. }) => Answer::Ack { id, at_most },
            Some(ServerFrame::Rejected { code, is_final, .. }) => Answer::Rejected { code, is_final },
            _ => Answer::Unknown,
        }
    }

    /// Reads until the room shows `count` messages.
    pub(crate) async fn until(&mut self, room: RoomId, count: usize) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.views.get(&room).is_none_or(|view| view.texts().len() < count) {
            let there = self.views.get(&room).map(|view| view.texts().len());
            assert!(tokio::time::Instant::now() < deadline, "{there:?} of {count} messages came");
            match self.read().await {
                // A busy machine could not bring what was missed in time: clients subscribe anew.
                Some(ServerFrame::Unsubscribed { reference: None, room: ended, code: Some(code) }) if ended == room && code.status() == 503 => {
                    println!("not resumed: {code:?}");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    self.subscribe(room).await;
                }
                Some(frame) => self.backlog.push_back(frame),
                None => panic!("closed with {:?} at {there:?} of {count} messages", self.closed),
            }
        }
        self.views[&room].texts()
    }

    /// Reads until the socket is closed; the code.
    pub(crate) async fn until_closed(&mut self) -> u16 {
        while self.read().await.is_some() {}
        self.closed.unwrap_or(1006)
    }

    /// Whether a frame that fits has come and was not waited for.
    pub(crate) fn came(&self, fits: impl Fn(&ServerFrame) -> bool) -> bool {
        self.backlog.iter().any(fits)
    }

    /// Reads whatever has arrived, for this long.
    pub(crate) async fn settle(&mut self, quiet: Duration) {
        let deadline = tokio::time::Instant::now() + quiet;
        while let Ok(Some(frame)) = tokio::time::timeout_at(deadline, self.read()).await {
            self.backlog.push_back(frame);
        }
    }
}
