//! The fold: what a record means, given the records before it. Relay, persister, range reader and gateway all use this one, so what the store
//! will not have, nobody is shown.
//!
//! A record with floor f at position o is a repeat if its identity occurs in [f, o). Since o − f ≤ [`WINDOW`], a bounded piece of the log decides,
//! the same for every reader and for ever; no database is asked.

use std::collections::{HashMap, VecDeque};

use crate::{
    check::{CheckError, DeadReason, check},
    ids::{MessageId, PartitionId},
    planted::{PlantedBug, planted},
    position::{Cursor, Position, WINDOW},
    record::{Kind, Record},
};

/// What one record means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The first of its identity: to be applied (or found superseded by what the store holds, or, for control records, noted).
    First(Box<Record>),
    /// Its identity occurred in [floor, own position).
    Duplicate(Box<Record>),
    /// Its floor is above it, or more than [`WINDOW`] below: nobody applies it.
    Expired(Box<Record>),
    /// It can't be read or must not be believed.
    Dead(DeadReason),
}

/// Why the fold can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The window begins too late: give [`Fold::extend_back`] the records of [from, start) first.
    NeedsEarlier { from: Cursor },
    /// Raise an alarm; nothing may be skipped.
    Newer { version: u8 },
}

/// The identities of [start, end) of one partition.
#[derive(Debug, Clone)]
pub struct Fold {
    partition: PartitionId,
    start: Cursor,
    end: Cursor,
    /// Of each identity in the window the last occurrence.
    latest: HashMap<MessageId, Position>,
    order: VecDeque<(Position, MessageId)>,
}

impl Fold {
    /// A fold that will be given the records from `at` on, and knows none before it.
    pub fn new(partition: PartitionId, at: Cursor) -> Self {
        Self { partition, start: at, end: at, latest: HashMap::new(), order: VecDeque::new() }
    }

    /// The next record to give to [`Fold::apply`].
    pub fn end(&self) -> Cursor {
        self.end
    }

    /// Identities below this are not known.
    pub fn start(&self) -> Cursor {
        self.start
    }

    /// How many identities it remembers.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Judges the record at `position`, which must not be below [`Fold::end`], and remembers it.
    pub fn apply(&mut self, position: Position, bytes: &[u8]) -> Result<Verdict, Stop> {
        assert!(position.at() >= self.end, "records are given in log order: {position} is below {}", self.end);
        let verdict = match check(bytes, self.partition) {
            Err(CheckError::Newer(version)) => return Err(Stop::Newer { version }),
            Err(CheckError::Dead(reason)) => Verdict::Dead(reason),
            Ok(record) if is_expired(&record, position) => Verdict::Expired(Box::new(record)),
            Ok(record) if record.floor < self.start => {
                return Err(Stop::NeedsEarlier { from: record.floor });
            }
            Ok(record) => {
                let id = record.id();
                let earlier = self.latest.insert(id, position);
                self.order.push_back((position, id));
                let counts = record.kind != Kind::Vote || !planted(PlantedBug::VotesWithoutIdentity);
                if counts && earlier.is_some_and(|earlier| earlier.at() >= record.floor) {
                    Verdict::Duplicate(Box::new(record))
                } else {
                    Verdict::First(Box::new(record))
                }
            }
        };
        self.end = position.next();
        self.forget();
        Ok(verdict)
    }

    /// Tells the fold what lies in [from, start): the records there, in any order. Only their identities count.
    pub fn extend_back<'a>(&mut self, from: Cursor, records: impl IntoIterator<Item = (Position, &'a [u8])>) {
        let mut earlier: Vec<_> = records
            .into_iter()
            .filter(|(position, _)| (from..self.start).contains(&position.at()))
            .filter_map(|(position, bytes)| {
                let record = check(bytes, self.partition).ok()?;
                (!is_expired(&record, position)).then(|| (position, record.id()))
            })
            .collect();
        earlier.sort_unstable_by_key(|(position, _)| *position);
        for (position, id) in earlier.into_iter().rev() {
            self.latest.entry(id).or_insert(position);
            self.order.push_front((position, id));
        }
        self.start = self.start.min(from);
    }

    /// Drops what no later record can ask for.
    fn forget(&mut self) {
        let oldest = oldest_needed(self.end.position());
        while let Some((position, id)) = self.order.front().copied()
            && position.at() < oldest
        {
            self.order.pop_front();
            if self.latest.get(&id) == Some(&position) {
                self.latest.remove(&id);
            }
        }
        self.start = self.start.max(oldest.min(self.end));
    }
}

/// Nobody applies a record whose floor is above it or further back than readers remember.
pub fn is_expired(record: &Record, position: Position) -> bool {
    record.floor > position.at() || position.at().since(record.floor) > WINDOW
}

/// The lowest floor that a record at `position` can have without being expired.
fn oldest_needed(position: Position) -> Cursor {
    position.at().back(WINDOW)
}
