//! A group of frames from the bus is whole, or refused; no part of it is longer than the whole.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parley_proto::segment::Group;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(group) = Group::from_bytes(Bytes::copy_from_slice(bytes)) {
        assert_eq!(group.to_bytes(), bytes);
        assert!(group.items().len().max(group.departures().len()) <= group.len());
        assert!(group.items().iter().all(|(key, _)| group.json_from(key.at()).len() <= group.json_len()));
    }
});
