//! The persister's side: partitions' state, and batches written together with the position reached.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{Cid, Cursor, LogId, MessageId, PartitionId, Position, Record, RoomId, UserId, notice::ChangedTally};
use thiserror::Error;

use super::{Snapshot, StoreUnavailable};

/// How far a partition's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its log_id is stored; genesis has not been read back yet.
    Opening,
    /// Genesis matches: rooms may be placed here.
    Open,
}

/// How many records had which outcome. Conservation: next = sum of all (per epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    pub applied: u64,
    pub superseded: u64,
    pub duplicate: u64,
    pub expired: u64,
    pub dead_letter: u64,
    pub control: u64,
}

impl Outcomes {
    /// All records consumed.
    pub fn consumed(&self) -> u64 {
        self.applied + self.superseded + self.duplicate + self.expired + self.dead_letter + self.control
    }
}

/// First 16 bytes of a record's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHash(pub [u8; 16]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    pub partition: PartitionId,
    pub phase: Phase,
    pub log_id: LogId,
    pub epoch: u16,
    /// N: everything below is stored.
    pub next: Cursor,
    pub outcomes: Outcomes,
    /// Of the record at next − 1; `None` while next is 0.
    pub last_hash: Option<RecordHash>,
}

#[async_trait]
pub trait Partitions: Send + Sync + std::fmt::Debug {
    /// The partition's row, made in phase `Opening` with this log_id if it is missing (then, and only then, `log_id` is used).
    async fn partition(&self, partition: PartitionId, log_id: LogId) -> Result<PartitionState, StoreUnavailable>;

    /// All rows, by partition.
    async fn partitions(&self) -> Result<Vec<PartitionState>, StoreUnavailable>;

    /// Genesis was read back and matches.
    async fn open_partition(&self, partition: PartitionId) -> Result<(), StoreUnavailable>;
}

/// One record of a batch after the fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The first of its identity; the store decides between applied and superseded, and counts control kinds as control.
    First(Box<Record>),
    Duplicate,
    Expired,
    Dead {
        reason: String,
        bytes: Bytes,
    },
}

/// A piece of the log to store in one transaction: every record of [from, to).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub partition: PartitionId,
    pub from: Cursor,
    pub to: Cursor,
    pub entries: Vec<(Position, Entry)>,
    /// Of the record at to − 1.
    pub last_hash: RecordHash,
}

/// What a commit did, for the notice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// Of this batch.
    pub outcomes: Outcomes,
    /// The last seq of every room that got rows.
    pub rooms: Vec<(RoomId, u64)>,
    /// The tallies that changed, with the votes that changed them.
    pub tallies: Vec<ChangedTally>,
    /// The read marks that moved, and whereto.
    pub reads: Vec<(RoomId, UserId, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The partition's next is not the batch's `from`: another persister was here. Nothing was written.
    #[error("the partition's next is {next}")]
    Moved { next: Cursor },
    /// The database refuses these rows: bisect. Nothing was written.
    #[error("refused: {0}")]
    Refused(String),
    /// Whether it was committed is not known.
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

/// A change of rooms or members that is to be appended as a record: kind system, cid = `id`, base 0, floor = next of the snapshot it was read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub id: Cid,
    pub room: RoomId,
    pub sender: UserId,
    /// A [`parley_proto::event::SystemEvent`] as JSON.
    pub body: String,
    pub created_at: parley_proto::UnixMillis,
}

/// A record that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub partition: PartitionId,
    pub position: Position,
    pub reason: String,
    pub bytes: Bytes,
    /// Where it was appended once more, if it was.
    pub redriven: Option<Position>,
}

/// How the reason of a dead letter begins that every reader can read and this store's database refused.
pub const REFUSED: &str = "refused by the database: ";

impl DeadLetter {
    /// What the database said of it; `None` where no reader can read it.
    pub fn refusal(&self) -> Option<&str> {
        self.reason.strip_prefix(REFUSED)
    }
}

#[async_trait]
pub trait Projection: Send + Sync + std::fmt::Debug {
    /// One transaction: next from → to by compare-and-set, rows, rev, seq, votes (only from higher positions), tallies by difference, read marks,
    /// dead letters, deleted outbox rows (a `system` record's cid is its outbox row's id), outcome counters, last hash. All or nothing.
    async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError>;

    /// The partitions that have rows in the outbox, in any order.
    async fn outbox_partitions(&self) -> Result<Vec<PartitionId>, StoreUnavailable>;

    /// Returns when the outbox may have rows that it did not have. Where others write to the store that is whenever `interval` has passed.
    async fn outbox_changed(&self, interval: Duration) {
        tokio::time::sleep(interval).await;
    }

    /// The oldest outbox rows of the partition, in commit order.
    async fn outbox(&self, partition: PartitionId, limit: usize) -> Result<Snapshot<Vec<OutboxRow>>, StoreUnavailable>;

    /// Dead letters at or above `from`, in order.
    async fn dead_letters(&self, partition: PartitionId, from: Cursor, limit: usize) -> Result<Vec<DeadLetter>, StoreUnavailable>;

    /// The vote sum and the number of votes on a message; zero where there are none.
    async fn tally(&self, message: MessageId) -> Result<(i64, u64), StoreUnavailable>;
}
