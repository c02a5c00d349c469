//! The fold against the rule that it stands for: "the first occurrence counts, for ever".

use std::collections::HashSet;

use bytes::Bytes;
use parley_proto::{
    Cursor, Kind, MessageId, Position, WINDOW,
    check::check,
    codec,
    fold::{Fold, Stop, Verdict},
};
use proptest::prelude::*;

use crate::support::{PARTITION, record, room};

/// The naive rule: all identities that ever counted.
#[derive(Default)]
struct ForEver {
    seen: HashSet<MessageId>,
}

impl ForEver {
    fn name(&mut self, position: Position, bytes: &[u8]) -> &'static str {
        let Ok(record) = check(bytes, PARTITION) else { return "dead" };
        if record.floor > position.at() || position.0 - record.floor.0 > WINDOW {
            return "expired";
        }
        if self.seen.insert(record.id()) { "first" } else { "duplicate" }
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::First(_) => "first",
        Verdict::Duplicate(_) => "duplicate",
        Verdict::Expired(_) => "expired",
        Verdict::Dead(_) => "dead",
    }
}

fn apply(fold: &mut Fold, log: &[Bytes], first: u64, position: u64) -> Verdict {
    loop {
        match fold.apply(Position(position), &log[usize::try_from(position - first).unwrap()]) {
            Ok(verdict) => return verdict,
            Err(Stop::NeedsEarlier { from }) => {
                let range = from.0.max(first)..fold.start().0;
                fold.extend_back(from, range.map(|earlier| (Position(earlier), &log[usize::try_from(earlier - first).unwrap()][..])));
            }
            Err(Stop::Newer { version }) => panic!("version {version}"),
        }
    }
}

/// A log whose writers keep the rule of sending: a record's floor is its base, so no repeat can have its first occurrence below its floor.
/// Some are appended twice, some much later, some are broken.
fn arbitrary_log() -> impl Strategy<Value = Vec<Bytes>> {
    let step = (0_u128..6, 0_u128..12, 0_u64..24, 0_u8..20);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut log: Vec<Bytes> = Vec::new();
        for (sender, cid, back, what) in steps {
            let end = log.len() as u64;
            let bytes = match what {
                0 => Bytes::from_static(b"PRLY broken"),
                1 => codec::encode(&record(Kind::Message, room(1), sender, cid, end + 5, end + 5)),
                2..=8 if !log.is_empty() => log[usize::try_from(end.saturating_sub(1 + back)).unwrap()].clone(),
                9 => codec::encode(&record(Kind::Cancel, room(1), sender, cid, end.saturating_sub(back), end.saturating_sub(back))),
                _ => codec::encode(&record(Kind::Message, room(1), sender, cid, end.saturating_sub(back), end.saturating_sub(back))),
            };
            log.push(bytes);
        }
        log
    })
}

proptest! {
    #[test]
    fn a_window_decides_as_for_ever_would(log in arbitrary_log()) {
        let (mut fold, mut naive) = (Fold::new(PARTITION, Cursor::ZERO), ForEver::default());
        for position in 0..log.len() as u64 {
            let expected = naive.name(Position(position), &log[usize::try_from(position).unwrap()]);
            prop_assert_eq!(name(&apply(&mut fold, &log, 0, position)), expected, "at {}", position);
        }
    }

    #[test]
    fn a_reader_that_begins_anywhere_judges_the_same(log in arbitrary_log(), begin in 0_usize..120) {
        let begin = (begin % log.len()) as u64;
        let mut whole = Fold::new(PARTITION, Cursor::ZERO);
        let all: Vec<_> = (0..log.len() as u64).map(|position| apply(&mut whole, &log, 0, position)).collect();
        let mut late = Fold::new(PARTITION, Cursor(begin));
        for position in begin..log.len() as u64 {
            prop_assert_eq!(&apply(&mut late, &log, 0, position), &all[usize::try_from(position).unwrap()], "at {}", position);
        }
    }
}

#[test]
fn a_repeat_at_the_window_s_edge_is_a_duplicate_and_one_beyond_is_expired() {
    let first = codec::encode(&record(Kind::Message, room(1), 1, 1, 10, 10));
    for (distance, expected) in [(WINDOW, "duplicate"), (WINDOW + 1, "expired")] {
        let mut fold = Fold::new(PARTITION, Cursor(10));
        assert_eq!(name(&fold.apply(Position(10), &first).unwrap()), "first");
        assert_eq!(name(&fold.apply(Position(10 + distance), &first).unwrap()), expected);
    }
}

#[test]
fn votes_are_repeats_too() {
    let mut fold = Fold::new(PARTITION, Cursor::ZERO);
    let up = codec::encode(&record(Kind::Vote, room(1), 1, 1, 0, 0));
    assert_eq!(name(&fold.apply(Position(0), &up).unwrap()), "first");
    assert_eq!(name(&fold.apply(Position(1), &up).unwrap()), "duplicate");
}

#[test]
fn a_newer_version_stops_and_is_not_remembered() {
    let mut bytes = codec::encode(&record(Kind::Message, room(1), 1, 1, 0, 0)).to_vec();
    bytes[4] = codec::VERSION + 1;
    let crc_at = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..crc_at]);
    bytes[crc_at..].copy_from_slice(&crc.to_be_bytes());
    let mut fold = Fold::new(PARTITION, Cursor::ZERO);
    assert_eq!(fold.apply(Position(0), &bytes), Err(Stop::Newer { version: codec::VERSION + 1 }));
    assert_eq!(fold.end(), Cursor::ZERO);
}

#[test]
fn memory_is_bounded_by_the_window() {
    let mut fold = Fold::new(PARTITION, Cursor::ZERO);
    for position in 0..WINDOW + 1_000 {
        let bytes = codec::encode(&record(Kind::Message, room(1), 1, u128::from(position), position, position));
        fold.apply(Position(position), &bytes).unwrap();
    }
    assert_eq!(fold.start(), Cursor(1_000));
    assert!(fold.len() as u64 <= WINDOW);
}
