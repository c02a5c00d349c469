//! The relay's pure core: folded records that wait to be published, cut into what one publish takes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use parley_engines::bus::RoomFrames;
use parley_proto::{
    Cursor, Position, RoomId,
    fold::Verdict,
    item::Item,
    limits,
    planted::{PlantedBug, planted},
    segment::Group,
};

/// Records that one publish covers, at most.
const RECORDS_MAX: usize = 512;

/// What is read and not yet published.
#[derive(Debug)]
pub(super) struct Pending {
    /// Where the next publish has to begin.
    from: Cursor,
    /// One entry per record in [from, …): its item, if it makes one.
    records: VecDeque<(Position, Option<(RoomId, Item)>)>,
}

/// One publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) from: Cursor,
    pub(super) to: Cursor,
    pub(super) rooms: Vec<RoomFrames>,
}

impl Pending {
    pub(super) fn new(from: Cursor) -> Self {
        Self { from, records: VecDeque::new() }
    }

    pub(super) fn from(&self) -> Cursor {
        self.from
    }

    /// The cursor behind the last record read.
    pub(super) fn end(&self) -> Cursor {
        self.records.back().map_or(self.from, |(position, _)| position.next())
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn push(&mut self, position: Position, verdict: &Verdict) {
        let mut item = match verdict {
            Verdict::First(record) => Item::of_record(position, record).map(|item| (record.room, item)),
            Verdict::Duplicate(record) if planted(PlantedBug::RelayWithoutFold) => Item::of_record(position, record).map(|item| (record.room, item)),
            Verdict::Duplicate(_) | Verdict::Expired(_) | Verdict::Dead(_) => None,
        };
        if planted(PlantedBug::PublishOrder)
            && let Some((_, before)) = self.records.back_mut()
        {
            std::mem::swap(before, &mut item);
        }
        self.records.push_back((position, item));
    }

    /// What lies below `next` is published.
    pub(super) fn published(&mut self, next: Cursor) {
        while self.records.front().is_some_and(|(position, _)| position.at() < next) {
            self.records.pop_front();
        }
        self.from = next;
    }

    /// The next publish: grouped by room, a group no larger than 64 KiB. An empty range where nothing waits.
    pub(super) fn cut(&self) -> Cut {
        let mut rooms: HashMap<RoomId, Vec<(Position, &Item)>> = HashMap::new();
        let mut bytes: HashMap<RoomId, usize> = HashMap::new();
        let mut to = self.from;
        for (position, item) in self.records.iter().take(RECORDS_MAX) {
            if let Some((room, item)) = item {
                let group = bytes.entry(*room).or_default();
                let cost = approximate_json_len(item);
                if *group > 0 && *group + cost > limits::GROUP_BYTES {
                    break;
                }
                *group += cost;
                rooms.entry(*room).or_default().push((*position, item));
            }
            to = position.next();
        }
        let mut rooms: Vec<_> = rooms
            .into_iter()
            .filter_map(|(room, items)| {
                let (last, _) = *items.last()?;
                let frames: Bytes = Group::new(items).to_bytes();
                Some(RoomFrames { room, last, frames })
            })
            .collect();
        rooms.sort_by_key(|frames| frames.last);
        Cut { from: self.from, to, rooms }
    }
}

/// Ids, names and numbers of an item, besides its body.
const ITEM_JSON: usize = 320;

fn approximate_json_len(item: &Item) -> usize {
    ITEM_JSON + item.body.as_str().map_or(512, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parley_proto::{Body, Cid, Kind, PartitionId, Record, UserId};
    use uuid::Uuid;

    fn message(room: u8, body: &str) -> Verdict {
        Verdict::First(Box::new(Record {
            body: Body::Plain(body.to_owned()),
            ..Record::bare(Kind::Message, RoomId::new(PartitionId(0), [room; 16]), UserId(Uuid::from_u128(1)), Cid(Uuid::new_v4()))
        }))
    }

    #[test]
    fn a_publish_groups_by_room_and_covers_records_that_make_no_frame() {
        let mut pending = Pending::new(Cursor(5));
        pending.push(Position(5), &message(1, "a"));
        pending.push(Position(6), &message(2, "b"));
        pending.push(Position(7), &message(1, "c"));
        pending.push(Position(8), &Verdict::Dead(parley_proto::check::DeadReason::Target));
        let cut = pending.cut();
        assert_eq!((cut.from, cut.to), (Cursor(5), Cursor(9)));
        let positions: Vec<_> = cut.rooms.iter().map(|room| room.last.0).collect();
        assert_eq!(positions, [6, 7]);
        pending.published(Cursor(9));
        assert_eq!((pending.from(), pending.end(), pending.len()), (Cursor(9), Cursor(9), 0));
        assert_eq!(pending.cut().to, Cursor(9));
    }

    #[test]
    fn a_group_stays_small() {
        let mut pending = Pending::new(Cursor(0));
        for position in 0..40 {
            pending.push(Position(position), &message(1, &"x".repeat(4_000)));
        }
        let cut = pending.cut();
        assert!(cut.to < Cursor(40) && cut.to > Cursor(5), "{}", cut.to);
        assert!(cut.rooms[0].frames.len() <= limits::GROUP_BYTES + 4_096);
    }
}
