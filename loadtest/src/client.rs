//! One user of the product, as any program could be one: signs in over REST, then speaks `parley.v1` over a WebSocket (docs/api.md).

use std::{
    collections::{HashMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, RoomId,
    item::{Item, ItemKind},
    wire::{ClientFrame, PROTOCOL_VERSION, Ref, Resume, RoomCursor, SUBPROTOCOL, ServerFrame, VoteValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

/// For any answer: above every deadline that the server promises.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// Of a room's newest messages so many are remembered, to vote on.
const SEEN_MAX: usize = 32;

/// Why something could not be done.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("REST: {0}")]
    Http(#[from] reqwest::Error),
    #[error("{path}: {status}: {problem}")]
    Refused { path: &'static str, status: u16, problem: serde_json::Value },
    #[error("the socket: {0}")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("the socket was closed")]
    Closed,
    #[error("nothing was answered in time")]
    Silent,
    #[error("not a frame of protocol version {PROTOCOL_VERSION}: {0}")]
    Frame(#[from] serde_json::Error),
    #[error("frames of {room} begin at {prev}, above the cursor {cursor}: something was left out")]
    Hole { room: RoomId, prev: Cursor, cursor: Cursor },
    #[error("the subscription was refused: {0:?}")]
    NotSubscribed(ErrorCode),
}

/// A user name with its password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Credentials {
    pub user_name: String,
    pub password: String,
}

/// A person who is signed in.
#[derive(Debug, Clone)]
pub struct Account {
    url: String,
    access_token: String,
    http: reqwest::Client,
    /// Where this person's sockets come from, if the server is on this machine: each has an address of their own, as people have.
    home: Ipv4Addr,
}

/// The answer to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Acked,
    Rejected { code: ErrorCode, retry_after: Duration },
    Unknown { retry_after: Duration },
}

/// A message on its way: what stays the same however often it is tried.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub room: RoomId,
    pub cid: Cid,
    pub base: Cursor,
    pub body: String,
}

/// A vote on its way.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingVote {
    pub room: RoomId,
    pub cid: Cid,
    pub base: Cursor,
    pub target: MessageId,
    pub value: VoteValue,
}

/// What a client has to know to come back.
#[derive(Debug, Default)]
pub struct Memory {
    token: Option<String>,
    cursors: HashMap<RoomId, Cursor>,
    /// The newest messages of each room.
    pub seen: HashMap<RoomId, VecDeque<MessageId>>,
    /// Who serves, or served last.
    pub gateway: String,
    /// Messages and other items that were received, all together.
    pub received: u64,
}

/// A socket that was welcomed.
#[derive(Debug)]
pub struct Connection {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_reference: Ref,
    pub memory: Memory,
}

impl Account {
    /// Signs in; `http` may be shared by many.
    pub async fn sign_in(http: reqwest::Client, url: &str, credentials: &Credentials) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct Session {
            access_token: String,
        }
        let Credentials { user_name, password } = credentials;
        let body = serde_json::json!({"user_name": user_name, "password": password, "session": "token"});
        let answer = http.post(format!("{url}/api/v1/auth/sign-in")).json(&body).send().await?;
        let Session { access_token } = accepted("sign-in", answer).await?;
        let [a, b, c] = rand::random::<[u8; 3]>();
        Ok(Self { url: url.to_owned(), access_token, http, home: Ipv4Addr::new(127, a, b, c.clamp(1, 254)) })
    }

    /// The rooms that this person is a member of, most active first.
    pub async fn rooms(&self) -> Result<Vec<RoomId>, ClientError> {
        #[derive(Deserialize)]
        struct Rooms {
            items: Vec<Room>,
        }
        #[derive(Deserialize)]
        struct Room {
            id: RoomId,
        }
        let answer = self.http.get(format!("{}/api/v1/rooms?limit=100", self.url)).bearer_auth(&self.access_token).send().await?;
        let rooms: Rooms = accepted("rooms", answer).await?;
        Ok(rooms.items.into_iter().map(|room| room.id).collect())
    }

    /// A socket; with a memory it goes on where that ended.
    pub async fn connect(&self, memory: Memory) -> Result<Connection, (Memory, ClientError)> {
        let stream = match timeout(ANSWER_DEADLINE, self.upgrade()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err((memory, error)),
            Err(_) => return Err((memory, ClientError::Silent)),
        };
        let resume = memory
            .token
            .clone()
            .map(|token| Resume { token, rooms: memory.cursors.iter().map(|(room, cursor)| RoomCursor { room: *room, cursor: *cursor }).collect() });
        let mut connection = Connection { stream, last_reference: 1, memory };
        let hello = ClientFrame::Hello { reference: 1, version: PROTOCOL_VERSION, resume };
        let welcomed = async {
            connection.write(&hello).await?;
            connection.wait_for(|frame| matches!(frame, ServerFrame::Welcome { .. }).then_some(())).await
        };
        match welcomed.await {
            Ok(()) => Ok(connection),
            Err(error) => Err((connection.memory, error)),
        }
    }

    async fn upgrade(&self) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, ClientError> {
        let mut request = format!("{}/api/v1/socket", self.url.replacen("http", "ws", 1)).into_client_request().map_err(Box::new)?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.access_token))
            .map_err(|error| Box::new(tungstenite::Error::from(tungstenite::http::Error::from(error))))?;
        request.headers_mut().insert("authorization", bearer);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let Ok(server @ SocketAddr::V4(_)) = authority.parse::<SocketAddr>() else {
            return Ok(tokio_tungstenite::connect_async(request).await.map_err(Box::new)?.0);
        };
        let stream = self.connect_to(server).await.map_err(|error| Box::new(tungstenite::Error::Io(error)))?;
        Ok(tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await.map_err(Box::new)?.0)
    }

    async fn connect_to(&self, server: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if server.ip().is_loopback() {
            socket.bind((self.home, 0).into())?;
        }
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Memory {
    fn see(&mut self, room: RoomId, items: &[Item]) {
        let seen = self.seen.entry(room).or_default();
        seen.extend(items.iter().filter(|item| item.kind == ItemKind::Message).map(|item| item.id));
        seen.drain(..seen.len().saturating_sub(SEEN_MAX));
    }
}

impl Connection {
    /// Receives `room` from now on.
    pub async fn subscribe(&mut self, room: RoomId) -> Result<(), ClientError> {
        let wanted = self.reference();
        self.write(&ClientFrame::Subscribe { reference: wanted, room, limit: Some(1) }).await?;
        let answered = self.wait_for(|frame| match frame {
            ServerFrame::Subscribed { reference, .. } if *reference == wanted => Some(Ok(())),
            ServerFrame::Error { reference: Some(reference), code, .. } if *reference == wanted => Some(Err(ClientError::NotSubscribed(*code))),
            _ => None,
        });
        answered.await?
    }

    /// The cursor in a room: what a message that is composed now has as its base.
    pub fn base(&self, room: RoomId) -> Cursor {
        self.memory.cursors.get(&room).copied().unwrap_or_default()
    }

    /// One attempt. A failure of the socket leaves the outcome unknown.
    pub async fn send(&mut self, message: &Outgoing, retry: bool) -> Result<Answer, ClientError> {
        let wanted = self.reference();
        let Outgoing { room, cid, base, body } = message.clone();
        self.write(&ClientFrame::Send { reference: wanted, room, cid, base, body, retry }).await?;
        self.answer(wanted).await
    }

    /// The same with a vote.
    pub async fn vote(&mut self, vote: &OutgoingVote, retry: bool) -> Result<Answer, ClientError> {
        let wanted = self.reference();
        let OutgoingVote { room, cid, base, target, value } = *vote;
        self.write(&ClientFrame::Vote { reference: wanted, room, cid, base, target, value, retry }).await?;
        self.answer(wanted).await
    }

    async fn answer(&mut self, wanted: Ref) -> Result<Answer, ClientError> {
        self.wait_for(|frame| match frame {
            ServerFrame::Ack { reference, .. } if *reference == wanted => Some(Answer::Acked),
            ServerFrame::Rejected { reference, code, retry_after_ms, .. } if *reference == wanted => {
                Some(Answer::Rejected { code: *code, retry_after: Duration::from_millis(retry_after_ms.unwrap_or(1_000)) })
            }
            ServerFrame::Unknown { reference, retry_after_ms, .. } if *reference == wanted => {
                Some(Answer::Unknown { retry_after: Duration::from_millis(*retry_after_ms) })
            }
            _ => None,
        })
        .await
    }

    /// Reads for this long.
    pub async fn listen(&mut self, time: Duration) -> Result<(), ClientError> {
        let until = tokio::time::Instant::now() + time;
        loop {
            match tokio::time::timeout_at(until, self.read()).await {
                Ok(frame) => self.note(&frame?)?,
                Err(_) => return Ok(()),
            }
        }
    }

    fn reference(&mut self) -> Ref {
        self.last_reference += 1;
        self.last_reference
    }

    async fn write(&mut self, frame: &ClientFrame) -> Result<(), ClientError> {
        Ok(self.stream.send(Message::Text(serde_json::to_string(frame)?.into())).await.map_err(Box::new)?)
    }

    async fn read(&mut self) -> Result<ServerFrame, ClientError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(_))) | None => return Err(ClientError::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Box::new(error).into()),
            }
        }
    }

    async fn wait_for<T>(&mut self, pick: impl Fn(&ServerFrame) -> Option<T>) -> Result<T, ClientError> {
        let waiting = async {
            loop {
                let frame = self.read().await?;
                self.note(&frame)?;
                if let Some(picked) = pick(&frame) {
                    return Ok(picked);
                }
            }
        };
        timeout(ANSWER_DEADLINE, waiting).await.unwrap_or(Err(ClientError::Silent))
    }

    /// Moves the cursors.
    fn note(&mut self, frame: &ServerFrame) -> Result<(), ClientError> {
        if let ServerFrame::Frames { room, items, .. } | ServerFrame::Replay { room, items, .. } = frame {
            self.memory.see(*room, items);
        }
        if let ServerFrame::Subscribed { room, page, .. } = frame {
            self.memory.see(*room, &page.items);
        }
        let Memory { token, cursors, received, gateway, .. } = &mut self.memory;
        match frame {
            ServerFrame::Welcome { gateway: name, .. } => gateway.clone_from(name),
            ServerFrame::Subscribed { room, page, .. } | ServerFrame::Resync { room, page, .. } => _ = cursors.insert(*room, page.cursor),
            ServerFrame::Replay { room, prev, items, cursor: end, .. } => {
                let cursor = cursors.entry(*room).or_default();
                follow(*room, *prev, cursor)?;
                *received += items.len() as u64;
                *cursor = (*cursor).max(*end);
            }
            ServerFrame::Frames { room, prev, items } => {
                let cursor = cursors.entry(*room).or_default();
                follow(*room, *prev, cursor)?;
                *received += items.len() as u64;
                *cursor = items.last().map_or(*cursor, |item| item.position.next());
            }
            ServerFrame::Cursors { items, token: newer } => {
                *token = Some(newer.clone());
                for RoomCursor { room, cursor } in items {
                    let known = cursors.entry(*room).or_default();
                    *known = (*known).max(*cursor);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What was asked for, unless it was refused.
async fn accepted<T: DeserializeOwned>(path: &'static str, answer: reqwest::Response) -> Result<T, ClientError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.json().await?);
    }
    Err(ClientError::Refused { path, status: status.as_u16(), problem: answer.json().await.unwrap_or_default() })
}

fn follow(room: RoomId, prev: Cursor, cursor: &Cursor) -> Result<(), ClientError> {
    if prev > *cursor { Err(ClientError::Hole { room, prev, cursor: *cursor }) } else { Ok(()) }
}
