//! A notice: what the persister tells the gateways after a commit (JSON on the bus). An idle tick has `from` = `to`.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{PartitionId, RoomId},
    position::{Cursor, Position},
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
    /// Records that the database refused: dead letters which live views have shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voids: Vec<Position>,
}
