//! The database refuses a batch: halve it until the one record is found that it refuses, and make that a dead letter. Pure.

use parley_engines::store::projection::{Batch, Entry, REFUSED};
use parley_proto::Position;

use crate::batch::Block;

/// Pieces of one block that are still to be committed, in order.
#[derive(Debug)]
pub struct Bisection {
    /// The next one is the last.
    pending: Vec<Block>,
}

/// What became of a refused piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was halved: try the next piece.
    Halved,
    /// This record is a dead letter now: try it again as such.
    Dead(Position),
    /// The database refuses even the dead letter: this is no matter of rows.
    Stuck,
}

impl Bisection {
    /// All of the block is to be committed.
    pub fn new(block: Block) -> Self {
        Self { pending: if block.is_empty() { Vec::new() } else { vec![block] } }
    }

    /// The next piece to commit.
    pub fn current(&mut self) -> Option<&Batch> {
        self.pending.last_mut().map(Block::seal)
    }

    /// The current piece is in the store.
    pub fn committed(&mut self) {
        self.pending.pop();
    }

    /// The database refuses the current piece.
    pub fn refused(&mut self, reason: &str) -> Refused {
        let Some(block) = self.pending.pop() else { return Refused::Stuck };
        match block.halves() {
            Ok((left, right)) => {
                self.pending.extend([right, left]);
                Refused::Halved
            }
            Err(mut single) => {
                let outcome = bury(&mut single, reason);
                self.pending.push(single);
                outcome
            }
        }
    }
}

fn bury(single: &mut Block, reason: &str) -> Refused {
    match (single.batch.entries.first_mut(), single.bytes.first()) {
        (Some((position, entry)), Some(bytes)) if !matches!(entry, Entry::Dead { .. }) => {
            *entry = Entry::Dead { reason: format!("{REFUSED}{reason}"), bytes: bytes.clone() };
            Refused::Dead(*position)
        }
        _ => Refused::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use parley_proto::{Cid, Cursor, Kind, PartitionId, Record, RoomId, UserId, fold::Verdict};

    use super::*;

    fn block(records: u64) -> Block {
        let mut block = Block::new(PartitionId(1), Cursor(0));
        for offset in 0..records {
            let record = Record::bare(Kind::Message, RoomId::new(PartitionId(1), [1; 16]), UserId::NIL, Cid::NIL);
            block.push(Position(offset), Bytes::from(vec![offset as u8]), Verdict::First(Box::new(record)));
        }
        block
    }

    /// Commits a block of `records` to a database that refuses the `bad` ones; what it stored, what died, and in how many tries.
    fn run(records: u64, bad: &BTreeSet<u64>) -> (Vec<u64>, Vec<u64>, usize) {
        let (mut stored, mut dead, mut tries) = (Vec::new(), Vec::new(), 0);
        let mut bisection = Bisection::new(block(records));
        let mut next = Cursor(0);
        while let Some(batch) = bisection.current() {
            tries += 1;
            assert_eq!(batch.from, next, "pieces are committed in order and meet");
            let refuses = |(position, entry): &(Position, Entry)| matches!(entry, Entry::First(_)) && bad.contains(&position.0);
            if batch.entries.iter().any(refuses) {
                assert_ne!(bisection.refused("no"), Refused::Stuck);
                continue;
            }
            next = batch.to;
            for (position, entry) in &batch.entries {
                match entry {
                    Entry::Dead { reason, .. } => {
                        assert_eq!(reason, "refused by the database: no");
                        dead.push(position.0);
                    }
                    _ => stored.push(position.0),
                }
            }
            bisection.committed();
        }
        assert_eq!(next, Cursor(records));
        (stored, dead, tries)
    }

    #[test]
    fn only_the_refused_records_die() {
        for bad in [vec![], vec![0], vec![99], vec![50, 51], vec![3, 40, 77], (0..100).collect()] {
            let bad = BTreeSet::from_iter(bad);
            let (stored, dead, tries) = run(100, &bad);
            assert_eq!(dead, bad.iter().copied().collect::<Vec<_>>());
            assert_eq!(stored, (0..100).filter(|position| !bad.contains(position)).collect::<Vec<_>>());
            assert!(tries <= 1 + 16 * bad.len(), "{tries} tries for {} bad rows", bad.len());
        }
    }

    #[test]
    fn a_refused_dead_letter_is_no_matter_of_rows() {
        let mut bisection = Bisection::new(block(1));
        assert_eq!(bisection.refused("no"), Refused::Dead(Position(0)));
        assert_eq!(bisection.refused("no"), Refused::Stuck);
        assert!(bisection.current().is_some(), "it is not lost");
    }

    #[test]
    fn nothing_to_commit_is_nothing_to_commit() {
        assert!(Bisection::new(block(0)).current().is_none());
    }
}
