//! Folded records on their way into one transaction: pure.

use bytes::Bytes;
use parley_engines::{
    log::ReadMax,
    store::projection::{Batch, Entry, REFUSED, RecordHash},
};
use parley_proto::{
    Cursor, PartitionId, Position,
    fold::Verdict,
    planted::{PlantedBug, planted},
};
use sha2::{Digest, Sha256};

/// First 16 bytes of SHA-256.
pub fn hash(record: &[u8]) -> RecordHash {
    let mut head = [0; 16];
    head.copy_from_slice(&Sha256::digest(record)[..16]);
    RecordHash(head)
}

/// A batch, and the bytes of each of its records: what the database refuses is kept as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub(crate) batch: Batch,
    pub(crate) bytes: Vec<Bytes>,
    bytes_total: usize,
}

impl Block {
    /// Nothing yet; the next record is the one at `from`.
    pub fn new(partition: PartitionId, from: Cursor) -> Self {
        let batch = Batch { partition, from, to: from, entries: Vec::new(), last_hash: RecordHash([0; 16]) };
        Self { batch, bytes: Vec::new(), bytes_total: 0 }
    }

    /// Adds the record at `position`, which the fold has judged.
    pub fn push(&mut self, position: Position, bytes: Bytes, verdict: Verdict) {
        let entry = match verdict {
            Verdict::First(record) => Entry::First(record),
            Verdict::Duplicate(record) if planted(PlantedBug::RetryMakesSecondRow) => Entry::First(record),
            Verdict::Duplicate(_) => Entry::Duplicate,
            Verdict::Expired(_) => Entry::Expired,
            Verdict::Dead(reason) => Entry::Dead { reason: reason.to_string(), bytes: bytes.clone() },
        };
        self.add(position, bytes, entry);
    }

    /// Adds the record at `position` as a dead letter: another store's database refused it.
    pub fn bury(&mut self, position: Position, bytes: Bytes, reason: &str) {
        let entry = Entry::Dead { reason: format!("{REFUSED}{reason}"), bytes: bytes.clone() };
        self.add(position, bytes, entry);
    }

    fn add(&mut self, position: Position, bytes: Bytes, entry: Entry) {
        self.batch.entries.push((position, entry));
        self.batch.to = position.next();
        self.bytes_total += bytes.len();
        self.bytes.push(bytes);
    }

    /// How much may still be added; `None` once it is full.
    pub fn space(&self, max: ReadMax) -> Option<ReadMax> {
        let space = ReadMax { records: max.records.saturating_sub(self.len()), bytes: max.bytes.saturating_sub(self.bytes_total) };
        (space.records > 0 && space.bytes > 0).then_some(space)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What to commit: sealed with the last record's hash.
    pub fn seal(&mut self) -> &Batch {
        if let Some(last) = self.bytes.last() {
            self.batch.last_hash = hash(last);
        }
        &self.batch
    }

    /// Its two halves; `None` if it is a single record.
    pub(crate) fn halves(mut self) -> Result<(Self, Self), Self> {
        if self.len() < 2 {
            return Err(self);
        }
        let middle = self.len() / 2;
        let (entries, bytes) = (self.batch.entries.split_off(middle), self.bytes.split_off(middle));
        let cut = entries[0].0.at();
        let right_bytes = bytes.iter().map(Bytes::len).sum();
        let right = Self { batch: Batch { from: cut, entries, ..self.batch }, bytes, bytes_total: right_bytes };
        self.bytes_total -= right_bytes;
        let left = Self { batch: Batch { to: cut, ..self.batch }, ..self };
        Ok((left, right))
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::check::DeadReason;

    use super::*;

    fn block(records: u64) -> Block {
        let mut block = Block::new(PartitionId(1), Cursor(10));
        for offset in 0..records {
            block.push(Position(10 + offset), Bytes::from(vec![offset as u8; 10]), Verdict::Dead(DeadReason::Target));
        }
        block
    }

    #[test]
    fn it_is_full_by_count_or_by_bytes() {
        let max = ReadMax { records: 3, bytes: 25 };
        assert_eq!(block(0).space(max), Some(max));
        assert_eq!(block(2).space(max), Some(ReadMax { records: 1, bytes: 5 }));
        assert_eq!(block(3).space(ReadMax { bytes: 1_000, ..max }), None);
        assert_eq!(block(3).space(ReadMax { records: 1_000, ..max }), None);
    }

    #[test]
    fn its_seal_is_the_last_records_hash() {
        let mut sealed = block(3);
        let batch = sealed.seal();
        assert_eq!((batch.from, batch.to, batch.last_hash), (Cursor(10), Cursor(13), hash(&[2; 10])));
    }

    #[test]
    fn halves_meet_and_lose_nothing() {
        let whole = block(5);
        let (mut left, mut right) = whole.clone().halves().unwrap();
        assert_eq!((left.seal().from, left.batch.to, left.len(), left.bytes_total), (Cursor(10), Cursor(12), 2, 20));
        assert_eq!((right.seal().from, right.batch.to, right.len(), right.bytes_total), (Cursor(12), Cursor(15), 3, 30));
        let joined: Vec<_> = left.batch.entries.into_iter().chain(right.batch.entries).collect();
        assert_eq!(joined, whole.batch.entries);
        assert!(block(1).halves().is_err());
    }
}
