//! One user of the product, as any program could be one: signs in over REST, then speaks `parley.v1` over a WebSocket (docs/api.md).

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, RoomId,
    item::{Item, ItemKind},
    wire::{ClientFrame, PROTOCOL_VERSION, Ref, Resume, RoomCursor, ServerFrame, VoteValue},
};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

pub use self::{
    account::{Account, http},
    socket::Socket,
};

mod account;
mod socket;

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
    #[error("the socket was closed ({0:?})")]
    Closed(Option<u16>),
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
    socket: Socket,
    last_reference: Ref,
    pub memory: Memory,
}

impl Memory {
    fn see(&mut self, room: RoomId, items: &[Item]) {
        let seen = self.seen.entry(room).or_default();
        seen.extend(items.iter().filter(|item| item.kind == ItemKind::Message).map(|item| item.id));
        seen.drain(..seen.len().saturating_sub(SEEN_MAX));
    }
}

impl Connection {
    /// A socket; with a memory it goes on where that ended.
    pub async fn open(account: &Account, memory: Memory) -> Result<Self, (Memory, ClientError)> {
        let socket = match account.socket(&account.url).await {
            Ok(socket) => socket,
            Err(error) => return Err((memory, error)),
        };
        let resume = memory
            .token
            .clone()
            .map(|token| Resume { token, rooms: memory.cursors.iter().map(|(room, cursor)| RoomCursor { room: *room, cursor: *cursor }).collect() });
        let mut connection = Self { socket, last_reference: 1, memory };
        let hello = ClientFrame::Hello { reference: 1, version: PROTOCOL_VERSION, resume };
        let welcomed = async {
            connection.socket.write(&hello).await?;
            connection.wait_for(|frame| matches!(frame, ServerFrame::Welcome { .. }).then_some(())).await
        };
        match welcomed.await {
            Ok(()) => Ok(connection),
            Err(error) => Err((connection.memory, error)),
        }
    }

    /// Receives `room` from now on.
    pub async fn subscribe(&mut self, room: RoomId) -> Result<(), ClientError> {
        let wanted = self.reference();
        self.socket.write(&ClientFrame::Subscribe { reference: wanted, room, limit: Some(1) }).await?;
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
        self.socket.write(&ClientFrame::Send { reference: wanted, room, cid, base, body, retry }).await?;
        self.answer(wanted).await
    }

    /// The same with a vote.
    pub async fn vote(&mut self, vote: &OutgoingVote, retry: bool) -> Result<Answer, ClientError> {
        let wanted = self.reference();
        let OutgoingVote { room, cid, base, target, value } = *vote;
        self.socket.write(&ClientFrame::Vote { reference: wanted, room, cid, base, target, value, retry }).await?;
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
            match tokio::time::timeout_at(until, self.socket.read()).await {
                Ok(frame) => self.note(&frame?)?,
                Err(_) => return Ok(()),
            }
        }
    }

    fn reference(&mut self) -> Ref {
        self.last_reference += 1;
        self.last_reference
    }

    async fn wait_for<T>(&mut self, pick: impl Fn(&ServerFrame) -> Option<T>) -> Result<T, ClientError> {
        let waiting = async {
            loop {
                let frame = self.socket.read().await?;
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

fn follow(room: RoomId, prev: Cursor, cursor: &Cursor) -> Result<(), ClientError> {
    if prev > *cursor { Err(ClientError::Hole { room, prev, cursor: *cursor }) } else { Ok(()) }
}
