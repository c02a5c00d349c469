//! A notice: what the persister tells the gateways after a commit (JSON on the bus). An idle tick has `from` = `to`.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{MessageId, PartitionId, RoomId, UserId},
    position::{Cursor, Position},
    wire::VoteValue,
};

/// The store's `next` of `partition` went from `from` to `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub partition: PartitionId,
    pub from: Cursor,
    pub to: Cursor,
    /// Rooms that got rows, each with its last `seq`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<(RoomId, u64)>,
    /// Tallies that changed: absolute, as of `to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<ChangedTally>,
    /// Records that the database refused: dead letters which live views have shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voids: Vec<(RoomId, Position)>,
    /// Read marks that moved: for the person's own sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<(RoomId, UserId, u64)>,
}

impl Notice {
    /// Nothing changed: the store is at `next`.
    pub fn tick(partition: PartitionId, next: Cursor) -> Self {
        Self { partition, from: next, to: next, rooms: Vec::new(), tallies: Vec::new(), voids: Vec::new(), reads: Vec::new() }
    }
}

/// A message's tally, and whose votes changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedTally {
    pub room: RoomId,
    pub target: MessageId,
    /// Of the message: who is to show it later keeps the tally.
    pub position: Position,
    pub up: u64,
    pub down: u64,
    /// Each person's vote that counts now, of those who voted anew: for their own sockets.
    pub votes: Vec<(UserId, VoteValue)>,
}
