//! The log port: partitions of records, each with dense offsets.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

pub mod embedded;
pub mod folding;
pub mod kafka;
pub mod metrics;

/// What the log says of a record that was handed over. Any failure after the handing over is [`Appended::Unknown`]: no error proves that it is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Durably in the log, here.
    At(Position),
    /// Durably in the log; the log did not say where (librdkafka after a duplicate sequence number).
    Somewhere,
    /// It may or may not be there, now or later.
    Unknown,
}

/// Resolves once the log has spoken. Dropping it takes nothing back.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Appended>);

impl Receipt {
    /// A receipt and the end that fulfils it; dropping that end means [`Appended::Unknown`].
    pub fn new() -> (oneshot::Sender<Appended>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

impl Future for Receipt {
    type Output = Appended;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Appended> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Appended::Unknown))
    }
}

/// Nothing was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnqueueError {
    /// The local queue is full, or its head has waited too long.
    #[error("the producer's queue is full")]
    QueueFull,
    #[error("the log is closed")]
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogError {
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// Never silently reset: the reader's position and this log don't belong together.
    #[error("{asked} is outside of the log's [{first}, {end})")]
    OutOfRange { asked: Cursor, first: Cursor, end: Cursor },
    #[error("the log has no partition {0}")]
    NoPartition(PartitionId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    pub position: Position,
    pub bytes: Bytes,
}

/// How much one read may return: at least one record is returned if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMax {
    pub records: usize,
    pub bytes: usize,
}

impl Default for ReadMax {
    fn default() -> Self {
        Self { records: 4_096, bytes: 4 * 1024 * 1024 }
    }
}

/// The producing side; one per process.
pub trait LogWriter: Send + Sync + std::fmt::Debug {
    /// Hands the record over and returns at once. Records of one partition that are handed over one after the other are appended in that order.
    fn enqueue(&self, partition: PartitionId, room: RoomId, record: Bytes) -> Result<Receipt, EnqueueError>;
}

/// A process' part of the partitions; `None` while the engine has not told, or can't say any more. For a moment two processes may hold the same one, or nobody:
/// whoever works by it must be right in both cases. It is given back when the last receiver is dropped.
pub type Share = Option<BTreeSet<PartitionId>>;

/// The reading side.
#[async_trait]
pub trait LogReader: Send + Sync + std::fmt::Debug {
    /// How many partitions there are: 0, 1, …
    fn partitions(&self) -> u16;

    /// The end as of a request that begins after this call.
    async fn end(&self, partition: PartitionId) -> Result<Cursor, LogError>;

    /// The records from `from` on, in order, without a hole; none only if `from` is the end.
    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError>;

    /// Joins those who share the log's partitions among themselves, and tells which of them are this process' own.
    fn share(&self) -> watch::Receiver<Share>;

    /// Follows the partition from `from` on.
    fn follow(&self, partition: PartitionId, from: Cursor) -> Box<dyn LogFollower>;
}

/// Reads on and on.
#[async_trait]
pub trait LogFollower: Send + std::fmt::Debug {
    /// Waits for records at the follower's cursor and returns them in order. Cancelling loses nothing.
    async fn next(&mut self, max: ReadMax) -> Result<Vec<LogRecord>, LogError>;
}

/// A log engine.
pub trait Log: LogWriter + LogReader {}
impl<T: LogWriter + LogReader> Log for T {}
