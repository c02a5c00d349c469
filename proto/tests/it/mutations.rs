//! The golden fixtures, changed a little: whatever becomes of them is read as it would be written, or refused by name. What `make fuzz` looks for at length.

use std::path::PathBuf;

use bytes::Bytes;
use parley_proto::{
    Kind,
    check::{CheckError, check},
    codec::{decode, encode},
    segment::Group,
    wire::{ClientFrame, refused_path},
};
use proptest::{prelude::*, sample::Index};

use crate::support::{PARTITION, record, room};

/// One change: of a byte, of a place, of the length.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Repeat(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), prop::sample::select(&b"\0\"{}[]:,-.019e\\/ \xFF\x80"[..])).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        any::<Index>().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match change {
        Change::Set(at, byte) => bytes[at.index(len)] = *byte,
        Change::Remove(at) => drop(bytes.remove(at.index(len))),
        Change::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Change::Repeat(a, b) => {
            let (from, to) = (a.index(len).min(b.index(len)), a.index(len).max(b.index(len)));
            let piece = bytes[from..to].to_vec();
            bytes.splice(to..to, piece);
        }
        Change::Cut(at) => bytes.truncate(at.index(len)),
    }
}

fn changed(originals: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(originals), prop::collection::vec(change(), 1..6)).prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| apply(&mut bytes, change));
        bytes
    })
}

fn client_frames() -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let read = |name| serde_json::from_slice::<Vec<serde_json::Value>>(&std::fs::read(path.join(name)).unwrap()).unwrap();
    let good = read("client_frames.json").into_iter().map(|frame| frame.to_string().into_bytes());
    let refused = read("client_frames_refused.json").into_iter().map(|example| example["text"].as_str().unwrap().as_bytes().to_vec());
    good.chain(refused).collect()
}

fn records() -> Vec<Vec<u8>> {
    Kind::ALL.into_iter().map(|kind| encode(&record(kind, room(1), 5, 6, 64, 96)).to_vec()).collect()
}

fn groups() -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join("server_frames.json");
    let frames: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let items = frames.iter().filter(|frame| frame["type"] == "frames").flat_map(|frame| frame["items"].as_array().unwrap().clone());
    let items: Vec<parley_proto::item::Item> = items.map(|item| serde_json::from_value(item).unwrap()).collect();
    assert!(!items.is_empty());
    let one = |item| Group::new([(parley_proto::item::Item::clone(item).position, item)]).to_bytes().to_vec();
    items.iter().map(one).chain([Group::empty().to_bytes().to_vec()]).collect()
}

fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = bytes.len().checked_sub(4) {
        let crc = crc32c::crc32c(&bytes[..at]);
        bytes[at..].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_changed_frame_is_read_as_it_would_be_written_or_refused(bytes in changed(client_frames())) {
        let text = String::from_utf8_lossy(&bytes);
        match serde_json::from_str::<ClientFrame>(&text) {
            Ok(frame) => prop_assert_eq!(serde_json::from_str::<ClientFrame>(&serde_json::to_string(&frame).unwrap()).unwrap(), frame),
            Err(_) => prop_assert!(refused_path(&text).is_none_or(|path| path.len() <= text.len() + 2), "a path is a part of what was sent"),
        }
    }

    #[test]
    fn a_changed_record_is_read_as_it_was_written_or_has_a_reason(bytes in changed(records()), right_checksum in any::<bool>()) {
        let bytes = if right_checksum { with_crc(bytes) } else { bytes };
        if let Ok(record) = decode(&bytes) {
            prop_assert_eq!(encode(&record), bytes.clone(), "two ways to write one record");
        }
        match check(&bytes, PARTITION) {
            Ok(record) => prop_assert_eq!(record.room.partition(), PARTITION),
            Err(CheckError::Dead(reason)) => prop_assert!(!reason.to_string().is_empty()),
            Err(CheckError::Newer(version)) => prop_assert!(version > parley_proto::codec::VERSION),
        }
    }

    #[test]
    fn a_changed_group_is_whole_or_refused(bytes in changed(groups())) {
        if let Ok(group) = Group::from_bytes(Bytes::copy_from_slice(&bytes)) {
            prop_assert_eq!(group.to_bytes(), bytes);
            prop_assert!(group.items().len().max(group.departures().len()) <= group.len());
            let from_each: Vec<_> = group.items().iter().map(|(key, _)| group.json_from(key.at()).len()).collect();
            prop_assert!(from_each.iter().all(|len| *len <= group.json_len()));
        }
    }
}
