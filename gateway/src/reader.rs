//! Reads any range of a room wherever its messages are at the time: in the tail, in the store, or only in the log.
//!
//! One function serves gap repair, subscribe, resume and history alike. It never answers with less than was asked: it says that it can't.

mod index;
mod resolve;

use std::sync::Arc;

use parley_engines::{
    bus::{Bus, Tail},
    log::Log,
    store::{Store, StoreUnavailable},
};
use parley_proto::{
    Cursor, PartitionId, Position, RoomId,
    item::Item,
    limits,
    segment::{Group, Segment},
};
use tokio::sync::Mutex;

use index::{Index, IndexError, RANGE_RECORDS_MAX};

/// An item with the position at which a reader applies it.
pub(crate) type Keyed = (Position, Item);

/// Why a range can't be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Something that is needed is away, or has to catch up first.
    #[error("this piece of history can't be read just now")]
    Pending,
    /// More rows than a replay may have.
    #[error("too much was missed")]
    TooMuch,
}

/// Reads ranges. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    store: Arc<dyn Store>,
    /// One per partition; the lock makes reads of the same piece one read.
    indexes: Arc<Vec<Mutex<Index>>>,
}

impl Reader {
    /// A reader over these engines.
    pub fn new(log: Arc<dyn Log>, bus: Arc<dyn Bus>, store: Arc<dyn Store>) -> Self {
        let indexes = (0..log.partitions()).map(|partition| Mutex::new(Index::new(PartitionId(partition)))).collect();
        Self { log, bus, store, indexes: Arc::new(indexes) }
    }

    /// The room's tail; a bus that is away is like one without state.
    pub(crate) async fn tail(&self, room: RoomId) -> Tail {
        self.bus.tail(room).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "reader.tail");
            Tail::Unseeded
        })
    }

    /// Items of [from, to) that only the log has, folded.
    pub(crate) async fn log_range(&self, room: RoomId, from: Cursor, to: Cursor) -> Result<Vec<Keyed>, ReadError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let Some(index) = self.indexes.get(usize::from(room.partition().0)) else { return Err(ReadError::Pending) };
        let read = async { index.lock().await.range(&*self.log, room, from, to).await };
        match tokio::time::timeout(LOG_READ_DEADLINE, read).await {
            Ok(Ok(items)) => Ok(items),
            Ok(Err(error)) => {
                match error {
                    IndexError::Newer(version) => tracing::error!(version, partition = room.partition().0, "reader.newer_record"),
                    IndexError::Log(_) | IndexError::TooLong => tracing::warn!(%error, %room, %from, %to, "reader.log_range"),
                }
                Err(ReadError::Pending)
            }
            Err(_) => Err(ReadError::Pending),
        }
    }

    /// All of the room's items in [from, to), as one segment.
    pub async fn read(&self, room: RoomId, from: Cursor, to: Cursor) -> Result<Segment, ReadError> {
        let items = self.range(room, from, to).await?;
        Ok(Segment { prev: from, end: to, group: Group::new(items.iter().map(|(key, item)| (*key, item))) })
    }

    /// All of the room's items in [from, to), with the position at which each is applied, in that order.
    pub(crate) async fn range(&self, room: RoomId, from: Cursor, to: Cursor) -> Result<Vec<Keyed>, ReadError> {
        let tail = self.tail(room).await;
        if let Tail::Frames { next, floor, segments } = &tail
            && *floor <= from
        {
            let mut items = tail_items(segments, from, to);
            items.extend(self.log_range(room, from.max(*next), to).await?);
            return Ok(items);
        }
        // Without the bus every room that is watched is read: the log once for all of a partition's, while the store would be asked for each.
        if matches!(tail, Tail::Unseeded)
            && to.since(from) <= RANGE_RECORDS_MAX
            && let Ok(items) = self.log_range(room, from, to).await
        {
            return if items.len() > limits::REPLAY { Err(ReadError::TooMuch) } else { Ok(items) };
        }
        match self.stored(room, from, to).await {
            Ok((next, mut items)) => {
                items.extend(self.beyond_store(room, from.max(next), to, &tail).await?);
                Ok(items)
            }
            Err(StoredError::TooMuch) => Err(ReadError::TooMuch),
            // The log has it all, if the range is not too long.
            Err(StoredError::Away(_)) => self.log_range(room, from, to).await,
        }
    }

    /// What is above the store's `next`: from the tail where it is complete, else from the log.
    pub(crate) async fn beyond_store(&self, room: RoomId, from: Cursor, to: Cursor, tail: &Tail) -> Result<Vec<Keyed>, ReadError> {
        match tail {
            Tail::Frames { next, floor, segments } if *floor < to && *next > from => {
                let mut items = self.log_range(room, from, (*floor).min(to)).await?;
                items.extend(tail_items(segments, from.max(*floor), to));
                items.extend(self.log_range(room, from.max(*next), to).await?);
                Ok(items)
            }
            _ => self.log_range(room, from, to).await,
        }
    }

    async fn stored(&self, room: RoomId, from: Cursor, to: Cursor) -> Result<(Cursor, Vec<Keyed>), StoredError> {
        let snapshot = self.store.changes(room, from, limits::REPLAY).await.map_err(StoredError::Away)?;
        if snapshot.value.truncated {
            return Err(StoredError::TooMuch);
        }
        let mut items: Vec<Keyed> = snapshot.value.items.into_iter().filter_map(|item| keyed_within(item, from, to)).collect();
        items.sort_by_key(|(key, item)| (*key, item.position));
        Ok((snapshot.next, items))
    }
}

/// How long a read of the log may take before the reader says that it can't.
const LOG_READ_DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);

enum StoredError {
    Away(#[expect(dead_code, reason = "logged by the engine; kept for Debug")] StoreUnavailable),
    TooMuch,
}

/// A stored row belongs to [from, to) if it stands there, or changed there. One that stands there and changed later is applied at the end of the range:
/// its change comes again, and says nothing new.
fn keyed_within(item: Item, from: Cursor, to: Cursor) -> Option<Keyed> {
    let rev = item.rev.unwrap_or(item.position);
    if item.position.at() >= to || (item.position.at() < from && rev.at() >= to) {
        return None;
    }
    let key = rev.at().max(from).min(to.back(1));
    Some((key.position(), item))
}

/// The tail's items in [from, to).
pub(crate) fn tail_items(segments: &[Segment], from: Cursor, to: Cursor) -> Vec<Keyed> {
    segments.iter().filter(|segment| segment.end > from).flat_map(|segment| segment.group.items()).filter(|(key, _)| (from..to).contains(&key.at())).collect()
}
