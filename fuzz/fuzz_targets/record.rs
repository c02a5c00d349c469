//! A record of the log is read as it was written, or has a reason. The checksum is made right half of the time: what lies behind it is looked for as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parley_proto::{
    PartitionId,
    check::{CheckError, check},
    codec::{VERSION, decode, encode},
};

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (right_checksum, mut bytes) = input;
    if right_checksum && let Some(at) = bytes.len().checked_sub(4) {
        let crc = crc32c(&bytes[..at]);
        bytes[at..].copy_from_slice(&crc.to_be_bytes());
    }
    if let Ok(record) = decode(&bytes) {
        assert_eq!(encode(&record), bytes, "two ways to write one record");
    }
    let partition = PartitionId(3);
    match check(&bytes, partition) {
        Ok(record) => assert_eq!(record.room.partition(), partition),
        Err(CheckError::Dead(reason)) => assert!(!reason.to_string().is_empty()),
        Err(CheckError::Newer(version)) => assert!(version > VERSION),
    }
});

/// CRC-32C, bit by bit: not the one that the product uses.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg())))
}
