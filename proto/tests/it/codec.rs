//! Records as bytes.

use bytes::Bytes;
use parley_proto::{
    Body, Kind, PartitionId,
    check::{CheckError, DeadReason, check, check_record},
    codec::{self, DecodeError, decode, encode},
};
use proptest::prelude::*;

use crate::support::{PARTITION, record, room};

fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..at]);
    bytes[at..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    for kind in Kind::ALL {
        let mut original = record(kind, room(1), 5, 6, 7, 8);
        original.imported = true;
        assert_eq!(decode(&encode(&original)), Ok(original.clone()), "{kind:?}");
        original.body = Body::A256Gcm { key_id: 9, data: Bytes::from_static(&[0, 255, 1]) };
        assert_eq!(decode(&encode(&original)), Ok(original), "{kind:?} encrypted");
    }
}

#[test]
fn what_is_not_a_record_says_why() {
    let good = encode(&record(Kind::Message, room(1), 5, 6, 7, 8)).to_vec();
    assert_eq!(decode(b""), Err(DecodeError::Empty));
    assert_eq!(decode(b"PRLY"), Err(DecodeError::Truncated));
    assert_eq!(decode(b"NOPE and more"), Err(DecodeError::WrongMagic));
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    assert_eq!(decode(&flipped), Err(DecodeError::WrongChecksum));
    assert_eq!(decode(&good[..good.len() - 1]), Err(DecodeError::WrongChecksum));
    let mut kind = good.clone();
    kind[5] = 200;
    assert_eq!(decode(&with_crc(kind)), Err(DecodeError::UnknownKind));
    let mut newer = good.clone();
    newer[4] = 2;
    assert_eq!(decode(&with_crc(newer)), Err(DecodeError::Newer(2)));
    let mut version_zero = good.clone();
    version_zero[4] = 0;
    assert_eq!(decode(&with_crc(version_zero)), Err(DecodeError::Malformed));
    let mut flags = good.clone();
    flags[6] = 0x80;
    assert_eq!(decode(&with_crc(flags)), Err(DecodeError::Malformed));
    let mut longer = good;
    longer.splice(longer.len() - 4..longer.len() - 4, [1, 2, 3]);
    assert_eq!(decode(&with_crc(longer)), Err(DecodeError::Malformed));
}

#[test]
fn content_that_breaks_a_rule_is_a_dead_letter() {
    let message = record(Kind::Message, room(1), 5, 6, 7, 8);
    assert_eq!(check_record(&message, PARTITION), Ok(()));
    assert_eq!(check_record(&message, PartitionId(4)), Err(DeadReason::WrongPartition(PARTITION)));
    let broken = |change: &dyn Fn(&mut parley_proto::Record)| {
        let mut record = message.clone();
        change(&mut record);
        check_record(&record, PARTITION).unwrap_err()
    };
    assert_eq!(broken(&|record| record.floor.0 = 6), DeadReason::FloorBelowBase);
    assert_eq!(broken(&|record| record.auth.0 = (1 << 53) + 1), DeadReason::NotAPosition((1 << 53) + 1));
    assert_eq!(broken(&|record| record.value = 1), DeadReason::Value);
    assert_eq!(broken(&|record| record.target = Some(record.id())), DeadReason::Target);
    assert!(matches!(broken(&|record| record.body = Body::empty()), DeadReason::Body(_)));
    assert!(matches!(broken(&|record| record.body = Body::Plain("x".repeat(4_001))), DeadReason::Body(_)));
    for kind in [Kind::Vote, Kind::Reaction] {
        let mut out_of_range = record(kind, room(1), 5, 6, 7, 8);
        out_of_range.value = 2;
        assert_eq!(check_record(&out_of_range, PARTITION), Err(DeadReason::Value), "{kind:?}");
    }
}

#[test]
fn a_newer_record_is_not_a_dead_letter() {
    let mut bytes = encode(&record(Kind::Message, room(1), 5, 6, 7, 8)).to_vec();
    bytes[4] = codec::VERSION + 1;
    assert_eq!(check(&with_crc(bytes), PARTITION), Err(CheckError::Newer(codec::VERSION + 1)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check(&bytes, PARTITION);
        let _ = check(&with_crc([b"PRLY\x01", &bytes[..], &[0; 4]].concat()), PARTITION);
    }
}
