//! Reading history. Every answer comes with the partition's `next` of the same snapshot.

use async_trait::async_trait;
use parley_proto::{Cursor, MessageId, PartitionId, Position, RoomId, item::Item};

use super::{Snapshot, StoreUnavailable};

/// Rows of a room in order of position, each with `rev` and, for messages, `seq`; deleted ones are tombstones (`deleted`, body null).
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub items: Vec<Item>,
    pub has_older: bool,
    pub has_newer: bool,
    /// The room's last `seq`.
    pub last_seq: u64,
}

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsAt {
    Newest,
    /// Below this cursor, the nearest ones.
    Before(Cursor),
    /// At or above this cursor, the nearest ones.
    From(Cursor),
    /// This row in the middle; no rows at all if the room has no such row.
    Around(MessageId),
}

/// What changed in a room from a cursor on.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// Rows with position ≥ the cursor, or with rev ≥ the cursor, in order of rev.
    pub items: Vec<Item>,
    /// There were more than asked for: `items` is not all.
    pub truncated: bool,
    pub last_seq: u64,
}

#[async_trait]
pub trait Timeline: Send + Sync + std::fmt::Debug {
    /// At most `limit` rows. A room that does not exist has none.
    async fn rows(&self, room: RoomId, at: RowsAt, limit: usize) -> Result<Snapshot<Rows>, StoreUnavailable>;

    /// The rows at or above `from`, and the older ones that changed there.
    async fn changes(&self, room: RoomId, from: Cursor, limit: usize) -> Result<Snapshot<Changes>, StoreUnavailable>;

    /// Where the messages with these ids are (edits, votes and so on have no row). In the order asked.
    async fn find(&self, partition: PartitionId, ids: &[MessageId]) -> Result<Snapshot<Vec<Option<Position>>>, StoreUnavailable>;
}
