//! Use cases of conversations: send, drop, pages of history.

use parley_proto::{Cid, Cursor, ErrorCode, MessageId, Position, RoomId, UserId, item::Item};

use crate::refusal::Refusal;

/// A message to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    pub room: RoomId,
    pub cid: Cid,
    /// The client's cursor when it composed this; 0 without one.
    pub base: Cursor,
    pub body: String,
    /// There was an earlier attempt whose outcome is unknown.
    pub retry: bool,
}

/// The three answers to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It is in the log, at this position or before.
    Ack { id: MessageId, at_most: Position },
    /// Nothing was appended.
    Rejected { code: ErrorCode, is_final: bool, retry_after_ms: Option<u64> },
    /// It may be in the log.
    Unknown { is_final: bool, retry_after_ms: u64 },
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAt {
    Newest,
    Before(Cursor),
    From(Cursor),
    Around(MessageId),
}

/// Items of [start, end), ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub items: Vec<Item>,
    pub start: Cursor,
    pub end: Cursor,
    pub has_older: bool,
    pub has_newer: bool,
}

/// Sends and reads.
#[derive(Debug, Clone)]
pub struct Chat {}

impl Chat {
    /// Sends a message as `sender`, whose membership is judged here. Answers within [`parley_proto::limits::SEND_ANSWER`].
    pub async fn send(&self, _sender: UserId, _request: SendRequest) -> SendOutcome {
        SendOutcome::Unknown { is_final: false, retry_after_ms: 1_000 }
    }

    /// A page up to the end of the log, for a member (judged by the caller).
    pub async fn page(&self, _room: RoomId, _at: PageAt, _limit: usize) -> Result<HistoryPage, Refusal> {
        Err(Refusal::unavailable())
    }
}
