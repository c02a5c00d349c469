//! A partition's newest records in memory: whoever follows the log reads what was just committed without asking the file.

use std::collections::VecDeque;

use bytes::Bytes;
use parley_proto::{Cursor, Position};

use crate::log::{LogRecord, ReadMax};

/// What a record takes beside its bytes, about.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Recent {
    records: VecDeque<Bytes>,
    /// Where they end.
    end: Cursor,
    /// Theirs, with what they take beside.
    bytes: usize,
    bytes_max: usize,
}

impl Recent {
    /// Nothing yet, of a partition that ends here.
    pub(super) fn new(end: Cursor, bytes_max: usize) -> Self {
        Self { records: VecDeque::new(), end, bytes: 0, bytes_max }
    }

    /// This record was committed. The oldest ones make room.
    pub(super) fn push(&mut self, position: Position, record: Bytes) {
        if position.at() != self.end {
            // A commit of unknown outcome lies in between.
            *self = Self::new(position.at(), self.bytes_max);
        }
        self.bytes += record.len() + OVERHEAD;
        self.records.push_back(record);
        self.end = position.next();
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.len() + OVERHEAD;
        }
    }

    /// The records of [from, end), as far as they are held and `max` allows; none where the first of them is not held.
    pub(super) fn read(&self, from: Cursor, end: Cursor, max: ReadMax) -> Vec<LogRecord> {
        let first = self.end.0 - self.records.len() as u64;
        let Some(skipped) = from.0.checked_sub(first).and_then(|skipped| usize::try_from(skipped).ok()) else {
            return Vec::new();
        };
        let mut bytes = 0;
        self.records
            .iter()
            .skip(skipped)
            .take(max.records.max(1))
            .zip(from.0..end.0)
            .take_while(|(record, position)| {
                bytes += record.len();
                bytes <= max.bytes || *position == from.0
            })
            .map(|(record, position)| LogRecord { position: Position(position), bytes: record.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions from 10 on, as far as there is room for four.
    fn recent(count: u64) -> Recent {
        let mut recent = Recent::new(Cursor(10), 4 * (OVERHEAD + 2));
        (10..10 + count).for_each(|position| recent.push(Position(position), record(position)));
        recent
    }

    fn record(position: u64) -> Bytes {
        Bytes::from(position.to_string())
    }

    fn read(recent: &Recent, from: u64, end: u64, max: ReadMax) -> Vec<u64> {
        let records = recent.read(Cursor(from), Cursor(end), max);
        assert!(records.iter().all(|LogRecord { position, bytes }| *bytes == record(position.0)));
        records.iter().map(|record| record.position.0).collect()
    }

    #[test]
    fn the_newest_are_held_and_the_oldest_make_room() {
        let max = ReadMax::default();
        assert_eq!(read(&recent(0), 10, 10, max), [0; 0]);
        assert_eq!(read(&recent(3), 10, 13, max), [10, 11, 12]);
        let full = recent(9);
        assert_eq!(read(&full, 15, 19, max), [15, 16, 17, 18]);
        assert_eq!(read(&full, 17, 19, max), [17, 18]);
        assert_eq!(read(&full, 14, 19, max), [0; 0], "it is not held any more");
        assert_eq!(read(&full, 15, 17, max), [15, 16], "what lies above is not asked for");
        assert_eq!(read(&full, 19, 20, max), [0; 0], "it is not known");
    }

    #[test]
    fn a_read_returns_at_most_what_was_asked_but_at_least_one_record() {
        let full = recent(4);
        assert_eq!(read(&full, 10, 14, ReadMax { records: 2, bytes: 1_000 }), [10, 11]);
        assert_eq!(read(&full, 10, 14, ReadMax { records: 9, bytes: 5 }), [10, 11]);
        assert_eq!(read(&full, 11, 14, ReadMax { records: 0, bytes: 0 }), [11]);
    }

    #[test]
    fn nothing_is_held_from_before_a_hole() {
        let mut recent = recent(3);
        recent.push(Position(15), record(15));
        assert_eq!(read(&recent, 12, 16, ReadMax::default()), [0; 0]);
        assert_eq!(read(&recent, 15, 16, ReadMax::default()), [15]);
    }
}
