//! Use cases of conversations: send, vote, drop, pages of history.

mod history;
mod send;
mod votes;

use std::sync::Arc;

use parley_engines::{log::Log, store::Store};
use parley_proto::{Cid, Cursor, ErrorCode, MessageId, Position, RoomId, UserId, wire::VoteValue};
use tokio::time::Instant;

use crate::{ends::Ends, limits::Limits, reader::Reader, reads::Reads, recent::Recent, rights::Rights};

pub use history::{HistoryPage, PageAt};
pub(crate) use send::{Begun, SETTLED_PATIENCE};
pub use votes::{Period, TopMessages};

/// A message to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    pub sent: Sent,
    pub body: String,
    /// There was an earlier attempt whose outcome is unknown.
    pub retry: bool,
}

/// A vote to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteRequest {
    pub sent: Sent,
    pub target: MessageId,
    pub value: VoteValue,
    /// There was an earlier attempt whose outcome is unknown.
    pub retry: bool,
}

/// What makes a send or a vote of a person's that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub room: RoomId,
    pub cid: Cid,
    /// The client's cursor when it composed this; 0 without one.
    pub base: Cursor,
}

/// The three answers to a send or a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It is in the log, at this position or before.
    Ack { id: MessageId, at_most: Position },
    /// Nothing was appended (`is_final`: a cancel came first, it never appears).
    Rejected { code: ErrorCode, is_final: bool, retry_after_ms: Option<u64> },
    /// It may be in the log.
    Unknown { is_final: bool, retry_after_ms: u64 },
}

impl SendOutcome {
    /// Its name in metrics and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ack { .. } => "ack",
            Self::Rejected { .. } => "rejected",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Sends and reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chat {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    reader: Reader,
    ends: Ends,
    rights: Rights,
    limits: Limits,
    reads: Reads,
    /// Messages that were there to be voted on a moment ago.
    votable: Arc<Recent<(RoomId, MessageId), ()>>,
}

impl Chat {
    /// Over these engines.
    pub fn new(log: Arc<dyn Log>, store: Arc<dyn Store>, reader: Reader, ends: Ends, rights: Rights, limits: Limits) -> Self {
        let reads = Reads::new(Arc::clone(&log), ends.clone(), rights.clone());
        Self { log, store, reader, ends, rights, limits, reads, votable: Arc::new(Recent::new(votes::VOTABLE_MAX, votes::VOTABLE_TTL)) }
    }

    /// Sends a message as `sender`, whose membership is judged here. Answers within [`parley_proto::limits::SEND_ANSWER`].
    pub async fn send(&self, sender: UserId, request: SendRequest) -> SendOutcome {
        match self.begin_send(sender, request, Instant::now()).await {
            Begun::Answered(outcome) => outcome,
            Begun::HandedOver(in_flight) => in_flight.finish().await,
        }
    }

    /// How far people have read.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Votes as `sender`, by the rules of [`Chat::send`].
    pub async fn vote(&self, sender: UserId, request: VoteRequest) -> SendOutcome {
        match self.begin_vote(sender, request, Instant::now()).await {
            Begun::Answered(outcome) => outcome,
            Begun::HandedOver(in_flight) => in_flight.finish().await,
        }
    }
}
