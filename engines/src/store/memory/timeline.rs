//! History in memory.

use async_trait::async_trait;
use parley_proto::{Cursor, MessageId, PartitionId, Position, RoomId, item::Item};

use super::{MemoryStore, Tables};
use crate::store::{
    Snapshot, StoreUnavailable,
    timeline::{Changes, Rows, RowsAt, Timeline},
};

impl Tables {
    fn rows_of(&self, room: RoomId, from: Cursor, to: Cursor) -> impl DoubleEndedIterator<Item = &Item> {
        let from = from.min(to);
        self.messages.range((room, from.position())..(room, to.position())).map(|(_, item)| item)
    }

    fn last_seq(&self, room: RoomId) -> u64 {
        self.marks.get(&room).map_or(0, |mark| mark.last_seq)
    }

    /// `older` rows below the cursor and `newer` ones from it on.
    fn slice(&self, room: RoomId, at: Cursor, older: usize, newer: usize) -> Rows {
        let mut items: Vec<Item> = self.rows_of(room, Cursor::ZERO, at).rev().take(older).cloned().collect();
        items.reverse();
        items.extend(self.rows_of(room, at, Cursor::LIMIT).take(newer).cloned());
        let has_older = self.rows_of(room, Cursor::ZERO, at).count() > older;
        let has_newer = self.rows_of(room, at, Cursor::LIMIT).count() > newer;
        Rows { items, has_older, has_newer, last_seq: self.last_seq(room) }
    }

    fn rows(&self, room: RoomId, at: RowsAt, limit: usize) -> Rows {
        match at {
            RowsAt::Newest => self.slice(room, Cursor::LIMIT, limit, 0),
            RowsAt::Before(cursor) => self.slice(room, cursor, limit, 0),
            RowsAt::From(cursor) => self.slice(room, cursor, 0, limit),
            RowsAt::Around(id) => match self.by_id.get(&id).filter(|(of, _)| *of == room) {
                Some((_, position)) => {
                    let older = self.rows_of(room, Cursor::ZERO, position.at()).count().min(limit / 2);
                    self.slice(room, position.at(), older, limit - older)
                }
                None => Rows { items: Vec::new(), has_older: false, has_newer: false, last_seq: self.last_seq(room) },
            },
        }
    }

    fn changes(&self, room: RoomId, from: Cursor, limit: usize) -> Changes {
        let changed = |item: &&Item| item.position.at() >= from || item.rev.is_some_and(|rev| rev.at() >= from);
        let mut items: Vec<Item> = self.rows_of(room, Cursor::ZERO, Cursor::LIMIT).filter(changed).cloned().collect();
        items.sort_by_key(|item| item.rev);
        let truncated = items.len() > limit;
        items.truncate(limit);
        Changes { items, truncated, last_seq: self.last_seq(room) }
    }
}

#[async_trait]
impl Timeline for MemoryStore {
    async fn rows(&self, room: RoomId, at: RowsAt, limit: usize) -> Result<Snapshot<Rows>, StoreUnavailable> {
        self.call(|tables| Snapshot { next: tables.next(room.partition()), value: tables.rows(room, at, limit) }).await
    }

    async fn changes(&self, room: RoomId, from: Cursor, limit: usize) -> Result<Snapshot<Changes>, StoreUnavailable> {
        self.call(|tables| Snapshot { next: tables.next(room.partition()), value: tables.changes(room, from, limit) }).await
    }

    async fn find(&self, partition: PartitionId, ids: &[MessageId]) -> Result<Snapshot<Vec<Option<Position>>>, StoreUnavailable> {
        self.call(|tables| {
            let find = |id: &MessageId| tables.by_id.get(id).filter(|(room, _)| room.partition() == partition).map(|(_, position)| *position);
            Snapshot { next: tables.next(partition), value: ids.iter().map(find).collect() }
        })
        .await
    }
}
