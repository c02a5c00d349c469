//! A bounded, folded piece of one partition's log in memory: what is in the log and not yet anywhere else is read once per gateway, not once per reader.

use std::collections::{HashMap, VecDeque};

use parley_engines::log::{
    Log, LogError, ReadMax,
    folding::{FoldError, judge},
};
use parley_proto::{
    Cursor, PartitionId, Position, RoomId,
    fold::{Fold, Verdict},
    item::Item,
};
use thiserror::Error;

/// Records that one range may span: W/2, beyond which sends stop as well.
pub(super) const RANGE_RECORDS_MAX: u64 = parley_proto::WINDOW / 2;
/// Items kept.
const ITEMS_MAX: usize = 65_536;
/// Their approximate bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an item costs besides its text.
const ITEM_OVERHEAD: usize = 256;

/// Why a range of the log can't be had.
#[derive(Debug, Error)]
pub(super) enum IndexError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("record version {0} is newer than this gateway")]
    Newer(u8),
    #[error("the range is longer than {RANGE_RECORDS_MAX} records")]
    TooLong,
}

/// The items of [start, end) by room.
#[derive(Debug)]
pub(super) struct Index {
    partition: PartitionId,
    start: Cursor,
    fold: Fold,
    rooms: HashMap<RoomId, VecDeque<(Position, Item)>>,
    order: VecDeque<(RoomId, usize)>,
    bytes: usize,
}

impl Index {
    pub(super) fn new(partition: PartitionId) -> Self {
        Self { partition, start: Cursor::ZERO, fold: Fold::new(partition, Cursor::ZERO), rooms: HashMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// The room's items in [from, to); reads the log as far as needed.
    pub(super) async fn range(&mut self, log: &dyn Log, room: RoomId, from: Cursor, to: Cursor) -> Result<Vec<(Position, Item)>, IndexError> {
        if from >= to {
            return Ok(Vec::new());
        }
        if to.since(from) > RANGE_RECORDS_MAX {
            return Err(IndexError::TooLong);
        }
        let end = self.fold.end();
        if from < self.start || from.since(end) > RANGE_RECORDS_MAX {
            self.restart(from);
        }
        self.extend(log, to).await?;
        let items = self.rooms.get(&room).map(|items| {
            let first = items.partition_point(|(position, _)| position.at() < from);
            items.range(first..).take_while(|(position, _)| position.at() < to).cloned().collect()
        });
        let items = items.unwrap_or_default();
        self.trim();
        Ok(items)
    }

    fn restart(&mut self, from: Cursor) {
        *self = Self { start: from, fold: Fold::new(self.partition, from), ..Self::new(self.partition) };
    }

    async fn extend(&mut self, log: &dyn Log, to: Cursor) -> Result<(), IndexError> {
        while self.fold.end() < to {
            let records = log.read(self.partition, self.fold.end(), ReadMax::default()).await?;
            if records.is_empty() {
                return Err(IndexError::Log(LogError::Unavailable(format!("{to} was asked for, the log ends at {}", self.fold.end()))));
            }
            for record in &records {
                let verdict = judge(&mut self.fold, log, self.partition, record).await?;
                self.note(record.position, &verdict);
            }
        }
        Ok(())
    }

    fn note(&mut self, position: Position, verdict: &Verdict) {
        let Verdict::First(record) = verdict else { return };
        let Some(item) = Item::of_record(position, record) else { return };
        let cost = ITEM_OVERHEAD
            + match &record.body {
                parley_proto::Body::Plain(text) => text.len(),
                parley_proto::Body::A256Gcm { .. } => 0,
            };
        self.bytes += cost;
        self.order.push_back((record.room, cost));
        self.rooms.entry(record.room).or_default().push_back((position, item));
    }

    fn trim(&mut self) {
        while self.order.len() > ITEMS_MAX || self.bytes > BYTES_MAX {
            let Some((room, cost)) = self.order.pop_front() else { return };
            self.bytes -= cost;
            if let Some(items) = self.rooms.get_mut(&room) {
                if let Some((position, _)) = items.pop_front() {
                    self.start = self.start.max(position.next());
                }
                if items.is_empty() {
                    self.rooms.remove(&room);
                }
            }
        }
    }
}

impl From<FoldError> for IndexError {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Log(error) => Self::Log(error),
            FoldError::Newer(version) => Self::Newer(version),
        }
    }
}
