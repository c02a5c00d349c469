//! Positions and cursors: the only order that Parley knows. Wall time never decides anything.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// Records that any reader has to remember to recognise a repeat: a constant of record version 1.
pub const WINDOW: u64 = 131_072;

/// Bits of the offset in a position; the rest, up to bit 53, is the epoch.
const OFFSET_BITS: u32 = 40;

/// A record's place in its partition: epoch · 2⁴⁰ + offset. Below 2⁵³, so exact in JSON and as a sorted set's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Exclusive: everything below it has been applied (or exists, for an end; or is stored, for `next`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// No number above 2⁵³ is read: no position is as large, and JavaScript would make another one of it.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > Cursor::LIMIT.0 { Err(D::Error::custom("a position is at most 2^53")) } else { Ok(number) }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        exact(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        exact(deserializer).map(Self)
    }
}

impl Position {
    /// The position of `offset` in `epoch` of a partition.
    pub fn new(epoch: u16, offset: u64) -> Self {
        debug_assert!(offset < 1 << OFFSET_BITS && epoch < 1 << 13);
        Self((u64::from(epoch) << OFFSET_BITS) | offset)
    }

    /// The offset in the partition of the log.
    pub fn offset(self) -> u64 {
        self.0 & ((1 << OFFSET_BITS) - 1)
    }

    /// The cursor just behind this record.
    pub fn next(self) -> Cursor {
        Cursor(self.0 + 1)
    }

    /// The cursor at which this record is the next one to apply.
    pub fn at(self) -> Cursor {
        Cursor(self.0)
    }
}

impl Cursor {
    /// Nothing applied yet.
    pub const ZERO: Self = Self(0);

    /// 2⁵³: no position is as large.
    pub const LIMIT: Self = Self(1 << 53);

    /// The record that a reader at this cursor applies next.
    pub fn position(self) -> Position {
        Position(self.0)
    }

    /// How many positions lie in [other, self); 0 where `other` is above.
    pub fn since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// This cursor moved back by `records`, not below zero.
    pub fn back(self, records: u64) -> Self {
        Self(self.0.saturating_sub(records))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
